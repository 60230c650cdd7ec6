"""Events from the rows of tasks to a real sink: what is written, and what becomes of it."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from common.errors import SettingsError
from common.failures import Failure, FailureKind
from common.outbox import deliver as deliver_module
from common.outbox import post
from common.outbox.deliver import Delivered, deliver
from common.outbox.event import Event
from common.outbox.sink import Sink
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
from tests.support.certificates import server_context
from tests.support.databases import TestDatabase
from tests.support.logins import login
from tests.support.odd_servers import odd_server, read_head
from tests.support.sink import FakeSink, fake_sink

WHY = Failure(FailureKind.SOURCE_EXIT, "it ended")
READ = Task(
    command=Command.READ, task_id="t1", package="airbyte/source-garden", version="1", sync_id="s1",
    started_by='{"trigger":"manual"}', started_at=1_790_000_000,
)  # fmt: skip
HERE = "here"


@pytest.fixture
def sink() -> Iterator[FakeSink]:
    with fake_sink() as running:
        yield running


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """However busy the machine is, what answers is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(post, "SECONDS", 60.0)
        patch.setattr(deliver_module, "SEND_SECONDS", 60.0)
        patch.setattr(deliver_module, "SECONDS", 60.0)
        yield


def begin(db: Database, task: Task, data_plane: str = HERE) -> None:
    db.transact(lambda db: tasks.begin(db, task, pod_name="pod", request_hash="h", data_plane=data_plane))


def run(db: Database, task: Task, streams: dict[str, Any] | None = None) -> None:
    db.transact(lambda db: tasks.progress(db, task, streams))


def end(db: Database, task: Task, state: TaskState = TaskState.SUCCESS, **fields: Any) -> None:
    failure = None if state is TaskState.SUCCESS else WHY
    assert db.transact(lambda db: outcomes.conclude(db, task, Outcome(state, failure=failure, **fields)))


def whole(db: Database, number: int, state: TaskState = TaskState.SUCCESS, sync: str = "s1") -> None:
    """A read from its begin to its end."""
    task = structs.replace(READ, task_id=f"t{number}", sync_id=sync)
    begin(db, task)
    run(db, task)
    end(db, task, state)


def again(database: TestDatabase) -> None:
    """The pauses between attempts are over."""
    database.rows("UPDATE syncctl_delivery SET next_at = now()")


def left(database: TestDatabase) -> int:
    [row] = database.rows("SELECT (SELECT count(*) FROM syncctl_event) + (SELECT count(*) FROM syncctl_delivery) AS n")
    return int(row["n"])


def test_a_read_s_life(db: Database, database: TestDatabase, sink: FakeSink) -> None:
    """From its begin, over a second attempt, to its end: each event once, in order, as the row was then."""
    begin(db, READ)
    run(db, READ)
    assert db.transact(
        lambda db: tasks.begin_attempt(db, READ, WHY, pod_name="p2", data_plane=HERE, reason="waits", pause=0)
    )
    second = structs.replace(READ, attempt=2)
    run(db, second, {"herbs": {"status": "RUNNING", "emitted": 3, "stored": 2, "bytes": 10, "error": ""}})
    end(db, second)
    assert deliver(db, HERE, [Sink(sink.url, {"team": "garden"})]) == Delivered(sent=4)
    assert sink.ids() == ["t1/1/started", "t1/2/retrying", "t1/2/started", "t1/2/succeeded"]
    retrying, last = (dict(sink.events[at].get_attributes()) for at in (1, 3))
    assert (retrying["state"], retrying["failurekind"]) == ("PENDING", "source_exit")
    time = last.pop("time")
    assert time.endswith("+00:00")
    assert last == {
        "specversion": "1.0", "id": "t1/2/succeeded", "type": "dev.sync-functions.task.succeeded.v1",
        "source": "/sync-functions/here", "subject": "syncs/s1/tasks/t1", "datacontenttype": "application/json",
        "syncid": "s1", "command": "read", "state": "SUCCESS",
        "image": "airbyte/source-garden:1", "team": "garden",
    }  # fmt: skip
    data: Any = sink.events[3].get_data()
    assert data["attempts"][0]["message"] == "it ended"
    assert data["totals"] == {
        "streams": 1, "states": {"SUCCESS": 1}, "emitted": 3, "sent": 0, "stored": 2, "refused": 0, "bytes": 10,
    }  # fmt: skip
    assert left(database) == 0


