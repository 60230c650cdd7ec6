"""Senders that hold a function: half requests and large bodies, before the server that is deployed."""

import http.client
import itertools
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from common import request_body
from embedded.gateway import Gateway
from embedded.listener import listen
from tests.support.functions import ROOT, Answer, Server, peak_kib, running

THREADS = "8"  # of functions-framework's server; those of a cluster are in knative/functions
HALF = "POST {} HTTP/1.1\r\nHost: f\r\nContent-Length: 500\r\n{}\r\n"


def _impatient(folder: Path, name: str) -> Path:
    """The function, which waits a second for a body instead of half a minute."""
    source = (ROOT / "functions" / name / "main.py").read_text()
    (folder / "main.py").write_text(source + "\nfrom common import request_body\nrequest_body.SECONDS = 1.0\n")
    return folder / "main.py"


def _patient(folder: Path, name: str) -> Path:
    """The function, whose deadlines for bodies never come."""
    source = (ROOT / "functions" / name / "main.py").read_text()
    names = ("SECONDS", "REST_SECONDS", "SILENCE_SECONDS")
    text = "\nfrom common import request_body\n" + "".join(f"request_body.{name} = 600.0\n" for name in names)
    (folder / "main.py").write_text(source + text)
    return folder / "main.py"


@pytest.fixture(params=["read", "sweeper"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    source = _impatient(tmp_path, request.param)
    settings = {"SYNCCTL_EVENTS_WITHOUT_TOKEN": "true", "THREADS": THREADS}
    with running(request.param, token="right", source=source, **settings) as process:
        yield process


def _open(server: Server, stack: ExitStack, *headers: str, path: str = "/") -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 20))
    connection.sendall(HALF.format(path, "".join(f"{line}\r\n" for line in headers)).encode())
    return connection


def test_a_refusal_does_not_wait_for_the_body(server: Server) -> None:
    """As many half requests as threads: each is refused, and the next caller is answered."""
    with ExitStack() as stack:
        held = [_open(server, stack) for _ in range(int(THREADS))]
        for connection in held:
            assert connection.recv(100).startswith(b"HTTP/1.1 401")
        assert server.ask("GET", "/health").status == 200


def test_a_body_has_a_deadline(server: Server) -> None:
    """With a token too: the threads are free again, and each sender is answered."""
    with ExitStack() as stack:
        held = [_open(server, stack, "Authorization: Bearer right") for _ in range(int(THREADS))]
        assert server.ask("GET", "/health").status == 200
        for connection in held:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, b"did not come within 1 seconds" in answer.read()) == (400, True)


def test_dripping_does_not_move_the_deadline(server: Server) -> None:
    """Senders of a byte from time to time lose their threads to the next caller."""
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        held = [_open(server, stack, "Authorization: Bearer right") for _ in range(int(THREADS))]
        assert _drip_until(pool.submit(server.ask, "GET", "/health"), held).status == 200


def test_dripping_bodies_do_not_hold_the_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than it has threads."""
    monkeypatch.setattr(request_body, "SECONDS", 1.0)
    monkeypatch.setenv("SYNCCTL_AUTH_TOKENS", "right")
    monkeypatch.setenv("SYNCCTL_DATABASE_URL", "postgresql://app:app@127.0.0.1:1/app?sslmode=disable")
    with closing(Gateway(listen(0))) as gateway, ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        server = Server(gateway.port, Path())
        held = [_open(server, stack, "Authorization: Bearer right", path="/read") for _ in range(30)]
        assert _drip_until(pool.submit(server.ask, "GET", "/health"), held).status == 200


@pytest.mark.fault(281)
@pytest.mark.parametrize(
    ("name", "headers"), [("read", ()), ("sweeper", ("Content-Type: application/cloudevents+json",))]
)
def test_however_many_drip_without_a_token_others_are_answered(
    tmp_path: Path, name: str, headers: tuple[str, ...]
) -> None:
    """More than there are threads, and no deadline ends them: their number is bounded, not their time alone."""
    settings = {"SYNCCTL_EVENTS_WITHOUT_TOKEN": "true", "THREADS": THREADS}
    with running(name, token="right", source=_patient(tmp_path, name), **settings) as server:
        assert server.ask("GET", "/health").status == 200
        with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
            held = [_open(server, stack, *headers) for _ in range(3 * int(THREADS))]
            assert _drip_until(pool.submit(server.ask, "GET", "/health"), held).status == 200


def _drip_until(answer: "Future[Answer]", held: list[socket.socket]) -> Answer:
    """Send a byte by each connection from time to time."""
    for connection in itertools.cycle(held):
        if answer.done():
            return answer.result()
        with suppress(OSError):  # answered by now
            connection.sendall(b"x")
        time.sleep(0.05)
    raise AssertionError


def test_events_without_a_token_are_small(tmp_path: Path) -> None:
    """Twenty events of 4 MiB at once: refused by their size, whatever their form, and little is held in memory."""
    settings = {"SYNCCTL_EVENTS_WITHOUT_TOKEN": "true", "THREADS": "20"}
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": ["x" * 100] * 40_000}
    body = json.dumps(event).encode()
    with running("sweeper", token="right", source=_impatient(tmp_path, "sweeper"), **settings) as server:
        assert server.ask("GET", "/health").status == 200
        before = peak_kib(server)
        with ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(
                    lambda _: (
                        server.ask(
                            "POST", "/sweeper", body, token="", Content_Type="application/cloudevents+json"
                        ).status
                    ),
                    range(20),
                )
            )
        grown = peak_kib(server) - before
    assert answers == [413] * 20
    assert grown < 64 * 1024, f"{grown} KiB more"
