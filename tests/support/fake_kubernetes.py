"""A server that speaks as much of the Kubernetes API as our client asks for, and misbehaves where a test wants it to.

It stands in for a real one only where a test must see the requests themselves, or needs a fault that a healthy one
cannot be made to show; tests/cluster runs the same client against a real one.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from tests.support import canaries
from tests.support.http_server import HttpServer

NAMESPACE = "sync-tasks"
_PATH = f"/api/v1/namespaces/{NAMESPACE}/"
_SYNCS = f"/apis/sync-functions.dev/v1alpha1/namespaces/{NAMESPACE}/syncs"


class Asked(Struct, frozen=True):
    """One request as it came; the names of its headers in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


Answer = tuple[int, dict[str, Any] | bytes] | None
"""A status and a body; None hangs up without an answer."""


def status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    """An error as the API answers it."""
    return code, {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}


def made(name: str, task: str = "t", uid: str = "", **metadata: Any) -> dict[str, Any]:
    """A pod of ours, with fields that nobody reads."""
    labels = {"jitsu.com/creator": "bulker-sync-controller"}
    own = {"name": name, "namespace": NAMESPACE, "uid": uid or f"uid-{name}", "managedFields": [{"manager": "x"}]}
    annotations = {"TaskID": task, "TaskType": "read", "Package": "p", "PackageVersion": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**own, "labels": labels, "annotations": annotations, **metadata},
        "spec": {"containers": [{"name": "source", "image": "i", "env": [{"name": "A"}]}], "schedulerName": "d"},
        "status": {"phase": "Running", "hostIP": "10.0.0.1"},
    }


