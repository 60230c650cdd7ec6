"""cheroot with sockets closed at once: it leaves connections, and a socket that cannot be bound, to the finalizer."""

import contextlib
from typing import Any

from cheroot.server import HTTPConnection
from cheroot.wsgi import Server


class ClosedConnection(HTTPConnection):
    """A connection whose socket is closed when `close` returns, even if a part of the answer is unsent."""

    def close(self) -> None:
        """Close the writer too, which keeps the socket open and would write the rest when it is freed."""
        try:
            super().close()
        finally:
            with contextlib.suppress(OSError):  # the client is gone
                self.wfile.close()
            self.socket.close()


class ClosingServer(Server):
    """A server of ClosedConnections."""

    ConnectionClass = ClosedConnection

    @staticmethod
    def bind_socket(socket_: Any, bind_addr: Any) -> Any:
        """Close the socket if its port is taken."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_