def plain(sink: FakeSink) -> list[Sink]:
    return [Sink(sink.url, {})]


@pytest.mark.fault(501)
def test_a_sink_that_was_away_misses_nothing(db: Database, database: TestDatabase, sink: FakeSink) -> None:
    """Refused connections, then 503 after it has taken an event: all arrive, each task's in order, twice only by id."""
    sink.close()
    for number in range(12):
        whole(db, number, sync=f"s{number}")
    assert deliver(db, HERE, plain(sink)) == Delivered(failed=8)
    sink.open()
    again(database)
    sink.answer = lambda event: 503 if event["id"] in {"t3/1/started", "t4/1/succeeded"} else 202
    assert deliver(db, HERE, plain(sink)) == Delivered(sent=21, failed=2)
    again(database)
    sink.answer = lambda _event: 202
    assert deliver(db, HERE, plain(sink)) == Delivered(sent=3)
    for number in range(12):
        expected = [f"t{number}/1/started", f"t{number}/1/succeeded"]
        assert sink.ids(f"t{number}/") == expected
    assert [one["id"] for one in sink.refused] == ["t3/1/started", "t4/1/succeeded"]
    assert left(database) == 0


@pytest.mark.fault(502)
def test_one_event_that_cannot_be_sent_holds_back_its_own_task_alone(
    db: Database, database: TestDatabase, sink: FakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """500 is tried again, and the task's later events wait; 400 is given up at once, with one line in the log."""
    for number in (1, 2, 3):
        whole(db, number, sync=f"s{number}")
    sink.answer = lambda event: {"t1/1/started": 500, "t2/1/started": 400}.get(event["id"], 202)
    assert deliver(db, HERE, plain(sink)) == Delivered(sent=3, failed=1, given_up=1)
    assert sorted(sink.ids()) == ["t2/1/succeeded", "t3/1/started", "t3/1/succeeded"]
    assert sink.ids("t3/") == ["t3/1/started", "t3/1/succeeded"]
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        "Gave up t2/1/started for sink: it answers 400"
    ]
    [waits] = database.rows(
        "SELECT attempts, error, next_at > now() + interval '5 s' AS later FROM syncctl_delivery WHERE error <> ''"
    )
    assert waits == {"attempts": 1, "error": "it answers 500", "later": True}
    assert deliver(db, HERE, plain(sink)) == Delivered()


@pytest.mark.fault(502)
def test_what_is_refused_again_and_again_starves_nothing_else(
    db: Database, database: TestDatabase, sink: FakeSink
) -> None:
    """More old deliveries are due than are tried at a time; one that is new gets its turn before them."""
    for number in range(10):
        whole(db, number, sync=f"s{number}")
    sink.answer = lambda event: 202 if event["id"].startswith("t99/") else 503
    assert deliver(db, HERE, plain(sink)) == Delivered(failed=8)
    again(database)
    whole(db, 99, sync="fresh")
    deliver(db, HERE, plain(sink))
    assert sink.ids() == ["t99/1/started", "t99/1/succeeded"]


@pytest.mark.fault(503)
def test_a_target_that_hangs_holds_nothing_up(
    db: Database, database: TestDatabase, sink: FakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says nothing, one whose answer never ends, one that hangs before any connection; another has its events."""
    monkeypatch.setattr(post, "SECONDS", 0.2)
    monkeypatch.setattr(deliver_module, "SEND_SECONDS", 0.6)
    over = threading.Event()

    def silence(connection: socket.socket) -> None:
        over.wait()

    def drip(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\n")
        while not over.wait(0.02):
            connection.sendall(b"x")

    class Hangs:
        name = "hangs"

        def wants(self, _event: Event) -> bool:
            return True

        def send(self, _event: Event) -> None:
            over.wait()

    whole(db, 1)
    with odd_server(silence) as silent, odd_server(drip) as endless:
        slow = [Sink(silent, {}), Sink(endless, {})]
        for name, one in zip(("silent", "endless"), slow, strict=True):
            one.name = name
        done = deliver(db, HERE, [*slow, Hangs(), *plain(sink)])
        assert done.sent + done.failed >= 4  # the last one was tried as well
        errors = database.rows("SELECT target, error FROM syncctl_delivery WHERE error <> '' AND target <> 'sink'")
        assert {row["target"]: row["error"] for row in errors} == {
            "silent": "it does not answer in time", "endless": "it does not answer in time",
            "hangs": "no answer within 0.6 s",
        }  # fmt: skip
        over.set()
    monkeypatch.undo()  # a busy machine may be as slow as that
    again(database)
    deliver(db, HERE, plain(sink))
    assert list(dict.fromkeys(sink.ids())) == ["t1/1/started", "t1/1/succeeded"]


@pytest.mark.fault(504)
def test_it_gives_up_after_a_day(
    db: Database, database: TestDatabase, sink: FakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line for all of a target; what was written since is sent."""
    whole(db, 1)
    sink.answer = lambda _event: 503
    deliver(db, HERE, plain(sink))
    database.rows("UPDATE syncctl_event SET at = now() - interval '25 hours'")
    whole(db, 2, sync="s2")
    sink.answer = lambda _event: 202
    caplog.clear()
    assert deliver(db, HERE, plain(sink)) == Delivered(sent=2, given_up=2)
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        "Gave up 2 events for sink after a day; of t1/1/started: it answers 503"
    ]
    assert left(database) == 0


