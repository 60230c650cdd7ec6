"""A connection to Postgres that owns its socket: with database.py the only importer of pg8000, and loaded by it alone.

The driver's own socket is open until the finalizer comes: `close` leaves the file that reads and writes it as it is,
and a connection that fails in its first words (TLS, login) closes nothing.
"""

import contextlib
import socket
import ssl
import struct
from typing import Any

from pg8000.exceptions import InterfaceError  # noqa: TID251 - one of the two places
from pg8000.native import Connection as _Driver  # noqa: TID251 - one of the two places

from common.store import dsn

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""The message's length and its code, as Postgres's protocol has them."""


class Connection(_Driver):  # type: ignore[misc] # the driver ships no types
    """Takes `dsn.parse`'s arguments. Raises what the driver does, or OSError where the server is not to be reached."""

    def __init__(
        self,
        *,
        host: str = "localhost",
        port: int = 5432,
        unix_sock: str | None = None,
        timeout: float | None = None,
        ssl_context: ssl.SSLContext | bool | None = None,
        tcp_keepalive: bool = True,
        **arguments: Any,
    ) -> None:
        self._socket = _connect(unix_sock or (host, port), timeout)
        try:
            if tcp_keepalive:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket = _secured(self._socket, host, context=ssl_context)
            super().__init__(sock=self._socket, ssl_context=False, **arguments)
        except BaseException:
            self._let_go(getattr(self, "_sock", None))
            raise

    def close(self) -> None:
        """Says goodbye, and frees the socket whether that arrives or not."""
        file = self._sock
        try:
            super().close()
        finally:
            self._let_go(file)

    def _let_go(self, file: Any) -> None:
        """Closes the driver's file first: a socket stays open as long as one of its files does."""
        if file is not None:
            with contextlib.suppress(OSError):  # what it still holds can go nowhere
                file.close()
        self._socket.close()


def _connect(address: str | tuple[str, int], timeout: float | None) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection(address, timeout)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.settimeout(timeout)
        channel.connect(address)
    except BaseException:
        channel.close()
        raise
    return channel


def _secured(channel: socket.socket, host: str, *, context: ssl.SSLContext | bool | None) -> socket.socket:
    """The channel with TLS as `dsn.parse` wants it: False: none; None: where the server has it; else it must."""
    if context is False:
        return channel
    channel.sendall(_SSL_REQUEST)
    answer = channel.recv(1)
    if answer == b"S":
        wanted = context if isinstance(context, ssl.SSLContext) else dsn.unverified()
        return wanted.wrap_socket(channel, server_hostname=host)
    if not answer:
        raise InterfaceError("network error: the connection was closed")
    if context is not None:
        raise InterfaceError("Server refuses SSL")
    return channel
