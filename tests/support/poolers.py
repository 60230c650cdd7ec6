"""Between a client and Postgres: pgbouncer, and a stand-in for poolers that treat start-up parameters as it does."""

import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.fake_bulker import wait_for
from tests.support.odd_servers import odd_server

_KEPT = frozenset({"user", "database", "application_name", "client_encoding"})
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_PROTOCOL = struct.pack("!i", 196608)


@contextmanager
def dropping(url: str, *, refuses: bool = False, seen: list[dict[str, str]] | None = None) -> Iterator[str]:
    """The URL of a server that drops the start-up parameters that poolers do not know, or refuses them by name.

    `seen`: what each client has sent.
    """
    parts = urlsplit(url)

    def serve(client: socket.socket) -> None:
        length, *_ = struct.unpack("!i", _exactly(client, 4))
        words = _exactly(client, length - 4)[4:].rstrip(b"\0").decode().split("\0")
        given = dict(zip(words[::2], words[1::2], strict=True))
        if seen is not None:
            seen.append(given)
        dropped = given.keys() - _KEPT
        if dropped and refuses:
            client.sendall(_error("08P01", f"unsupported startup parameter: {min(dropped)}"))
            return
        kept = "".join(f"{name}\0{value}\0" for name, value in given.items() if name in _KEPT).encode() + b"\0"
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as server:
            server.sendall(struct.pack("!i", len(kept) + 8) + _PROTOCOL + kept)
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join()

    with odd_server(serve) as address:
        yield at_port(url, urlsplit(address).port or 0)


@contextmanager
def tls_relay(url: str, context: ssl.SSLContext, *, is_direct: bool = False) -> Iterator[str]:
    """The URL of a proxy that ends TLS before the server of a URL, as those of hosts do."""
    parts = urlsplit(url)

    def serve(client: socket.socket) -> None:
        if not is_direct:
            assert _exactly(client, 8) == _SSL_REQUEST
            client.sendall(b"S")
        with (
            context.wrap_socket(client, server_side=True) as secured,
            socket.create_connection((parts.hostname or "", parts.port or 0)) as server,
        ):
            back = threading.Thread(target=pump, args=(server, secured))
            back.start()
            pump(secured, server)
            back.join()

    with odd_server(serve) as address:
        yield at_port(url, urlsplit(address).port or 0)


@contextmanager
def pgbouncer(url: str, folder: Path, *settings: str, mode: str = "transaction") -> Iterator[str]:
    """The URL of a real pgbouncer, with two sessions of the server at most."""
    program = shutil.which("pgbouncer", path=os.defpath + ":/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer on this machine: apt-get install pgbouncer")
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    login = f"host={parts.hostname} port={parts.port} user={parts.username} password={parts.password}"
    lines = [
        "[databases]", f"* = {login}", "[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}",
        "unix_socket_dir =", "auth_type = any", f"pool_mode = {mode}", "default_pool_size = 2", *settings,
    ]  # fmt: skip
    file = folder / "pooler.ini"
    file.write_text("\n".join(lines))
    command = [program, *(["-u", "nobody"] if os.getuid() == 0 else []), str(file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port), 20, "pgbouncer listens")
        yield at_port(url, port)
    finally:
        process.terminate()
        process.wait()
        file.unlink()


def at_port(url: str, port: int) -> str:
    """The URL with another port of this machine."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"))


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Passes everything on, and the end too."""
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := connection.recv(size - len(data))):
        data += piece
    return data


def _error(code: str, message: str) -> bytes:
    body = f"SFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(body) + 4) + body