def test_what_nothing_is_to_hear_of_is_deleted(db: Database, database: TestDatabase, sink: FakeSink) -> None:
    """Without a target, and with one that wants nothing; of the own data plane alone. A removed target's go, too."""
    elsewhere = structs.replace(READ, task_id="other", sync_id="other")
    begin(db, elsewhere, data_plane="there")
    run(db, elsewhere)
    whole(db, 1)
    assert deliver(db, HERE, []) == Delivered()
    assert [row["task_id"] for row in database.rows("SELECT task_id FROM syncctl_event")] == ["other"]
    sink.close()
    whole(db, 2)
    deliver(db, HERE, plain(sink))
    one = plain(sink)[0]
    one.name = "another"
    one.wants = lambda _event: False  # type: ignore[method-assign]
    whole(db, 3)
    assert deliver(db, HERE, [one]) == Delivered()
    assert [row["task_id"] for row in database.rows("SELECT task_id FROM syncctl_event")] == ["other"]


@pytest.mark.fault(505)
def test_several_sweeps_at_once_send_each_event_once_and_in_order(
    db: Database, database: TestDatabase, sink: FakeSink
) -> None:
    """As an event's sweep and the CronJob's."""
    for number in range(20):
        whole(db, number, sync=f"s{number}")

    def sweep(_number: int) -> Delivered:
        with Database(database.url) as own:
            return deliver(own, HERE, plain(sink))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(sweep, range(4)))
    # A sweep ends when nothing is due; what another one has just sent the event before of is left to the next sweep.
    assert sum(one.sent for one in results) + deliver(db, HERE, plain(sink)).sent == 40
    assert len(sink.ids()) == 40
    for number in range(20):
        assert sink.ids(f"t{number}/") == [f"t{number}/1/started", f"t{number}/1/succeeded"]


def test_a_sink_s_own_authority_is_trusted_where_it_is_named(
    db: Database, database: TestDatabase, tmp_path: Path
) -> None:
    """As K_CA_CERTS names Knative's; without it nothing is sent."""
    tls, certificate = server_context(tmp_path)
    heads: list[bytes] = []

    def accept(connection: socket.socket) -> None:
        head, _, body = read_head(connection).partition(b"\r\n\r\n")
        length = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
        while len(body) < length:
            body += connection.recv(65536)
        heads.append(head)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    whole(db, 1)
    with odd_server(accept, tls) as url:
        assert deliver(db, HERE, [Sink(url, {})]) == Delivered(failed=1)
        again(database)
        given = Settings.load({"K_SINK": url, "K_CA_CERTS": certificate.read_text()})
        assert deliver(db, HERE, [Sink(given.sink_url, {}, given.sink_ca_certs)]) == Delivered(sent=2)
    assert len(heads) == 2
    with pytest.raises(SettingsError, match="K_CA_CERTS: expected certificates as PEM"):
        Settings.load({"K_CA_CERTS": "-----BEGIN CERTIFICATE-----\nnone\n"})


