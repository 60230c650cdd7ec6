"""Where log lines are forwarded to."""

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from common.store.task_log import LogLines
from sidecar.report.log_forwarder import LogForwarder
from sidecar.settings import SidecarSettings

NEEDED = {
    "COMMAND": "read", "PACKAGE": "airbyte/source-garden", "PACKAGE_VERSION": "1.4.0",
    "DATABASE_URL": "postgresql://u:p@db/x", "BULKER_LOGS_CONNECTION_ID": "logs",
}  # fmt: skip


@pytest.mark.parametrize("host", ["2001:db8::3042", "2001:db8::beef"])
def test_an_ipv6_address_without_a_port_is_whole(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Its last part belongs to the address, also where it could be a port."""
    dialled: list[tuple[str, int]] = []

    def refuses(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuses)
    forwarder = LogForwarder(SidecarSettings.load(NEEDED | {"BULKER_URL": f"http://[{host}]"}))
    forwarder.start()
    forwarder.send([LogLines("p", datetime.now(UTC), "INFO", "hello")])
    forwarder.close()
    assert dialled == [(host, 80)]
