"""cheroot's sockets, closed by us: it leaves each connection's, and one that cannot be bound, to the finalizer."""

import contextlib
from typing import Any

from cheroot.server import HTTPConnection
from cheroot.wsgi import Server


class ClosedConnection(HTTPConnection):
    """A connection whose socket is free when `close` returns, whether all of an answer went through it or not."""

    def close(self) -> None:
        """Closes the writer too: while it is open the socket is, and it would write what is left when it is freed."""
        try:
            super().close()
        finally:
            with contextlib.suppress(OSError):  # the other end is gone, and with it what is left for it
                self.wfile.close()
            self.socket.close()


class ClosingServer(Server):
    """A server of such connections."""

    ConnectionClass = ClosedConnection

    @staticmethod
    def bind_socket(socket_: Any, bind_addr: Any) -> Any:
        """Closes the socket where its port is taken."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_
