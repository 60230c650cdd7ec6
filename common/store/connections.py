"""A connection to Postgres that closes its socket at once; database.py and this module alone import pg8000.

The driver's own connection keeps its socket open until it is garbage-collected: `close` does not close the file that
reads and writes it, and a failure during TLS or login closes nothing.
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
"""Length and code of Postgres's SSLRequest message."""


class Connection(_Driver):  # type: ignore[misc] # the driver ships no types
    """Connect with the arguments of `dsn.parse`; raise the driver's errors, or OSError if the server is unreachable."""

    def __init__(
        self,
        *,
        host: str = "localhost",
        port: int = 5432,
        unix_sock: str | None = None,
        timeout: float | None = None,
        ssl_context: ssl.SSLContext | bool | None = None,
        **arguments: Any,
    ) -> None:
        self._socket = _connect(unix_sock or (host, port), timeout)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket = _negotiate_tls(self._socket, host, context=ssl_context)
            super().__init__(sock=self._socket, ssl_context=False, **arguments)
        except BaseException:
            self._close_socket(getattr(self, "_sock", None))
            raise

    def close(self) -> None:
        """Terminate the session, and close the socket even if that fails."""
        file = self._sock
        try:
            super().close()
        finally:
            self._close_socket(file)

    def _close_socket(self, file: Any) -> None:
        """Close the driver's file first: a socket stays open as long as one of its files does."""
        if file is not None:
            with contextlib.suppress(OSError):  # its buffer cannot be flushed
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


def _negotiate_tls(channel: socket.socket, host: str, *, context: ssl.SSLContext | bool | None) -> socket.socket:
    """Return the channel, with TLS as `dsn.parse` maps sslmode."""
    if context is False:
        return channel
    channel.sendall(_SSL_REQUEST)
    answer = channel.recv(1)
    if answer == b"S":
        given = context if isinstance(context, ssl.SSLContext) else dsn.unverified()
        return given.wrap_socket(channel, server_hostname=host)
    if not answer:
        raise InterfaceError("network error: the connection was closed")
    if context is not None:
        raise InterfaceError("Server refuses SSL")
    return channel
