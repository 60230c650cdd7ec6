"""GET /syncs and GET /syncs/NAME."""

from typing import TYPE_CHECKING, cast

from common import cluster
from common.cluster import Document
from common.errors import NotFound
from common.request import Request
from common.runs import overview
from common.tasks.parameters import parameters

if TYPE_CHECKING:
    from common.declared import answers


def list_syncs(request: Request) -> "answers.SyncList":
    """Answer with the documents and statuses of all declared syncs, with syncs that only have tasks, and their runs."""
    parameters(request.query)
    documents = cluster.connect(request.settings).list_syncs()
    return cast("answers.SyncList", overview.every(documents, request.settings, request.known_tag))


def get_sync(request: Request) -> "answers.SyncAnswer":
    """Answer with the document of one and its status, its streams, and the keys of its states."""
    parameters(request.query)
    [name] = request.names
    documents = cluster.connect(request.settings).list_syncs()  # those that it comes after count, too
    document = found(name, {one["metadata"]["name"]: one for one in documents}.get(name))
    return cast("answers.SyncAnswer", overview.one(document, documents, request.settings, request.known_tag))


def found(name: str, document: Document | None) -> Document:
    """Return the document; raise NotFound if it is none."""
    if document is None:
        raise NotFound(f"No sync is declared as {name!r}; GET /syncs lists those that are.")
    return document
