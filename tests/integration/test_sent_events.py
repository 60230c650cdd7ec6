"""Events of real sweeps: those of declared syncs on local pods, and those of the deployed sweeper with a SinkBinding."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from msgspec import structs

from common.outbox.event import Event, EventType
from common.outbox.sink import Sink
from common.outbox.target import DeliveryFailed
from common.store import Database
from common.store.events import StoredEvent
from tests.integration.test_outbox import again, left, patient, whole
from tests.integration.test_runs import GARDEN, IMAGE, OFFERED, Site
from tests.support.databases import TestDatabase
from tests.support.docs import read
from tests.support.fake_bulker import FakeBulker
from tests.support.fake_kubernetes import NAMESPACE, fake_kubernetes
from tests.support.functions import running
from tests.support.local_system import local_system, python
from tests.support.odd_servers import odd_server, read_head
from tests.support.sink import FakeSink, fake_sink
from tests.unit.docs import test_events

__all__ = ["patient"]

NOW = datetime(2026, 11, 30, tzinfo=UTC)
POD_EVENT = {
    "specversion": "1.0", "id": "1", "source": "s", "type": "dev.knative.apiserver.ref.update",
    "subject": f"/apis/v1/namespaces/{NAMESPACE}/pods/gone",
}  # fmt: skip
TASK = msgspec.json.encode(test_events.TASK).decode()


@pytest.fixture
def sink() -> Iterator[FakeSink]:
    with fake_sink() as found:
        yield found


def kinds(sink: FakeSink, task_id: str) -> list[str]:
    """What has become of a task, and of its sync by it; how often it progresses depends on the machine."""
    types = [one["type"].split(".")[3] for one in sink.events if one["id"].startswith(f"{task_id}/")]
    return [kind for kind in types if kind != "progressed"]


def test_a_declared_sync_s_events(tmp_path: Path, database: TestDatabase, bulker: FakeBulker, sink: FakeSink) -> None:
    """Its runs from real pods, each skipped moment once, and what its source offers otherwise than before."""
    commands = {IMAGE: python(GARDEN)}
    with local_system(tmp_path, database, bulker.url, commands, SYNCCTL_SINK_URL=sink.url) as system:
        site = Site(system, tmp_path / "offered.json")
        site.declare(schedule="* * * * *", streams=[{"name": "herbs"}])
        site.begin()
        first = site.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
        for minutes in (1, 1, 2, 3):  # the run goes on all the while
            site.at(first + timedelta(minutes=minutes, seconds=5))
        assert site.finish()["state"] == "SUCCESS"
        site.offer(OFFERED | {"weeds": {}})
        site.declare(streams=[{"name": "herbs"}], discoverHours=0)
        assert site.run("garden-2")["state"] == "SUCCESS"
    assert kinds(sink, "garden-1") == ["started", "succeeded"]
    assert kinds(sink, "garden-2") == ["schemachanged", "started", "succeeded"]
    changed: Any = next(one.get_data() for one in sink.events if one["id"] == "garden-2/1/schemachanged")
    assert changed["schemaChanges"] == {"streamsAdded": ["weeds"]}
    skipped: list[Any] = [one.get_data() for one in sink.events if "skipped" in one["type"]]
    moments = [
        f"{first + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}" for minute in range(3)
    ]  # the newest may still run
    assert [moment for one in skipped for moment in one["moments"]] == moments
    assert {(one["syncId"], one["sync"]) for one in skipped} == {("garden", "garden")}
    assert left(database) == 0


def test_the_sweeper_sends_where_a_sink_binding_says(db: Database, database: TestDatabase, sink: FakeSink) -> None:
    """By the variables that it sets; after an event about a pod as well as at a call."""
    whole(db, 1)
    overrides = '{"extensions": {"team": "garden"}}'
    with fake_kubernetes() as api:
        given: dict[str, Any] = {
            "SYNCCTL_DATABASE_URL": database.url,
            "SYNCCTL_DATA_PLANE": "here",
            "SYNCCTL_KUBERNETES_CLIENT_CONFIG": api.kubeconfig,
            "SYNCCTL_KUBERNETES_CONTEXT": "used",
            "SYNCCTL_KUBERNETES_NAMESPACE": NAMESPACE,
        }
        with running("sweeper", token="right", K_SINK=sink.url, K_CE_OVERRIDES=overrides, **given) as server:
            about_a_pod = {f"ce_{name}": value for name, value in POD_EVENT.items()}
            assert server.ask("POST", "/", **about_a_pod).json["ok"] is True
            assert sink.ids() == ["t1/1/started", "t1/1/succeeded"]
            # Those who send events about pods wait for an answer: not while the sink makes trouble.
            sink.answer = lambda _event: 503
            whole(db, 2)
            server.ask("POST", "/", **about_a_pod)
            again(database)
            sink.answer = lambda _event: 202
            server.ask("POST", "/", **about_a_pod)
            assert len(sink.ids()) == 2
            assert server.ask("POST", "/").json["ok"] is True
    assert sink.ids() == ["t1/1/started", "t1/1/succeeded", "t2/1/started", "t2/1/succeeded"]
    assert {one["team"] for one in sink.events} == {"garden"}
    assert left(database) == 0


def test_the_example_starts_a_sync_after_another(tmp_path: Path) -> None:
    """A repeated event starts it once, by its taskId; a refusal is an error, so that the event comes again."""
    [code] = [
        one["data"]["main.py"]
        for one in yaml.safe_load_all(read("knative/examples/start-after.yaml"))
        if one["kind"] == "ConfigMap"
    ]
    (tmp_path / "main.py").write_text(code)
    asked: list[tuple[str, bool]] = []
    stored = StoredEvent(1, "t1/1/succeeded", EventType.SUCCEEDED, "t1", "orders", "here", NOW, "", TASK, 1)

    def answer(connection: socket.socket) -> None:
        head = read_head(connection).decode()
        asked.append((head.split()[1], "Authorization: Bearer right" in head))
        status = "409 Conflict" if len(asked) == 3 else "200 OK"
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with odd_server(answer) as syncs:
        given: dict[str, Any] = {"SYNC": "re/ports", "SYNCS_URL": syncs, "TOKEN": "right"}
        with running("start_after", source=tmp_path / "main.py", **given) as server:
            target = Sink(f"http://127.0.0.1:{server.port}/", {})
            for _ in range(2):
                target.send(Event.of(stored))
            with pytest.raises(DeliveryFailed, match="it answers 500"):
                target.send(Event.of(structs.replace(stored, event_id="t2/1/succeeded")))
    assert asked[0] == asked[1] != asked[2]
    path, authorized = asked[0]
    assert path.startswith("/syncs/re%2Fports/run?taskId=re%2Fports-after-")
    assert authorized
