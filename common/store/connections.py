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
from scramp import ScramException  # type: ignore[import-untyped] # the driver's part that speaks SCRAM; no types

from common.errors import SettingsError
from common.store.dsn import Target

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""Length and code of Postgres's SSLRequest message."""
_OK, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 10, 11, 12
_WITH_PASSWORD = frozenset({3, 5, _SASL})
"""Codes of authentication requests (PostgreSQL's documentation, 53.7); 3 and 5 are passwords in the clear and MD5."""
_POOLER = "08P01"
"""The SQLSTATE of what a pooler refuses, such as transactions in statement mode."""
_BOUND = b"SCRAM-SHA-256-PLUS"


class Connection(_Driver):  # type: ignore[misc] # the driver ships no types
    """Connect as `dsn.parse` and `tls.context` say.

    Raise the driver's errors, OSError if the server is unreachable, SettingsError if it asks for another login.
    """

    def __init__(self, target: Target, context: ssl.SSLContext | None) -> None:
        self._needs_binding, self._is_bound = target.tls.is_bound, False
        self._socket = _connect(target.address, target.timeout)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if context is not None:
                self._socket = _negotiate_tls(self._socket, target, context)
            super().__init__(sock=self._socket, ssl_context=False, **target.login)
        except BaseException:
            self._close_socket(getattr(self, "_sock", None))
            raise

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802 - the driver's name
        """Answer the server, unless the URL has no password, or wants another way to log in."""
        method, *_ = struct.unpack_from("!i", data)
        if self._needs_binding and not self._may_answer(method, data):
            raise SettingsError(
                "Postgres offers no login that is bound to its TLS certificate (SCRAM-SHA-256-PLUS), which the "
                "database URL's channel_binding=require asks for. Check that sslmode and host lead to the server "
                "itself; a proxy that ends TLS has no channel binding, and needs a URL without that option."
            )
        if method in _WITH_PASSWORD and not self.password:
            raise SettingsError(
                "Postgres asks for a password, and the database URL has none: write it as "
                "postgresql://user:password@host (PGPASSWORD and password files are not read)."
            )
        try:
            super().handle_AUTHENTICATION_REQUEST(data, context)
        except (ScramException, InterfaceError) as error:
            if isinstance(error.__cause__, OSError):
                raise
            raise SettingsError(
                f"Postgres and this program do not agree on a login ({error}); passwords by SCRAM and MD5, and client "
                f"certificates, are supported."
            ) from error
        self._is_bound = self._is_bound or method == _SASL_FINAL

    def _may_answer(self, method: int, data: bytes) -> bool:
        if method == _SASL:
            return _BOUND in data[4:].split(b"\0") and isinstance(self._socket, ssl.SSLSocket)
        return method in {_SASL_CONTINUE, _SASL_FINAL} or (method == _OK and self._is_bound)

    def handle_messages(self, context: Any) -> None:
        """Read an answer; raise what a pooler has to say before it closes the connection, which the driver forgets."""
        try:
            super().handle_messages(context)
        except InterfaceError as error:
            if context.error is not None and context.error.args[0].get("C") == _POOLER:
                raise context.error from error
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


def _negotiate_tls(channel: socket.socket, target: Target, context: ssl.SSLContext) -> socket.socket:
    """Return the channel, with TLS unless the server has none and the URL does not insist."""
    if not target.tls.is_direct:
        channel.sendall(_SSL_REQUEST)
        answer = channel.recv(1)
        if not answer:
            raise InterfaceError("network error: the connection was closed")
        if answer != b"S" and target.tls.is_required:
            raise InterfaceError("the server refuses SSL, which sslmode asks for")
        if answer != b"S":
            return channel
    return context.wrap_socket(channel, server_hostname=target.host)
