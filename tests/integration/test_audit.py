"""`make audit`, against a vulnerability service of the test's own."""

import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.docs import ROOT, read
from tests.support.http_server import HttpServer

LOCKED = {tuple(pin) for pin in re.findall(r"^([a-z0-9][\w.-]*)==([^ ;\\]+)", read("requirements.lock"), re.MULTILINE)}


class Service(HttpServer):
    """Answers as OSV does: each package named in `vulnerable` has one entry."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: set[tuple[str, str]] = set()
        self.vulnerable: set[str] = set()


class Answers(http.server.BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        asked = [(query["package"]["name"], query["version"]) for query in queries]
        self.server.asked.update(asked)
        self._answer({"results": [self._found(name) for name, _ in asked]})

    def do_GET(self) -> None:
        [name] = self.server.vulnerable
        entry = {"id": "GHSA-0000-0000-0000", "modified": "2026-01-01T00:00:00Z", "summary": "a planted one"}
        self._answer(entry | {"affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "versions": []}]})

    def _found(self, name: str) -> dict[str, Any]:
        found = {"id": "GHSA-0000-0000-0000", "modified": "2026-01-01T00:00:00Z"}
        return {"vulns": [found]} if name in self.server.vulnerable else {}

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def audit(service: Service) -> "subprocess.CompletedProcess[str]":
    environment = dict(os.environ) | {"AUDIT_URL": f"http://127.0.0.1:{service.server_port}/"}  # noqa: TID251 - a child gets the tests' own
    return subprocess.run(
        ["sh", ROOT / "scripts/audit.sh"], env=environment, capture_output=True, text=True, check=False
    )


def test_every_pinned_package_is_asked_about(service: Service) -> None:
    """In its version, the packages of development too."""
    done = audit(service)
    assert done.returncode == 0, done.stderr
    assert service.asked == LOCKED


@pytest.mark.fault(239)
def test_a_pinned_package_with_a_known_vulnerability_is_named(service: Service) -> None:
    """And the command fails."""
    service.vulnerable = {"msgspec"}
    done = audit(service)
    assert done.returncode != 0
    assert "msgspec" in done.stdout + done.stderr
    assert "GHSA-0000-0000-0000" in done.stdout + done.stderr
