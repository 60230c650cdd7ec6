"""One POST within a time limit that nothing of the other side's can lengthen; what its answer means for an event."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus
from typing import Any

from common.outbox.target import DeliveryFailed

SECONDS = 2.5
_NEVER = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Answers about the event itself. Others are about the target, which somebody may mend: a redirect or a 404 too."""

_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: (\d{3})\b", re.ASCII)
"""The words of http.client, which go on with those of the proxy."""
_LATE = "it does not answer in time"
_TOO_LATE = "to look up where it is took too long: the name server is slow, or the cluster, which has its Secret"


def post(
    connection: http.client.HTTPConnection,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    began: float | None = None,
) -> None:
    """Send a request by a connection that is not open yet, and close it.

    `began`: since when the time counts (time.monotonic), if something had to be looked up for the connection. Who waits
    gives up by then: a request that is sent all the same would be sent once more.

    Raise DeliveryFailed for any answer but 2xx, and without one. Neither the answer's body nor the address, both of
    which may hold something secret, is in the reason. Redirects are not followed.
    """
    left = SECONDS if began is None else began + SECONDS - time.monotonic()
    if left <= 0:
        raise DeliveryFailed(_TOO_LATE)
    late = threading.Event()
    limit = threading.Timer(left, _cut, (connection, late))
    limit.daemon = True
    limit.start()
    try:
        with ExitStack() as answers:
            _close_answers(connection, answers)
            connection.connect()
            if late.is_set():  # while it was dialling, there was nothing to cut
                raise DeliveryFailed(_LATE)
            connection.request("POST", path, body, dict(headers))
            status = connection.getresponse().status  # its body is not read
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DeliveryFailed(_LATE if late.is_set() else _words(error)) from None
    finally:
        limit.cancel()
        connection.close()
    if late.is_set():  # what was cut off reads like a whole answer
        raise DeliveryFailed(_LATE)
    if not 200 <= status < 300:
        who = "the proxy on the way to it" if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else "it"
        raise DeliveryFailed(f"{who} answers {status}", retryable=status not in _NEVER)


def _close_answers(connection: http.client.HTTPConnection, stack: ExitStack) -> None:
    """Close with the stack what each answer holds of the socket, a proxy's too.

    Python 3.11.2, which is Debian 12's, leaves the answer of a proxy that refuses to the garbage collector.
    """

    def opened(*given: Any, **named: Any) -> http.client.HTTPResponse:
        return stack.enter_context(closing(http.client.HTTPResponse(*given, **named)))

    connection.response_class = opened  # type: ignore[assignment] # it is only called


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End a connection under the thread that waits for it: its own timeout counts from each byte that arrives."""
    late.set()
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closes the connection without an answer"
    if isinstance(error, http.client.HTTPException):  # its text may quote the answer
        return f"it does not answer as HTTP has it: {type(error).__name__}"
    if refused := _REFUSED_BY_PROXY.match(str(error)):
        return f"the proxy on the way to it answers {refused[1]}"
    reason = getattr(error, "strerror", None)
    return f"it cannot be reached: {reason or type(error).__name__}"
