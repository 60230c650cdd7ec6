"""Sockets of the servers on this machine: closed by us, at once, however a connection ends."""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from common.errors import SyncError
from embedded.gateway import Gateway
from embedded.listener import listen
from embedded.warehouse.server import WarehouseServer
from embedded.warehouse.warehouse import Warehouse
from tests.support.odd_servers import reset
from tests.support.sockets import no_socket_is_left
from tests.support.warehouse import bulk_head

_HEAD = b"GET /health HTTP/1.1\r\nHost: h\r\n"


@contextlib.contextmanager
def _warehouse(folder: Path, port: int = 0) -> Iterator[int]:
    warehouse = Warehouse(folder / "warehouse.duckdb", "", patience_seconds=1)
    with contextlib.closing(warehouse), WarehouseServer(warehouse, port) as server:
        yield server.port


@contextlib.contextmanager
def _gateway(_: Path, port: int = 0) -> Iterator[int]:
    with contextlib.closing(Gateway(listen(port))) as gateway:
        yield gateway.port


_Serve = Callable[..., contextlib.AbstractContextManager[int]]


@pytest.fixture(params=[_warehouse, _gateway], ids=["warehouse", "gateway"])
def serve(request: pytest.FixtureRequest) -> _Serve:
    served: _Serve = request.param
    return served


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def _visit(port: int) -> None:
    """Requests that end well, and clients that go at every other moment: some with a reset."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        for _ in range(2):
            client.request("GET", "/health")
            client.getresponse().read()
    for words in (
        b"",
        b"GET /he",
        _HEAD + b"\r\n",
        _HEAD + b"Connection: close\r\n\r\n",
        bulk_head("t", "batch"),
        b"\0\r\n\r\n",
    ):
        for leave in (socket.socket.close, reset):
            client_socket = _connect(port)
            client_socket.sendall(words)
            leave(client_socket)
    with _connect(port) as client_socket:
        client_socket.sendall(_HEAD + b"Connection: close\r\n\r\n")
        assert b"HTTP/1.1 " in client_socket.recv(65536)


def test_a_client_that_is_gone_leaves_no_socket(serve: _Serve, tmp_path: Path) -> None:
    """While the server runs."""
    with serve(tmp_path) as port:
        _visit(port)
        with no_socket_is_left():
            for _ in range(3):
                _visit(port)


def test_a_server_that_ends_leaves_no_socket(serve: _Serve, tmp_path: Path) -> None:
    """Though a client keeps its connection, and another is in the middle of its request."""
    with serve(tmp_path):  # what is loaded once
        pass
    with no_socket_is_left(), contextlib.ExitStack() as clients, serve(tmp_path) as port:
        for words in (b"", _HEAD, _HEAD + b"\r\n"):
            client = clients.enter_context(_connect(port))
            client.sendall(words)
        assert b"HTTP/1.1 " in client.recv(65536)


def test_a_port_that_is_taken_leaves_no_socket(serve: _Serve, tmp_path: Path) -> None:
    """Even while what was raised is kept."""
    with socket.create_server(("127.0.0.1", 0)) as taken, no_socket_is_left():
        with pytest.raises(SyncError) as caught, serve(tmp_path, taken.getsockname()[1]):
            pass
        assert caught.value.__traceback__


def test_an_answer_that_cannot_be_sent_is_not_tried_again_by_a_finalizer(tmp_path: Path) -> None:
    """Python 3.13 prints what goes wrong there, between the lines of `syncctl demo`."""
    with _warehouse(tmp_path) as port, no_socket_is_left():
        for _ in range(20):
            client = _connect(port)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(bulk_head("t", "batch") + b"6\r\nABORT\n\r\n")
            client.close()
