"""What GET /syncs shows beside the documents: statuses as they are now, streams, and syncs that are not declared."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from common.request import Tagged
from common.runs import look
from common.runs.declared import Declared
from common.runs.due import stamp
from common.settings import Settings
from common.store import Database, runs, sweeps
from common.store.runs import LastRuns
from common.tasks.query import tag_of

_MOST_UNDECLARED = 500


def every(documents: Sequence[Mapping[str, Any]], settings: Settings, known: str = "") -> Tagged:
    """Return the documents with their statuses, the syncIds that only have tasks, and the newest reads of both.

    Reads are not added up if the caller has what this would be: if its tag is `known`.
    """
    with Database(settings.require_database_url(), settings.database_schema) as db:
        view = look.look(documents, db, settings, db.transact(sweeps.now))
        own = {one.sync_id for one in view.syncs.values() if isinstance(one, Declared)}
        others = db.transact(lambda db: _undeclared(db, own))
        ids = sorted(own | {one["syncId"] for one in others})
        syncs = [{**document, "status": view.status(name)} for name, document in view.documents.items()]
        shown = {"ok": True, "syncs": syncs, "undeclared": others}
        rest = _tag(shown)
        tag, reads = db.transact(lambda db: runs.newest(db, ids, _part(known, rest)))
    return Tagged(tag + rest, {} if reads is None else {**shown, "runs": Raw(reads.encode())})


def one(
    document: Mapping[str, Any], documents: Sequence[Mapping[str, Any]], settings: Settings, known: str = ""
) -> Tagged:
    """Return a document with its status, its streams and the keys of its saved states; of `known`, as for `every`."""
    name = str(document["metadata"]["name"])
    with Database(settings.require_database_url(), settings.database_schema) as db:
        view = look.look(documents, db, settings, db.transact(sweeps.now))
        shown: dict[str, Any] = {"ok": True, "sync": {**document, "status": view.status(name)}}
        found = view.syncs[name]
        if not isinstance(found, Declared):
            tag = _tag(shown)
            return Tagged(tag, {} if tag == known else shown)
        states = db.transact(lambda db: runs.state_keys(db, found.sync_id))
        kept = [{"key": key, "savedAt": stamp(saved)} for key, saved in states]
        rest = _tag({**shown, "syncId": found.sync_id, "states": kept})
        tag, streams = db.transact(lambda db: runs.streams(db, found.sync_id, _part(known, rest)))
    if streams is None:
        return Tagged(tag + rest, {})
    own = {"syncId": found.sync_id, "streams": [_stream(row) for row in streams], "states": kept}
    return Tagged(tag + rest, {**shown, **own})


def _part(known: str, rest: str) -> str:
    """Return the part of a tag that is the reads'; "" if the rest is of another answer, which has to be sent whole."""
    return known.removesuffix(rest) if known.endswith(rest) else ""


def _tag(shown: Mapping[str, Any]) -> str:
    """Return the tag of what has no version in the tables: documents, and statuses that change with time alone."""
    return tag_of(msgspec.json.encode(shown))


def _undeclared(db: Database, declared: set[str]) -> list[dict[str, Any]]:
    ids = [sync_id for sync_id in runs.sync_ids(db, len(declared) + _MOST_UNDECLARED) if sync_id not in declared]
    return [
        {"syncId": sync_id, "declared": False, "status": _status(last)} for sync_id, last in runs.last(db, ids).items()
    ]


def _status(last: LastRuns) -> dict[str, Any]:
    found = {
        "state": last.state and str(last.state),
        "lastTask": last.task_id,
        "lastSuccess": last.success_at and stamp(last.success_at),
        "message": last.reason,
    }
    return {name: value for name, value in found.items() if value}


def _stream(row: runs.StreamRuns) -> dict[str, Any]:
    return {
        "stream": row.stream,
        "status": row.status,
        "rows": row.rows,
        "bytes": row.bytes,
        "lastRecord": row.last_record and stamp(row.last_record),
    }
