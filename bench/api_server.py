"""A real API server without nodes: pods are what we put into it, and their status is what we say."""

import http.client
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tools.cluster import control_plane
from tools.cluster.control_plane import ControlPlane

NAMESPACE = "sync-tasks"
_PATH = f"/api/v1/namespaces/{NAMESPACE}"
_PODS = f"{_PATH}/pods"
_THREADS = 4
_COUNTED = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')

Pod = Mapping[str, Any]


class ApiServer:
    """What a bench does with the API server, as its administrator."""

    def __init__(self, running: ControlPlane) -> None:
        self._running = running
        self.settings = {
            "SYNCCTL_KUBERNETES_CLIENT_CONFIG": running.kubeconfig,
            "SYNCCTL_KUBERNETES_NAMESPACE": NAMESPACE,
        }

    def fill(self, pods: Iterable[Pod]) -> None:
        """Makes these pods, each with its status."""
        self._each(pods, self._create)

    def show(self, pods: Iterable[Pod]) -> None:
        """Gives pods that are there the status that they carry."""
        self._each(pods, self._set_status)

    def there(self, kind: str) -> list[dict[str, Any]]:
        """The pods or Secrets that are there."""
        with closing(self._running.connect()) as connection:
            found: list[dict[str, Any]] = self._ask(connection, "GET", f"{_PATH}/{kind}")["items"]
            return found

    def seen(self) -> Counter[str]:
        """The requests for pods, Secrets and syncs so far, by verb and resource, as the server counts them itself."""
        with closing(self._running.connect()) as connection:
            text = self._send(connection, "GET", "/metrics").decode()
        seen: Counter[str] = Counter()
        for labels, number in _COUNTED.findall(text):
            of = dict(_LABEL.findall(labels))
            if of["resource"] in {"pods", "secrets", "syncs"}:
                seen["/".join(part for part in (f"{of['verb']} {of['resource']}", of["subresource"]) if part)] += int(
                    float(number)
                )
        return seen

    def prepare(self) -> None:
        """What a cluster's controllers would have made: the namespace's default account."""
        with closing(self._running.connect()) as connection:
            self._ask(connection, "POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            self._ask(connection, "POST", f"{_PATH}/serviceaccounts", {"metadata": {"name": "default"}})

    def install(self, crd: Mapping[str, Any]) -> None:
        """Makes a kind of objects, and waits until the server knows it."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        with closing(self._running.connect()) as connection:
            self._ask(connection, "POST", path, crd)
            while True:
                status = self._ask(connection, "GET", f"{path}/{crd['metadata']['name']}").get("status", {})
                if {"Established": "True"} in [{one["type"]: one["status"]} for one in status.get("conditions") or ()]:
                    return
                time.sleep(0.1)

    def make(self, path: str, objects: Iterable[Mapping[str, Any]]) -> None:
        """Makes objects of any kind."""
        self._each(objects, lambda connection, made: self._ask(connection, "POST", path, made))

    def _create(self, connection: http.client.HTTPSConnection, pod: Pod) -> None:
        self._ask(connection, "POST", _PODS, pod)
        self._set_status(connection, pod)

    def _set_status(self, connection: http.client.HTTPSConnection, pod: Pod) -> None:
        self._ask(connection, "PUT", f"{_PODS}/{pod['metadata']['name']}/status", pod)

    def _each(self, pods: Iterable[Pod], act: Callable[[http.client.HTTPSConnection, Pod], None]) -> None:
        given = list(pods)

        def work(share: list[Pod]) -> None:
            with closing(self._running.connect()) as connection:
                for pod in share:
                    act(connection, pod)

        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(work, [given[start::_THREADS] for start in range(_THREADS)]):
                pass

    def _ask(self, connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self._send(connection, method, path, body))

    def _send(self, connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None) -> bytes:
        headers = {"Authorization": f"Bearer {self._running.token}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status < http.HTTPStatus.BAD_REQUEST, f"{method} {path}: {answer.status} {data[:300]!r}"
        return data


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """A running one; raises ClusterError where its programs are not built."""
    with tempfile.TemporaryDirectory() as folder, control_plane.alone(Path(folder)) as running:
        made = ApiServer(running)
        made.prepare()
        yield made
