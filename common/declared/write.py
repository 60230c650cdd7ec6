"""PUT /syncs, PUT and DELETE /syncs/NAME."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from common import cluster
from common.cluster import Cluster, Document
from common.cluster.syncs import changed
from common.declared import documents
from common.declared.query import found
from common.errors import BadRequest, Conflict, SyncError
from common.request import Request
from common.settings import Settings
from common.store import Database, tasks
from common.syncs import others
from common.syncs.others import Link
from common.syncs.validate import Rules
from common.tasks.parameters import flag, parameters

if TYPE_CHECKING:
    from common.declared import answers

_KEPT = ("labels", "annotations")


class Result(StrEnum):
    """What a write has done, in kubectl's words."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


def put_sync(request: Request) -> "answers.SyncWritten":
    """Create or replace the sync that the path names, and answer with its document."""
    [name] = request.names
    given = documents.read(request)
    if len(given) > 1:
        raise BadRequest("The body holds several documents; expected one, or PUT /syncs.")
    if _name(given[0].data) not in (name, None):  # a tuple: a mapping, too, may be given as the name
        raise BadRequest("metadata.name: expected the name in the path.")
    [result] = _apply(request, given)
    return {"ok": True, **result}


def put_syncs(request: Request) -> "answers.SyncsWritten":
    """Create or replace all syncs of the body, once all of them have been checked; with dryRun, only check."""
    return {"ok": True, "results": _apply(request, documents.read(request))}


def delete_sync(request: Request) -> "answers.SyncDeleted":
    """Delete a sync, and answer with what it was. What it has made stays, and its active run goes on."""
    [name] = request.names
    query = parameters(request.query, optional=("force", "resourceVersion"))
    force, version = flag("force", query), query.get("resourceVersion", "")
    there = cluster.connect(request.settings)
    every = {document["metadata"]["name"]: document for document in there.list_syncs()}
    document = found(name, every.get(name))
    starts = others.started_by(name, map(Link.of_document, every.values()))
    if starts and not force:
        raise Conflict(
            f"The success of {name} starts {', '.join(starts)}, which nothing would start then: take it out of their "
            "`after` first, or delete it all the same with force=true (`--force`)."
        )
    active = _active(document, request.settings)
    if not there.delete_sync(name, version):
        raise changed(name)
    return {"ok": True, "sync": cast("answers.SyncDocument", document), "wasAfter": starts, "activeTask": active}


def _apply(request: Request, given: list[documents.Given]) -> "list[answers.WrittenSync]":
    dry_run = flag("dryRun", parameters(request.query, optional=("dryRun",)))
    there = cluster.connect(request.settings)
    existing = {document["metadata"]["name"]: document for document in there.list_syncs()}
    rules = Rules(request.settings.secrets, request.settings.allowed_images)
    syncs = documents.checked(given, existing.values(), rules)
    results: list[answers.WrittenSync] = []
    for sync, one in zip(syncs, given, strict=True):
        name = sync.metadata.name
        try:
            result, document = _write(there, one.data, existing.get(name), dry_run=dry_run)
            results.append({"name": name, "result": result, "sync": document})
        except SyncError as error:
            error.details = {"results": results, "failed": name}
            raise
    return results


def _write(
    there: Cluster, data: Mapping[str, Any], current: Document | None, *, dry_run: bool
) -> "tuple[Result, answers.SyncDocument | None]":
    version = str(data["metadata"].get("resourceVersion") or "")
    if version and (current is None or current["metadata"]["resourceVersion"] != version):
        raise changed(data["metadata"]["name"])
    result = _compare(data, current)
    if current is not None and result is Result.UNCHANGED:
        return result, _shown(current)
    return result, _shown(data if dry_run else there.put_sync(data, version))


def _compare(data: Mapping[str, Any], current: Document | None) -> Result:
    if current is None:
        return Result.CREATED
    metadata, known = data["metadata"], current["metadata"]
    same = all(metadata[key] == known.get(key, {}) for key in _KEPT if metadata.get(key) is not None)
    return Result.UNCHANGED if same and data["spec"] == current.get("spec") else Result.CONFIGURED


def _active(document: Document, settings: Settings) -> str | None:
    """Return the id of the sync's active run."""
    sync_id = Link.of_document(document).sync_id
    with Database(settings.require_database_url(), settings.database_schema) as db:
        return db.transact(lambda db: tasks.active_read(db, sync_id))


def _name(data: Any) -> Any:
    """Return the name in a document of whatever form."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    return metadata.get("name") if isinstance(metadata, dict) else None


def _shown(document: Mapping[str, Any] | None) -> "answers.SyncDocument | None":
    """Return a document as the type of what is answered."""
    return cast("answers.SyncDocument | None", document)
