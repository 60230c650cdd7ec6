"""Bulker as it really is, and worse: what comes of a request that does not go as it should."""

import contextlib
import fcntl
import gc
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path

import pytest

from common.errors import BulkerError
from sidecar.bulker.client import Ack, Bulker, BulkRequest, Target, WriteMode
from tests.support.certificates import server_context
from tests.support.fake_bulker import fake_bulker
from tests.support.odd_servers import answer, odd_server, read_all, read_head, reset

TARGET = Target("plants", WriteMode.BATCH, ("id",), '{"name":"plants"}')
OK = b'{"message":"ok","state":{"status":"COMPLETED","processedRows":1,"successfulRows":1}}'
REFUSAL = b'{"error":"stream consume error: column id: no such type"}'
ROW = b'{"id":1}'
BLOCK = b"\n".join([ROW] * 28_000)


def _bulker(url: str, **more: object) -> Bulker:
    return Bulker(url, "token", "sync 1/x", "task", pause_seconds=0.01, **more)  # type: ignore[arg-type] # keywords of several types


def _within(seconds: float) -> Callable[[float], float]:
    """As a stop would draw a deadline nearer."""
    over = time.monotonic() + seconds
    return lambda deadline: min(deadline, over)


def _upload(bulker: Bulker, blocks: int = 400) -> Ack:
    """100 MB in one request."""
    request = bulker.open(TARGET)
    for _ in range(blocks):
        request.send([BLOCK], 28_000)
    return request.finish()


def _one_row(bulker: Bulker) -> Ack:
    request = bulker.open(TARGET)
    request.send([ROW], 1)
    return request.finish()


def test_a_request_as_bulker_wants_it() -> None:
    """Path and names quoted, the keys repeated, blocks joined without a blank line; the counts are Bulker's."""
    with fake_bulker() as bulker:
        request = _bulker(bulker.url + "/base/").open(
            Target("a b&c", WriteMode.REPLACE_TABLE, ("x", "y"), '{"n":"\\u00e9"}')
        )
        request.send([ROW + b"\n" + ROW, ROW], 3)
        request.send([ROW], 1)
        assert request.finish() == Ack(4, 4)
        [bulk] = bulker.requests
    assert bulk.path == "/base/bulk/sync%201%2Fx"
    assert bulk.query == {"tableName": ["a b&c"], "mode": ["replace_table"], "taskId": ["task"], "pk": ["x", "y"]}
    assert bulk.headers["X-Jitsu-Schema"] == '{"n":"\\u00e9"}'
    assert bulk.headers["Authorization"] == "Bearer token"
    assert bulk.lines == [ROW] * 4


def test_many_blocks_at_once_arrive_byte_for_byte() -> None:
    """More pieces than the kernel takes in one call, and more bytes than the socket does."""
    blocks = [b'{"id":%d,"pad":"%b"}' % (number, b"x" * (number % 997)) for number in range(3000)]
    with fake_bulker() as bulker:
        request = _bulker(bulker.url).open(TARGET)
        request.send(blocks, 3000)
        request.send([b"\n".join(blocks)] * 3, 9000)
        assert request.finish() == Ack(12_000, 12_000)
        assert bulker.requests[0].lines == blocks * 4


@pytest.mark.parametrize("then", ["close", "reset", "hang", "read on"])
@pytest.mark.fault(56)
def test_an_early_refusal_gives_its_text(then: str) -> None:
    """A 400 in the middle of a large upload that keeps sending: Bulker's words, whatever it does after them."""
    over = threading.Event()

    def handler(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer(400, REFUSAL))
        if then == "reset":
            reset(connection)
        elif then == "hang":
            over.wait(60)
        elif then == "read on":
            while connection.recv(65536):
                pass

    with odd_server(handler) as url:
        with pytest.raises(BulkerError) as caught:
            _upload(_bulker(url))
        over.set()
    assert caught.value.message.endswith("answered 400: stream consume error: column id: no such type")


