"""The five verbs about declared syncs over the Kubernetes API: objects of the CRD in knative/syncs/crd.yaml."""

from typing import Any
from urllib.parse import quote

import msgspec

from common.cluster import Document, Manifest
from common.cluster.api import Api
from common.cluster.errors import Contended, KindUnknown, OutcomeUnknown
from common.errors import ClusterUnavailable, Conflict, Refused, SyncsNotInstalled

_GROUP = "sync-functions.dev/v1alpha1"
_PAGE = 500
_TRIES = 5
_STATUS = ("state", "lastTask", "lastSuccess", "nextRun", "message")
_GIVEN = ("labels", "annotations")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_API = {"apiVersion": _GROUP, "kind": "Sync"}
"""What the items of a list may lack."""
_MERGE = "application/merge-patch+json"


class SyncObjects:
    """Declared syncs of one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._path = f"/apis/{_GROUP}/namespaces/{quote(namespace, safe='')}/syncs"

    def list_syncs(self) -> list[Document]:
        """See Cluster.list_syncs."""
        for _ in range(_TRIES):
            found = self._list()
            if found is not None:
                return found
        raise ClusterUnavailable("The declared syncs change faster than Kubernetes can list them; try again later.")

    def get_sync(self, name: str) -> Document | None:
        """See Cluster.get_sync."""
        data = self._call("GET", self._of(name), doing=f"reading the sync {name}", none_on={404})
        return None if data is None else _shown(_decoded(data))

    def put_sync(self, document: Manifest, resource_version: str) -> Document:
        """See Cluster.put_sync. Without a version, what others change meanwhile is read once more."""
        name = str(document["metadata"]["name"])
        for _ in range(_TRIES):
            current = self.get_sync(name)
            if resource_version and (current is None or current["metadata"]["resourceVersion"] != resource_version):
                raise changed(name)
            try:
                return _shown(self._write(name, document, current))
            except (Contended, Conflict):
                continue
        raise changed(name)

    def delete_sync(self, name: str, resource_version: str = "") -> bool:
        """See Cluster.delete_sync."""
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if resource_version:
            body["preconditions"] = {"resourceVersion": resource_version}
        try:
            done = self._call("DELETE", self._of(name), body=body, doing=f"deleting the sync {name}", none_on={404})
        except Contended as error:
            raise changed(name) from error
        return done is not None

    def set_sync_status(self, name: str, status: Manifest) -> None:
        """See Cluster.set_sync_status."""
        body = {"status": {field: status.get(field) for field in _STATUS}}
        self._call(
            "PATCH",
            f"{self._of(name)}/status",
            body=body,
            doing=f"writing the status of the sync {name}",
            none_on={404},
            content_type=_MERGE,
        )

    def _write(self, name: str, document: Manifest, current: Document | None) -> Document:
        wanted = {"apiVersion": _GROUP, "kind": "Sync", "spec": document["spec"]}
        given = {key: dict(document["metadata"][key]) for key in _GIVEN if document["metadata"].get(key) is not None}
        if current is None:
            made = wanted | {"metadata": {"name": name, **given}}
            return _decoded(self._call("POST", self._path, body=made, doing=f"creating the sync {name}"))
        applied = current["metadata"].get("annotations", {}).get(_LAST_APPLIED)
        if applied and "annotations" in given:  # else kubectl would no longer know what it has to take away
            given["annotations"].setdefault(_LAST_APPLIED, applied)
        changed_to = wanted | {"metadata": current["metadata"] | given}
        return _decoded(self._call("PUT", self._of(name), body=changed_to, doing=f"replacing the sync {name}"))

    def _list(self) -> list[Document] | None:
        """Return all of them, or None if they have to be listed from the start, as the list has expired."""
        found: list[Document] = []
        token = ""
        while True:
            query: dict[str, str | int] = {"limit": _PAGE} | ({"continue": token} if token else {})
            data = self._call("GET", self._path, query, doing="listing the declared syncs", none_on={410})
            if data is None:
                return None
            page = _decoded(data)
            found += [_API | _shown(item) for item in page["items"]]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    def _call(self, *request: Any, **more: Any) -> bytes | None:
        """Send a request. Raise SyncsNotInstalled where the API server knows no such kind."""
        try:
            return self._api.call(*request, **more)
        except KindUnknown as error:
            raise SyncsNotInstalled(
                "No syncs can be declared here: this cluster does not know them. Apply knative/syncs/crd.yaml."
            ) from error

    def _of(self, name: str) -> str:
        if name in {"", ".", ".."}:  # which a path loses
            raise Refused(f"{name!r} is not a name for a sync; use lower-case letters, digits, '-' and '.'.")
        return f"{self._path}/{quote(name, safe='')}"


def _shown(document: Document) -> Document:
    """Return a document without its managed fields, which are longer than all the rest, and which nobody reads here."""
    return document | {"metadata": {key: one for key, one in document["metadata"].items() if key != "managedFields"}}


def changed(name: str) -> Conflict:
    """Return the error for a document that is not what the caller has seen."""
    return Conflict(
        f"The sync {name} has changed, or is gone, since it was read; read it again, and repeat the change."
    )


def _decoded(data: bytes | None) -> Document:
    try:
        return msgspec.json.decode(data or b"", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OutcomeUnknown(
            "What answered for Kubernetes did not send a sync; check that nothing stands in between."
        ) from error