def test_a_sync_recovers(db: Database, sink: FakeSink) -> None:
    """At the first success after a failure, whatever was cancelled in between; `previous` tells the first failure."""
    states = [TaskState.FAILED, TaskState.FAILED, TaskState.CANCELLED, TaskState.SUCCESS, TaskState.SUCCESS]
    found: list[tuple[str, str]] = []
    target = plain(sink)[0]

    def wants(event: Event) -> bool:
        found.append((event.id, event.previous))
        return True

    target.wants = wants  # type: ignore[method-assign, assignment]
    for number, state in enumerate(states):
        whole(db, number, state)
        deliver(db, HERE, [target])
    assert [one for one in found if "started" not in one[0]] == [
        ("t0/1/failed", ""), ("t1/1/failed", "FAILED"), ("t2/1/cancelled", ""), ("t3/1/succeeded", "FAILED"),
        ("t3/1/recovered", "FAILED"), ("t4/1/succeeded", "SUCCESS"),
    ]  # fmt: skip
    recovered = next(one for one in sink.events if "recovered" in one["type"])
    assert (recovered["subject"], recovered["type"]) == ("syncs/s1", "dev.sync-functions.sync.recovered.v1")


def test_progress_comes_once_a_minute_and_the_newest_alone(
    db: Database, database: TestDatabase, sink: FakeSink
) -> None:
    """However often it is reported; what a later event overtakes before it is sent is dropped, so that little piles up."""
    begin(db, READ)
    for stored in (1, 2, 3, 4):
        run(db, READ, {"herbs": {"status": "RUNNING", "emitted": 9, "stored": stored, "bytes": 1, "error": ""}})
        if stored in (1, 3):  # all before was a minute earlier
            database.rows("UPDATE syncctl_task SET updated_at = updated_at - interval '1 minute'")
            database.rows("UPDATE syncctl_event SET event_id = event_id || '-before'")
    deliver(db, HERE, plain(sink))
    assert [(one["type"].split(".")[3], one.get_data()["totals"]["stored"]) for one in sink.events] == [  # type: ignore[index]
        ("started", 1), ("progressed", 4),
    ]  # fmt: skip


def test_an_event_is_small_and_has_no_secret_of_its_caller(db: Database, sink: FakeSink) -> None:
    """Accounts of thousands of streams are left out, with what they come to; texts are cut; startedBy is masked."""
    begin(
        db, task := structs.replace(READ, started_by='{"trigger":"manual","api_token":"hush-9f2c"}', sync_id="täglich")
    )
    account = {"status": "SUCCESS", "emitted": 2, "stored": 2, "bytes": 5, "error": ""}
    streams = {f"stream-{number}": account for number in range(2000)} | {"last": account | {"status": "PARTIAL"}}
    end(db, task, TaskState.PARTIAL, reason="x" * 30_000, streams=streams)
    deliver(db, HERE, plain(sink))
    [event] = sink.events
    data: Any = event.get_data()
    assert (data["streams"], data["totals"]) == (
        None, {
            "streams": 2001, "states": {"SUCCESS": 2000, "PARTIAL": 1}, "emitted": 4002, "sent": 0, "stored": 4002,
            "refused": 0, "bytes": 10_005,
        },
    )  # fmt: skip
    assert len(json.dumps(data)) < 16_000
    assert data["startedBy"] == '{"trigger":"manual","api_token":"********"}'
    assert event["syncid"] == "t%C3%A4glich"  # as the binding has it; its own reader decodes nothing


@pytest.mark.fault(506)
def test_who_may_only_update_tasks_writes_events_too(db: Database, database: TestDatabase, sink: FakeSink) -> None:
    """A sidecar's user has no right on the outbox; and our tables may be in a schema of any name, which may change."""
    begin(db, READ)
    database.rows('ALTER SCHEMA syncctl RENAME TO "our own"')
    grants = ('GRANT USAGE ON SCHEMA newjitsu, "our own" TO USER', 'GRANT SELECT, UPDATE ON "our own".syncctl_task TO USER',
              "GRANT SELECT, UPDATE ON newjitsu.source_task TO USER")  # fmt: skip
    with login(database, grants) as url, Database(url, "our own", make_tables=False) as sidecar:
        run(sidecar, READ)
        # Else it could have the function write into a table of its own, with the owner's rights.
        may = """SELECT has_function_privilege('"our own".syncctl_write_events()', 'EXECUTE') AS may"""
        assert sidecar.transact(lambda db: db.execute(may)) == [{"may": False}]
    with Database(database.url, "our own") as owner:
        assert deliver(owner, HERE, plain(sink)) == Delivered(sent=1)
    database.rows('ALTER SCHEMA "our own" RENAME TO syncctl')
