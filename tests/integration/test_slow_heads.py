"""Clients that never end their requests' heads, or send heads that nobody can use, before the servers that are deployed:
functions-framework with its gunicorn, and the gateway of the one-machine edition."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from common import request_head, settings
from common.settings import Settings
from embedded.gateway import Gateway
from embedded.listener import listen
from tests.support import canaries
from tests.support.functions import ROOT, Server, running

_UNFINISHED = b"GET /health HTTP/1.1\r\nHost: f\r\nX-Slow: "
_TOKEN = "right"


@contextmanager
def _functions_framework(folder: Path) -> Iterator[Server]:
    """A function that waits a second for a head instead of ten."""
    source = (ROOT / "functions" / "tasks" / "main.py").read_text()
    (folder / "main.py").write_text(source + "\nfrom common import request_head\nrequest_head.SECONDS = 1.0\n")
    settings = {"THREADS": "8", "GUNICORN_LOG_LEVEL": "debug"}
    with running("tasks", token=_TOKEN, source=folder / "main.py", **settings) as server:
        yield server


@contextmanager
def _edition(folder: Path) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_head, "SECONDS", 1.0)
        (folder / "log").touch()
        settings.use(Settings.load({"SYNCCTL_AUTH_TOKENS": _TOKEN}))
        try:
            with closing(Gateway(listen(0))) as gateway:
                yield Server(gateway.port, folder / "log", _TOKEN, None, canaries.refuse)
        finally:
            settings.use(None)


@pytest.fixture(params=[_functions_framework, _edition], ids=["functions-framework", "edition"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with request.param(tmp_path) as server:
        assert server.ask("GET", "/health").status == 200  # it has loaded the function
        yield server


def _connect(server: Server, stack: ExitStack, sent: bytes) -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
    connection.sendall(sent)
    return connection


@pytest.mark.fault(221)
def test_unfinished_heads_take_no_thread(server: Server) -> None:
    """Many times as many as there are threads, all of them dripping: others are answered as if they were not there."""
    stop = threading.Event()

    def drip(held: list[socket.socket]) -> None:
        while not stop.wait(0.05):
            for connection in held:
                with suppress(OSError):  # its time is over
                    connection.sendall(b"x")

    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        held = [_connect(server, stack, _UNFINISHED) for _ in range(200)]
        pool.submit(drip, held)
        stack.callback(stop.set)
        for _ in range(20):
            assert server.ask("GET", "/health").status == 200
            assert server.ask("GET", "/health", token="").status == 200
        stop.set()


@pytest.mark.fault(221)
def test_an_unfinished_head_has_a_deadline(server: Server) -> None:
    """A byte from time to time does not move it; the answer says why."""
    with ExitStack() as stack:
        connection = _connect(server, stack, _UNFINISHED)
        connection.settimeout(0.1)
        answer = b""
        while not answer:
            with suppress(TimeoutError):
                connection.sendall(b"x")
                answer = connection.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
            "ok": False,
            "error": "The request cannot be used: Request Timeout.",
        }


@pytest.mark.fault(221)
def test_more_unfinished_heads_than_are_kept_end_the_oldest(server: Server) -> None:
    """So their memory has a bound; a whole request is answered meanwhile."""
    with ExitStack() as stack:
        oldest = _connect(server, stack, _UNFINISHED)
        for _ in range(request_head.MAX_WAITING + 50):
            _connect(server, stack, _UNFINISHED)
        assert server.ask("GET", "/health").status == 200
        assert oldest.recv(100).startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 408 "))


@pytest.mark.fault(221)
@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20], ids=["line", "header"])
def test_an_endless_head_ends_at_a_bound(server: Server, start: bytes) -> None:
    """Of a line or of a header: nothing waits for megabytes that have no end."""
    with ExitStack() as stack:
        connection, sent = _connect(server, stack, start + (b"" if start.endswith(b"/") else b"X: ")), 0
        with suppress(ConnectionError):
            while sent < 64 * 1024 * 1024:
                sent += connection.send(b"x" * 65536)
        assert sent < 64 * 1024 * 1024


def test_requests_that_come_in_pieces_or_together_are_answered(server: Server) -> None:
    """Each byte a packet of its own; two requests in one packet, the second of them unfinished for a while."""
    whole = b"GET /health HTTP/1.1\r\nHost: f\r\n\r\n"
    with ExitStack() as stack:
        connection = _connect(server, stack, b"")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pieces in ([bytes([byte]) for byte in whole], [whole + whole[:20]], [whole[20:]]):
            for piece in pieces:
                connection.sendall(piece)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b'{"status":"pass"}')
            answer.close()


def test_many_requests_in_one_packet_are_all_answered(server: Server) -> None:
    """More bytes than a server reads at once; none is lost between two requests."""
    count, answers = 400, b""
    with ExitStack() as stack:
        connection = _connect(server, stack, b"GET /health HTTP/1.1\r\nHost: f\r\n\r\n" * count)
        while answers.count(b'{"status":"pass"}') < count and (part := connection.recv(65536)):
            answers += part
    assert answers.count(b'{"status":"pass"}') == count


@pytest.mark.fault(222)
@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"GET /%s HTTP/9.9\r\n\r\n", {400, 505}),
        (b"%s\r\n\r\n", {400}),
        (b"GET / HTTP/1.1\r\nAuthorization Bearer %s\r\n\r\n", {400}),
        (b"GET / HTTP/1.1\r\nAuthorization: Bearer %s\n\n", {400}),
        (b"GET / HTTP/1.1\r\nX: %s" + b"x" * 200_000 + b"\r\n\r\n", {413, 431}),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: %s\r\n\r\n", {400, 501}),
    ],
    ids=["version", "line", "header", "line-feeds", "long", "coding"],
)
def test_what_a_server_refuses_itself_is_json_and_quotes_nothing(
    server: Server, sent: bytes, statuses: set[int]
) -> None:
    """As a function's refusals are; neither the answer nor the log repeats the request, whatever the log's level."""
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
        with suppress(ConnectionError):
            connection.sendall(sent.replace(b"%s", canaries.TOKEN.encode()))
        answer = connection.recv(10_000)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) in statuses
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body)["error"].startswith("The request cannot be used: ")
    assert canaries.TOKEN.encode() not in answer
    assert canaries.TOKEN not in server.log.read_text()


@pytest.mark.fault(223)
def test_two_tokens_are_refused(server: Server) -> None:
    """Whichever of them is right: a proxy may have looked at the other one."""
    for tokens in ([_TOKEN, "wrong"], ["wrong", _TOKEN], [_TOKEN, _TOKEN]):
        lines = "".join(f"Authorization: Bearer {token}\r\n" for token in tokens)
        answer = server.raw(f"GET /nowhere/else HTTP/1.1\r\nHost: f\r\n{lines}\r\n".encode(), method="GET")
        assert answer.status == 400, tokens
        assert answer.json["ok"] is False


@pytest.mark.fault(223)
@pytest.mark.parametrize("value", ["ribearer ght", "right bearer", "Bearer Bearer right"])
def test_only_a_scheme_in_front_of_a_token_is_left_out(server: Server, value: str) -> None:
    """The word within a token is a part of it, and a second one too."""
    answer = server.ask("GET", "/nowhere/else", token="", Authorization=value)
    assert answer.status == 401


@pytest.mark.fault(223)
def test_a_client_chooses_no_part_of_the_path_by_a_header(server: Server) -> None:
    """What gunicorn takes from proxies of 127.0.0.1, and so from every client behind Knative's, is only a header."""
    for name in ("SCRIPT_NAME", "Script-Name"):
        answer = server.raw(f"GET /tasks/health HTTP/1.1\r\nHost: f\r\n{name}: /tasks\r\n\r\n".encode(), method="GET")
        assert answer.status == 401, name
        answer = server.raw(f"GET /health HTTP/1.1\r\nHost: f\r\n{name}: /x\r\n\r\n".encode(), method="GET")
        assert (answer.status, answer.json) == (200, {"status": "pass"}), name
