"""Where an upload goes: which address and port are dialled."""

import socket
from typing import Any

import pytest

from sidecar.bulker.upload import Upload


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
@pytest.mark.parametrize("host", ["2001:db8::3042", "2001:db8::beef"])
def test_an_ipv6_address_without_a_port_is_whole(
    monkeypatch: pytest.MonkeyPatch, scheme: str, port: int, host: str
) -> None:
    """Its last part belongs to the address, also where it could be a port."""
    dialled: list[tuple[str, int]] = []

    def refuses(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuses)
    with pytest.raises(ConnectionRefusedError):
        Upload(f"{scheme}://[{host}]/", "/bulk", {}, lambda seconds: seconds)
    assert dialled == [(host, port)]