def test_a_refusal_of_a_small_request_gives_its_text() -> None:
    """Here the answer comes after the whole body."""

    def handler(connection: socket.socket) -> None:
        read_all(connection)
        connection.sendall(answer(500, b'{"error":"error# 7: create stream error"}'))

    with odd_server(handler) as url, pytest.raises(BulkerError, match="500: error# 7: create stream error"):
        _one_row(_bulker(url))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (answer(200, b'{"message":"ok","error":"table swap failed"}'), "answered 200: table swap failed"),
        (answer(200, b'{"state":{"status":"FAILED","processedRows":1,"successfulRows":1}}'), "answered 200"),
        (answer(200, b"<html>Welcome to the proxy</html>"), "answered 200: <html>Welcome"),
        (answer(200, b""), "answered 200: no text"),
        (answer(200, b"[]"), "answered 200"),
        (answer(200, b"null"), "answered 200"),
        (answer(200, b'"ok"'), "answered 200"),
        (answer(200, b"\xff\xfe{}"), "answered 200"),
        (answer(200, b'{"state":{"successfulRows":"many"}}'), "answered 200"),
        (answer(200, OK[:-5]), "answered 200"),
        (answer(200, OK + OK), "answered 200"),
        (answer(200, b'{"message":"ok"}'), "answered 200 without counting the 1 rows that were sent"),
        (answer(200, b'{"message":"ok","state":{}}'), "without counting"),
        (answer(200, b'{"message":"ok","state":{"processedRows":1}}'), "without counting"),
        (answer(200, b'{"message":"ok","error":null,"more":[1]}'), "without counting"),
        (answer(200, b'{"message":"ok"}').replace(b"16", b"999"), "cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", "cut off"),
        (answer(201, OK), "answered 201"),
        (answer(202, OK), "answered 202"),
        (answer(204, b""), "answered 204"),
        (answer(302, b"", "Location: http://127.0.0.1:9/"), "answered 302.*redirects to http://127.0.0.1:9/, which"),
        (answer(307, b"", "Location: /bulk/other"), "answered 307"),
        (answer(401, b'{"error":"Invalid token"}'), "answered 401: Invalid token"),
        (answer(404, b'{"error":"destination not found"}'), "answered 404: destination not found"),
        (answer(413, b"too large"), "answered 413: too large"),
        (answer(429, b""), "answered 429: no text"),
        (answer(502, b"<html>Bad Gateway</html>"), "answered 502: <html>Bad Gateway"),
        (answer(500, b"x" * 10_000), "answered 500: " + "x" * 10_000),
        (b"SSH-2.0-OpenSSH\r\n", "is not HTTP"),
        (b"HTTP/1.1 200", "answered 200|cut off|not HTTP"),
        (b"", "hung up"),
    ],
)
@pytest.mark.fault(56, 57)
def test_nothing_but_bulkers_own_200_is_a_success(raw: bytes, says: str) -> None:
    """Every other answer is an error that repeats it."""

    def handler(connection: socket.socket) -> None:
        read_all(connection)
        connection.sendall(raw)

    with odd_server(handler) as url, pytest.raises(BulkerError, match=says):
        _one_row(_bulker(url))


@pytest.mark.parametrize(
    "raw",
    [
        answer(200, OK),
        answer(200, OK, "Connection: close"),
        answer(200, OK, version="1.0"),
        b"HTTP/1.0 200 OK\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(OK), OK),
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(200, OK),
        answer(200, b'{"error":null,"more":[1],"state":{"processedRows":1,"successfulRows":1,"more":{}}}'),
    ],
)
def test_a_200_in_any_form_of_http_counts(raw: bytes) -> None:
    """Old versions, no length, in chunks, byte by byte."""

    def handler(connection: socket.socket) -> None:
        read_all(connection)
        for at in range(len(raw)):
            connection.sendall(raw[at : at + 1])

    with odd_server(handler) as url:
        assert _one_row(_bulker(url)) == Ack(1, 1)


def _open_answers() -> set[int]:
    return {id(found) for found in gc.get_objects() if isinstance(found, HTTPResponse) and not found.closed}


