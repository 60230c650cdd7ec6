"""Where webhooks and the sink are called: which address and port are dialled."""

import socket
from typing import Any

import pytest

from common.notify import Form
from common.outbox.sink import Sink
from common.outbox.target import DeliveryFailed
from common.outbox.webhook import Webhook
from tests.support.webhooks import event

V6 = [
    ("http://[2001:db8::1111]/x", ("2001:db8::1111", 80)),
    ("https://[2001:db8::1111]/x", ("2001:db8::1111", 443)),
    ("http://[2001:db8::beef]/x", ("2001:db8::beef", 80)),
    ("http://[2001:db8::1111]:8065/x", ("2001:db8::1111", 8065)),
]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was dialled; nobody answers."""
    found: list[tuple[str, int]] = []

    def refuses(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        found.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuses)
    return found


@pytest.mark.parametrize(("url", "expected"), V6)
def test_an_ipv6_address_without_a_port_is_whole(
    dialled: list[tuple[str, int]], url: str, expected: tuple[str, int]
) -> None:
    """Its last part belongs to the address, also where it could be a port."""
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        Sink(url, {}).send(event())
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        Webhook("x", url, "", Form.TEXT).call(event(), ())
    assert dialled == [expected, expected]
