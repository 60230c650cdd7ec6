"""The verbs of `common.cluster.Cluster` over the Kubernetes API."""

import random
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

from common.cluster import Document, Manifest, objects
from common.cluster import api as cluster_api
from common.cluster.api import Api
from common.cluster.errors import Contended, OutcomeUnknown
from common.cluster.objects import LABELS, Page, Pod
from common.cluster.syncs import SyncObjects
from common.errors import ClusterUnavailable, Conflict, SyncError, TimedOut
from common.settings import Settings

PAGE = 500
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
_RESTARTS = 3
_LOG_BYTES = 256 * 1024
_CONTENDED_TRIES = 5
_CONTENDED_PAUSE_SECONDS = 0.2

Query = dict[str, str | int]

_known: dict[tuple[str, str, str], "KubernetesCluster"] = {}
_lock = threading.Lock()


def connect(settings: Settings) -> "KubernetesCluster":
    """Return the cluster that the settings name; one per process, so that its connections are reused.

    Raise SettingsError or ClusterUnavailable if there are no credentials for it.
    """
    key = (settings.kubernetes_client_config, settings.kubernetes_context, settings.kubernetes_namespace)
    with _lock:
        if key not in _known:
            _known[key] = KubernetesCluster(cluster_api.connect(settings), settings.kubernetes_namespace)
        found = _known[key]
    found.open()
    return found


class KubernetesCluster:
    """A `Cluster` whose pods are pods."""

    def __init__(self, api: Api, namespace: str, *, page: int = PAGE) -> None:
        self._api, self._namespace, self._page = api, namespace, page
        self._syncs = SyncObjects(api, namespace)

    def open(self) -> None:
        """Read the credentials, if that has not been done. Raise SettingsError or ClusterUnavailable without any."""
        self._api.open()

    def create_pod(self, pod: Manifest) -> Pod:
        """See Cluster. An unknown outcome is settled by the pod's name: nothing is sent twice blindly."""
        try:
            return objects.read_pod(self._create("pods", pod))
        except (TimedOut, OutcomeUnknown) as error:
            found = self._settle(pod)
            if found is None:
                raise
            if found.is_ending or found.task_id != pod["metadata"].get("annotations", {}).get("TaskID", ""):
                raise Conflict(f"A pod named {pod['metadata']['name']} exists already.") from error
            return found

    def create_secret(self, secret: Manifest) -> None:
        """See Cluster. An unknown outcome is raised: functions that start tasks may not read Secrets."""
        self._create("secrets", secret)

    def read_secret(self, name: str) -> dict[str, bytes] | None:
        """See Cluster."""
        data = self._api.call("GET", self._path("secrets", name), doing=f"reading the Secret {name}", none_on={404})
        return None if data is None else objects.read_secret(data)

    def get_pod(self, name: str) -> Pod | None:
        """See Cluster."""
        data = self._api.call("GET", self._path("pods", name), doing=f"looking at the pod {name}", none_on={404})
        return None if data is None else objects.read_pod(data)

    def list_pods(self) -> Iterator[Pod]:
        """See Cluster. Without a resource version: the answer is current, never a cache's."""
        seen: set[str] = set()
        token, restarts = "", 0
        while True:
            page = self._list(token)
            if page is None:
                # The token has expired: list from the start, and skip what was seen.
                restarts += 1
                if restarts > _RESTARTS:
                    raise ClusterUnavailable("The pods change faster than Kubernetes can list them; try again later.")
                token = ""
                continue
            for pod in page.items:
                if pod.uid not in seen:
                    seen.add(pod.uid)
                    yield pod
            token = page.metadata.continue_token
            if not token:
                return

    def delete_pod(self, name: str, uid: str, grace_seconds: int) -> None:
        """See Cluster."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": grace_seconds}
        body = options | {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        # 409: the precondition failed: another pod has that name by now.
        self._api.call(
            "DELETE", self._path("pods", name), body=body, doing=f"deleting the pod {name}", none_on={404, 409}
        )

    def read_log(self, name: str, container: str, tail_lines: int) -> bytes:
        """See Cluster; never decoded here. 400: the container has not started."""
        query: Query = {"container": container, "tailLines": tail_lines, "limitBytes": _LOG_BYTES}
        data = self._api.call(
            "GET", self._path("pods", name, "log"), query, doing=f"reading the log of {name}", none_on={400, 404}
        )
        return data or b""

    def list_syncs(self) -> list[Document]:
        """See Cluster."""
        return self._syncs.list_syncs()

    def get_sync(self, name: str) -> Document | None:
        """See Cluster."""
        return self._syncs.get_sync(name)

    def put_sync(self, document: Manifest, resource_version: str) -> Document:
        """See Cluster."""
        return self._syncs.put_sync(document, resource_version)

    def delete_sync(self, name: str, resource_version: str = "") -> bool:
        """See Cluster."""
        return self._syncs.delete_sync(name, resource_version)

    def set_sync_status(self, name: str, status: Manifest) -> None:
        """See Cluster."""
        self._syncs.set_sync_status(name, status)

    def _create(self, kind: str, made: Manifest) -> bytes:
        """Send a POST; repeat it only if the server answers that it did nothing, as quotas under contention do."""
        what = f"creating the {kind.removesuffix('s')} {made['metadata']['name']}"
        for attempt in range(_CONTENDED_TRIES):
            try:
                return self._api.call("POST", self._path(kind), body=made, doing=what) or b""
            except Contended:
                if attempt == _CONTENDED_TRIES - 1:
                    raise
                time.sleep(_CONTENDED_PAUSE_SECONDS * (attempt + random.random()))  # noqa: S311 - jitter
        raise AssertionError

    def _settle(self, pod: Manifest) -> Pod | None:
        """Return the pod of that name, or None if it cannot be read."""
        try:
            return self.get_pod(pod["metadata"]["name"])
        except SyncError:
            return None

    def _list(self, token: str) -> Page | None:
        query: Query = {"labelSelector": SELECTOR, "limit": self._page}
        if token:
            query["continue"] = token
        data = self._api.call("GET", self._path("pods"), query, doing="listing the task pods", none_on={410})
        return None if data is None else objects.read_page(data)

    def _path(self, *parts: str) -> str:
        return "/".join(["/api/v1/namespaces", *(quote(part, safe="") for part in (self._namespace, *parts))])