def test_an_answer_is_closed_and_not_left_to_the_finalizer() -> None:
    """It may come after its reader's, and then warns, from Python 3.13 on."""

    def handler(connection: socket.socket) -> None:
        read_all(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")

    before = _open_answers()
    with odd_server(handler) as url, pytest.raises(BulkerError) as kept:
        _one_row(_bulker(url))
    assert kept.value.__traceback__, "as long as it is kept, so is what its frames name"
    assert _open_answers() <= before


def test_an_interim_answer_is_not_the_answer() -> None:
    """100 Continue at the head of a long upload: it goes on."""

    def handler(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = read_all(connection)
        connection.sendall(answer(200, OK if body else b""))

    with odd_server(handler) as url:
        assert _upload(_bulker(url), 8) == Ack(1, 1)


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.fault(59)
def test_a_connection_that_breaks_is_an_error(hard: bool) -> None:
    """Reset or closed in the middle of an upload, without a word."""

    def handler(connection: socket.socket) -> None:
        read_head(connection)
        connection.recv(100_000)
        if hard:
            reset(connection)

    with (
        odd_server(handler) as url,
        pytest.raises(BulkerError, match=r"could not be sent: (Connection reset|it hung up|Broken)"),
    ):
        _upload(_bulker(url))


@pytest.mark.fault(58)
def test_a_bulker_that_stops_reading_is_given_up_in_time() -> None:
    """A half-open connection: the upload stalls, and the deadline ends it; no deadline is endless."""
    over = threading.Event()

    def handler(connection: socket.socket) -> None:
        read_head(connection)
        over.wait(60)

    with odd_server(handler) as url:
        with pytest.raises(BulkerError, match="could not be sent: it did not answer in time"):
            _upload(_bulker(url, cap_deadline=_within(1.0)))
        over.set()


@pytest.mark.parametrize("trickle", [True, False])
@pytest.mark.fault(58)
def test_an_answer_that_does_not_come_is_given_up_in_time(trickle: bool) -> None:
    """Silence after the body, or a byte now and then: the deadline is for the whole answer."""
    over = threading.Event()

    def handler(connection: socket.socket) -> None:
        read_all(connection)
        raw = answer(200, OK)
        for at in range(len(raw)):
            if over.wait(0.1):
                return
            if trickle:
                connection.sendall(raw[at : at + 1])

    with odd_server(handler) as url:
        with pytest.raises(BulkerError, match="could not be finished: it did not answer in time"):
            _one_row(_bulker(url, cap_deadline=_within(0.5)))
        over.set()


@pytest.mark.fault(57)
def test_a_bulker_that_comes_up_late_is_waited_for() -> None:
    """Connecting is tried again; nothing had been sent."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        bulker = Bulker(f"http://127.0.0.1:{listener.getsockname()[1]}", "", "s", pause_seconds=0.5)
        late = threading.Timer(0.2, listener.listen)
        late.start()
        request = bulker.open(TARGET)
        late.join()
        request.abort()


@pytest.mark.fault(57)
def test_a_bulker_that_is_not_there_is_an_error_that_names_it() -> None:
    """Refused four times; at once where the task is to stop; a name that does not exist."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        for bulker in (
            _bulker(f"http://{where}"),
            Bulker(f"http://{where}", "", "s", pause_seconds=900, cap_deadline=_within(9.0)),
        ):
            with pytest.raises(BulkerError, match=f"to Bulker at {where} could not be begun: Connection refused"):
                bulker.open(TARGET)


@pytest.mark.parametrize("token", ["a\nb", "schlüssel\u2028", "\U0001f511"])
def test_a_token_that_no_header_can_hold_is_an_error_without_it(token: str) -> None:
    """Not an exception of a library, and the token is not repeated."""
    with (
        fake_bulker() as bulker,
        pytest.raises(BulkerError, match=r"could not be begun: (Value|UnicodeEncode)Error") as caught,
    ):
        Bulker(bulker.url, token, "s", pause_seconds=0).open(TARGET)
    assert token not in caught.value.message


def test_aborting_says_so_and_leaves_the_body_open() -> None:
    """The word ABORT, and no end of the body: either is enough for Bulker to roll back."""
    bodies: list[bytes] = []
    with odd_server(lambda connection: bodies.append(read_all(connection))) as url:
        request = _bulker(url).open(TARGET)
        request.send([ROW], 1)
        request.abort()
        request.abort()
        while not bodies:
            time.sleep(0.01)
    assert bodies[0].endswith(b"\r\n6\r\nABORT\n\r\n")


def test_aborting_a_request_that_is_stuck_does_not_wait() -> None:
    """Bulker reads nothing any more: the connection is closed all the same."""
    over = threading.Event()

    def handler(connection: socket.socket) -> None:
        read_head(connection)
        over.wait(60)

    with odd_server(handler) as url:
        request = _bulker(url, cap_deadline=_within(1.0)).open(TARGET)
        with pytest.raises(BulkerError):
            request.send([BLOCK] * 100, 2_800_000)
        request.abort()
        over.set()


def test_a_thousand_open_requests_work() -> None:
    """Descriptors beyond 1023, where select() gives up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 1300:
        pytest.skip("this system allows too few open files")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1300), most))
    held = [os.dup(0) for _ in range(1100)]
    try:
        with fake_bulker() as bulker:
            request = _bulker(bulker.url).open(TARGET)
            assert request._upload._socket.fileno() > 1023
            request.send([ROW], 1)
            assert request.finish() == Ack(1, 1)
    finally:
        for descriptor in held:
            os.close(descriptor)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the certificate to trust."""
    return server_context(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    return tls[0]


def test_over_tls_the_handshakes_last_messages_are_no_answer(trusted: ssl.SSLContext) -> None:
    """TLS 1.3 servers send session tickets at once: the upload goes on, to its 200."""

    def handler(connection: socket.socket) -> None:
        body = read_all(connection)
        connection.sendall(answer(200, OK if body.count(ROW) == 8 * 28_000 else b"{"))

    with odd_server(handler, trusted) as url:
        assert _upload(_bulker(url), 8) == Ack(1, 1)


def test_over_tls_an_early_refusal_gives_its_text(trusted: ssl.SSLContext) -> None:
    """The same as without."""

    def handler(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer(400, REFUSAL))
        while connection.recv(65536):
            pass

    with odd_server(handler, trusted) as url, pytest.raises(BulkerError, match="400: stream consume error"):
        _upload(_bulker(url), 80)


def test_a_certificate_that_is_not_trusted_is_an_error(tls: tuple[ssl.SSLContext, Path]) -> None:
    """No row is sent to an unknown server."""
    with odd_server(lambda _: None, tls[0]) as url, pytest.raises(BulkerError, match="could not be begun"):
        BulkRequest(_bulker(url), TARGET)


def test_descriptors_are_not_inherited() -> None:
    """A request's socket is closed in child processes."""
    with fake_bulker() as bulker:
        request = _bulker(bulker.url).open(TARGET)
        assert fcntl.fcntl(request._upload._socket, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        request.abort()
