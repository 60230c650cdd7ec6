"""embedded.listener: the port is held from the first moment on."""

import socket
from collections.abc import Iterator

import pytest

from common.errors import SyncError
from embedded.listener import listen


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_refused_with_both_ways_out(taken: int) -> None:
    """The option for `syncctl serve`, and the variable for `make serve`."""
    with pytest.raises(SyncError) as refused:
        listen(taken)
    assert refused.value.message == (
        f"Port {taken} of this machine cannot be used (Address already in use); stop the program that listens there, "
        "or choose another port: `syncctl serve --port PORT`, or `SYNCCTL_HTTP_PORT=PORT make serve`."
    )


def test_a_taken_port_may_be_replaced(taken: int) -> None:
    """By any free one, and a free one is used as it is."""
    with listen(taken, or_any=True) as other:
        port = other.getsockname()[1]
        assert port not in {0, taken}
    with listen(port, or_any=True) as same:
        assert same.getsockname()[1] == port


def test_nobody_can_take_a_held_port() -> None:
    """Even with SO_REUSEADDR, which lets two sockets share a port until one listens."""
    with listen(0) as held, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(held.getsockname())
