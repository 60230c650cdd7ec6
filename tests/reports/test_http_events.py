"""Events as senders really send them, against the sweeper as it is deployed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.fake_kubernetes import NAMESPACE, FakeKubernetes, fake_kubernetes, made
from tests.support.functions import Server, running

CASE = CASES / "http-odd-cloudevents"
SEND = Path(__file__).parent / "tools/send.py"
POD = "source-garden-sync-1.task-1"


class Served(Struct, frozen=True):
    server: Server
    api: FakeKubernetes

    def send(self, name: str, token: str) -> tuple[int, str]:
        """Sends a recorded request as it is; returns the status and the whole answer."""
        [file] = CASE.glob(f"{name}-*.http")
        command = [sys.executable, str(SEND), "127.0.0.1", str(self.server.port), str(file)]
        done = subprocess.run(
            [*command, *(["--token", token] if token else [])], capture_output=True, text=True, timeout=60, check=True
        )
        answer = done.stdout[done.stdout.index("HTTP/1.1 ") :]
        return int(answer.split()[1]), answer

    def looks(self) -> list[str]:
        """What the API was asked since the last time."""
        verbs = self.api.verbs()
        self.api.asked.clear()
        return verbs


@pytest.fixture
def served(database: TestDatabase) -> Iterator[Served]:
    with fake_kubernetes() as api:
        api.pods[POD] = made(POD, task="task-1")
        with running(
            "sweeper",
            token="right",
            SYNCCTL_DATABASE_URL=database.url,
            SYNCCTL_KUBERNETES_CLIENT_CONFIG=api.kubeconfig,
            SYNCCTL_KUBERNETES_CONTEXT="used",
            SYNCCTL_KUBERNETES_NAMESPACE=NAMESPACE,
        ) as server:
            yield Served(server, api)


def test_http_odd_cloudevents(served: Served) -> None:
    """A request that names the pod sweeps it; one that is not an event is refused in JSON, with what it lacks."""
    for name in "abf":
        status, answer = served.send(name, "right")
        assert status == 200, answer
        assert served.looks() == [f"GET pods/{POD}"], name
    for name, words in (("c", "application/cloudevents+json"), ("e", "by itself"), ("d", "specversion")):
        status, answer = served.send(name, "right")
        assert (status, words in answer) == (400, True), answer
        assert "application/json" in answer
        assert served.looks() == []
    status, answer = served.send("g", "right")
    assert (status, served.looks()) == (200, []), answer
    assert list(served.api.pods) == [POD]
    for name in "abcdefg":
        for token in ("", "wrong"):
            status, answer = served.send(name, token)
            assert (status, "<html" in answer.lower()) == (401, False), answer
    assert served.looks() == []


def test_a_plain_post_sweeps_everything(served: Served) -> None:
    """As the CronJob sends it; what the sweep did is in the answer."""
    served.api.pods[POD] |= {"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}}
    answer = served.server.ask("POST", "/sweeper")
    assert answer.status == 200, answer.body
    assert answer.json["last"] == {
        "pods": 1,
        "active": 0,
        "concluded": 1,
        "deleted": 1,
        "unreadable": 0,
        "orphanedRows": 0,
    }
    assert served.api.pods == {}
    syncs = "GET /apis/sync-functions.dev/v1alpha1/namespaces/sync-tasks/syncs"
    assert served.looks() == ["GET pods", f"DELETE pods/{POD}", syncs]
