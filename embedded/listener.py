"""The gateway's socket, bound before anything slow begins: no other program can take the port meanwhile."""

import socket

from common.errors import SyncError


def listen(port: int, *, or_any: bool = False) -> socket.socket:
    """Return a socket that listens on a port of 127.0.0.1; 0 takes any free one, and so does `or_any` if it is taken.

    Raise SyncError if the port cannot be used.
    """
    listener = socket.socket()
    try:
        if port:  # for a port of connections that have just ended; Linux gives a free one to nobody twice
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        if or_any and port:
            return listen(0)
        raise SyncError(
            f"Port {port} of this machine cannot be used ({error.strerror}); stop the program that listens there, or "
            "choose another port: `syncctl serve --port PORT`, or `SYNCCTL_HTTP_PORT=PORT make serve`."
        ) from error
    return listener
