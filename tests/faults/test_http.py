"""What callers send: too much, too slowly, guesses and forgeries."""

import contextlib
import hmac
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common import auth
from common.errors import Unauthorized
from common.pods import annotations
from common.settings import Settings
from common.store import Task
from common.tasks.requests import parse_read
from embedded.gateway import Gateway
from embedded.listener import listen
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_kubernetes import NAMESPACE, FakeKubernetes
from tests.support.functions import running
from tests.support.local_system import Query

ROOT = Path(__file__).parents[2]
NOWHERE = "postgresql://app:app@127.0.0.1:1/app?sslmode=disable"
ANNOTATIONS_BYTES = 256 * 1024
"""The API server's limit for all annotations of an object."""


@pytest.mark.fault(61)
def test_no_request_outgrows_a_pod_s_annotations() -> None:
    """Every parameter at its longest, in characters of four bytes: far below what the API server takes."""
    longest = {"syncId": 200, "taskId": 200, "tableNamePrefix": 200, "startedBy": 4000}
    values = {name: "🌱" * length for name, length in longest.items()}
    image = {"package": "registry.example.com/" + "a" * 200, "version": "1" * 128}
    body = json.dumps({"config": {}, "catalog": {"streams": []}}).encode()
    task = parse_read(Query(**image, **values), body)
    key = Task(
        task.command, task.task_id, task.package, task.version, task.sync_id, "🌱" * 500, task.started_by, 2_000_000_000
    )
    notes = annotations.build(key, task.table_name_prefix)
    assert sum(len((name + value).encode()) for name, value in notes.items()) < ANNOTATIONS_BYTES / 10


@pytest.mark.fault(63)
def test_slow_senders_are_hung_up_on_and_others_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """More half requests than the one-machine edition has threads: a good one is answered once their time is over."""
    monkeypatch.setattr("cheroot.server.HTTPServer.timeout", 1)
    gateway, slow = Gateway(listen(0)), list[socket.socket]()
    try:
        for _ in range(40):
            slow.append(socket.create_connection(("127.0.0.1", gateway.port), 30))
            slow[-1].sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        with socket.create_connection(("127.0.0.1", gateway.port), 30) as good:
            good.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert good.recv(100).startswith(b"HTTP/1.1 200")
        assert b"200" not in slow[0].recv(100)
    finally:
        for one in slow:
            one.close()
        gateway.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [(b"NONSENSE", b"400 Bad Request"), (b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000, b"413 Request Entity Too Large")],
)
def test_what_the_one_machine_gateway_refuses_itself_is_json_too(head: bytes, status: bytes) -> None:
    """Before any function or token is looked at; what was sent is not repeated."""
    gateway = Gateway(listen(0))
    try:
        with socket.create_connection(("127.0.0.1", gateway.port), 30) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(head + b"\r\n\r\n")
            answer = connection.recv(10_000)
    finally:
        gateway.close()
    lines, _, body = answer.partition(b"\r\n\r\n")
    assert lines.startswith(b"HTTP/1.1 " + status)
    assert b"Content-Type: application/json" in lines
    assert json.loads(body) == {"ok": False, "error": f"The request cannot be used: {status[4:].decode()}."}


def test_a_path_that_is_nobodys_is_no_task() -> None:
    """The one-machine gateway answers 404 to it."""
    gateway = Gateway(listen(0))
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{gateway.port}/api/tasks?limit=1", timeout=30)
        assert refused.value.code == 404
        refused.value.close()
    finally:
        gateway.close()


@pytest.mark.fault(63)
def test_the_deployment_limits_how_long_a_request_takes() -> None:
    """Each function's request as a whole, and at the gateway a head, and each pause between two bytes of a body."""
    for path in (ROOT / "knative/functions").glob("[!k]*.yaml"):
        spec = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]
        assert 0 < spec["timeoutSeconds"] <= 300, path
        assert spec["containerConcurrency"] > 0, path
    nginx = (ROOT / "knative/gateway/nginx/nginx.conf").read_text()
    assert "client_header_timeout 10s;" in nginx
    assert "client_body_timeout 10s;" in nginx
    assert "proxy_request_buffering off;" in nginx  # the functions limit a body's time


@pytest.mark.fault(64)
@pytest.mark.parametrize("token", ["first", "last-and-longer", "wrong", "firsT", "f" * 1000])
def test_every_token_is_compared_whatever_is_sent(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hmac.compare_digest, whose time does not depend on where two texts differ: right or wrong, all of them."""
    settings = Settings.load(
        {"SYNCCTL_AUTH_TOKENS": "first,second," + "s." + "0" * 128, "SYNCCTL_RAW_AUTH_TOKENS": "last-and-longer"}
    )
    real, compared = hmac.compare_digest, list[int]()

    def counted(left: bytes, right: bytes) -> bool:
        compared.append(1)
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    try:
        auth.authenticate(f"Bearer {token}", settings)
        opened = True
    except Unauthorized:
        opened = False
    assert opened == (token in {"first", "last-and-longer"})
    assert len(compared) == 4


@pytest.mark.fault(15, 66)
def test_without_a_token_nothing_is_looked_at(database: TestDatabase, api: FakeKubernetes) -> None:
    """A forged event and a sweep by anybody: 401, and neither Postgres nor the cluster is asked."""
    event = {"Ce_Specversion": "1.0", "Ce_Id": "1", "Ce_Source": "s", "Ce_Type": "dev.knative.apiserver.ref.update"}
    event |= {"Ce_Subject": f"/apis/v1/namespaces/{NAMESPACE}/pods/p"}
    with running("sweeper", token="right", **environment(database.url, api)) as server:
        for token in ("", "wrong"):
            assert server.ask("POST", "/sweeper", token=token).status == 401
            assert server.ask("POST", "/", token=token, **event).status == 401
        assert api.asked == []
        assert database.rows("SELECT * FROM syncctl_sweep") == []
        assert server.ask("POST", "/", **event).status == 200
        assert api.verbs() == ["GET pods/p"]


@pytest.mark.fault(82)
def test_a_request_line_or_a_header_over_its_limit_is_answered() -> None:
    """The longest accepted value passes; a longer query is 414 in JSON, a longer header 431: nobody just hangs up."""
    with running("read", SYNCCTL_DATABASE_URL=NOWHERE) as server:
        target = "/read?package=airbyte/source-faker&version=1.2.3&syncId=s&taskId=t&startedBy="
        body = json.dumps({"config": {}, "catalog": {"streams": []}})
        # 503: it got past every check, and there is no Postgres.
        assert server.ask("POST", target + quote("🌱" * 4000), body).status == 503
        long = server.ask("POST", target + "x" * 70_000, body)
        assert (long.status, "65536 bytes" in long.error) == (414, True)
        header = server.ask("POST", target, body, X_Long="x" * 9000)
        assert (header.status, header.json["ok"]) == (431, False)