@dataclass
class FakeKubernetes:
    """The server's state. `fail` may answer in its stead: it gets the request and how many came before it."""

    url: str = ""
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    secret_data: dict[str, dict[str, str]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    """The uid of the pod that each Secret goes with."""
    logs: dict[str, bytes] = field(default_factory=dict)
    syncs: dict[str, dict[str, Any]] | None = field(default_factory=dict)
    """None: their CRD is not installed."""
    asked: list[Asked] = field(default_factory=list)
    fail: Callable[[Asked, int], Answer | bool] = lambda _asked, _number: False
    _versions: int = 0

    @property
    def kubeconfig(self) -> str:
        """A kubeconfig's text with a token, whose current context is another one than `used`."""
        return f"""\
apiVersion: v1
kind: Config
current-context: nowhere
clusters:
  - name: here
    cluster: {{server: "{self.url}"}}
  - name: nowhere
    cluster: {{server: "http://127.0.0.1:1"}}
users:
  - name: us
    user: {{token: {canaries.TOKEN}}}
contexts:
  - name: used
    context: {{cluster: here, user: us}}
  - name: nowhere
    context: {{cluster: nowhere, user: us}}
"""

    def verbs(self) -> list[str]:
        """Each request as METHOD and what follows the namespace."""
        return [f"{one.method} {one.path.removeprefix(_PATH)}" for one in self.asked]

    def answer(self, asked: Asked) -> Answer:
        """What a healthy server says."""
        if asked.path.startswith("/apis/"):
            return self._of_syncs(asked)
        kind, _, rest = asked.path.removeprefix(_PATH).partition("/")
        name, _, below = rest.partition("/")
        if asked.method == "POST":
            return self._create(kind, asked.body)
        if not name:
            return self._list(asked.query)
        if kind == "secrets":
            return (200, {"data": self.secret_data[name]}) if name in self.secrets else status(404, "NotFound", name)
        pod = self.pods.get(name)
        if pod is None:
            return status(404, "NotFound", f'pods "{name}" not found')
        if below == "log":
            return self._log(name, asked.query["container"])
        if asked.method == "DELETE":
            if asked.body["preconditions"]["uid"] != pod["metadata"]["uid"]:
                return status(409, "Conflict", "Precondition failed: UID in precondition")
            del self.pods[name]
            self.secrets -= {secret for secret, owner in self.owners.items() if owner == pod["metadata"]["uid"]}
        return 200, pod

    def _of_syncs(self, asked: Asked) -> Answer:
        if self.syncs is None:
            return 404, b"404 page not found\n"
        name, _, below = asked.path.removeprefix(_SYNCS).removeprefix("/").partition("/")
        if asked.method == "GET" and not name:
            return _page(self.syncs, asked.query)
        name = name or asked.body["metadata"]["name"]
        current = self.syncs.get(name)
        if asked.method == "POST":
            return self._create_sync(asked.body, current)
        if current is None:
            code, body = status(404, "NotFound", f'syncs "{name}" not found')
            return code, body | {"details": {"name": name, "kind": "syncs"}}
        version = current["metadata"]["resourceVersion"]
        if asked.method == "DELETE":
            if (asked.body.get("preconditions") or {}).get("resourceVersion", version) != version:
                return status(409, "Conflict", "Precondition failed: ResourceVersion in precondition")
            return 200, self.syncs.pop(name)
        if asked.method == "PATCH" and below == "status":
            left = {key: value for key, value in asked.body["status"].items() if value is not None}
            return 200, self._store_sync(current | {"status": left})
        if asked.method == "PUT":
            if asked.body["metadata"]["resourceVersion"] != version:
                return status(409, "Conflict", "the object has been modified")
            generation = current["metadata"]["generation"] + (asked.body["spec"] != current["spec"])
            metadata = asked.body["metadata"] | {"generation": generation}
            return 200, self._store_sync({**asked.body, "metadata": metadata, "status": current.get("status", {})})
        return 200, current

    def _create_sync(self, body: Any, current: Any) -> Answer:
        name = body["metadata"]["name"]
        if current is not None:
            return status(409, "AlreadyExists", f'syncs "{name}" already exists')
        fresh = {"uid": f"uid-{name}", "generation": 1, "creationTimestamp": "2026-11-29T10:00:00Z"}
        return 201, self._store_sync({**body, "metadata": body["metadata"] | fresh})

    def _store_sync(self, sync: dict[str, Any]) -> dict[str, Any]:
        self._versions += 1
        assert self.syncs is not None
        name = sync["metadata"]["name"]
        self.syncs[name] = {**sync, "metadata": {**sync["metadata"], "resourceVersion": str(self._versions)}}
        return self.syncs[name]

    def _create(self, kind: str, body: Any) -> Answer:
        name = body["metadata"]["name"]
        known = self.pods if kind == "pods" else self.secrets
        if name in known:
            return status(409, "AlreadyExists", f'{kind} "{name}" already exists')
        if kind == "secrets":
            self.secrets.add(name)
            self.secret_data[name] = dict(body.get("data") or {})
            for owner in body["metadata"].get("ownerReferences") or ():
                self.owners[name] = owner["uid"]
        else:
            self.pods[name] = {**body, "metadata": {**body["metadata"], "uid": f"uid-{name}"}}
        return 201, self.pods.get(name, body)

    def _list(self, query: dict[str, str]) -> Answer:
        return _page(self.pods, query)

    def _log(self, name: str, container: str) -> Answer:
        log = self.logs.get(f"{name}/{container}")
        if log is None:
            return status(400, "BadRequest", f'container "{container}" in pod "{name}" is waiting to start')
        return 200, log


def _page(objects: dict[str, dict[str, Any]], query: dict[str, str]) -> Answer:
    """A page goes on behind the last name of the one before, so what is deleted meanwhile moves nothing."""
    names = sorted(name for name in objects if name > query.get("continue", ""))
    page = names[: int(query["limit"])]
    more = {"continue": page[-1]} if len(page) < len(names) else {}
    return 200, {"items": [objects[name] for name in page], "metadata": more}


@contextmanager
def fake_kubernetes() -> Iterator[FakeKubernetes]:
    """A running server."""
    server = HttpServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    api = FakeKubernetes(f"http://127.0.0.1:{server.server_address[1]}")
    server.api = api  # type: ignore[attr-defined] # the handler's way to it
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    canaries.refuse("a pod", *(json.dumps(asked.body) for asked in api.asked if asked.path.endswith("/pods")))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        api: FakeKubernetes = self.server.api  # type: ignore[attr-defined] # set by us on the server
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, unquote(parts.path), query, headers, json.loads(body) if body else None)
        number = len(api.asked)
        api.asked.append(asked)
        instead = api.fail(asked, number)
        answer = api.answer(asked) if isinstance(instead, bool) else instead
        if answer is None:
            self.close_connection = True
            return
        code, said = answer
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(code)
        if code in {429, 503}:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(data)))
        with suppress(ConnectionError):  # whoever has lost patience
            self.end_headers()
            self.wfile.write(data)

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def log_message(self, *_: object) -> None:
        """Tests need no access log."""
