"""GET /tasks/<taskId>?wait=: answers that wait for a change, by a real function, and real waiting beside other requests."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, task_log, tasks
from common.store.task_log import LogLines
from common.tasks import wait
from common.tasks.requests import WaitQuery
from common.tasks.wait import MOST_WAITERS
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for
from tests.support.functions import ROOT, Server, running

READ = Task(Command.READ, "t1", "p", "1", "s1", started_at=1_790_000_000)
DEPLOYED = yaml.safe_load((ROOT / "knative/functions/tasks.yaml").read_text())["spec"]["template"]["spec"]
THREADS = {one["name"]: one.get("value") for one in DEPLOYED["containers"][0]["env"]}["THREADS"]


@pytest.fixture
def server(database: TestDatabase, db: Database) -> Iterator[Server]:
    """The function as it is deployed, with a pending read."""
    db.transact(lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h"))
    with running("tasks", THREADS=THREADS, SYNCCTL_DATABASE_URL=database.url) as made:
        yield made


def ask(server: Server, **query: Any) -> dict[str, Any]:
    given = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    answer = server.ask("GET", f"/tasks/t1?{given}")
    return {"status": answer.status, **json.loads(answer.body)}


def test_an_answer_comes_once_the_task_has_changed(server: Server, db: Database) -> None:
    """By its row or its log, from what the caller has seen; what has changed before is answered at once."""
    first = ask(server)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, server, wait=25, since=first["revision"])
        db.transact(lambda db: tasks.mark_running(db, ["t1"]))
        second = held.result()
        assert (second["task"]["state"], second["revision"] == first["revision"]) == ("RUNNING", False)
        held = pool.submit(ask, server, wait=25, since=second["revision"])
        line = LogLines("p", datetime.now(UTC), "INFO", "hello")
        db.transact(lambda db: task_log.add(db, READ, task_log.document([line], task_log.first_id())))
        logged = held.result()
        assert [one["message"] for one in logged["task"]["logs"]] == ["hello"]
        # By its time: only the row counts.
        held = pool.submit(ask, server, wait=25, since=logged["task"]["updatedAt"])
        db.transact(lambda db: tasks.progress(db, READ, {"plants": {"status": "RUNNING"}}))
        assert list(held.result()["task"]["streams"]) == ["plants"]
    assert ask(server, wait=25, since=first["revision"])["task"]["streams"]
    # Nothing changes any more: the time passes, and the caller sees that by the revision.
    last = ask(server)
    assert ask(server, wait=1, since=last["revision"])["revision"] == last["revision"]
    assert ask(server, wait=1)["revision"] == last["revision"]
    db.transact(lambda db: outcomes.conclude(db, READ, Outcome(TaskState.SUCCESS)))
    final = ask(server, wait=25)
    assert ask(server, wait=25, since=final["revision"])["task"]["state"] == "SUCCESS"
    assert server.ask("GET", "/tasks/t2?wait=30").status == 404


@pytest.mark.fault(609)
def test_many_who_wait_take_neither_the_threads_nor_connections(
    server: Server, db: Database, database: TestDatabase
) -> None:
    """As many as may wait do so with one connection together; the others are answered at once, as any request is."""
    assert MOST_WAITERS < DEPLOYED["containerConcurrency"] < int(THREADS)
    revision = ask(server)["revision"]
    more = DEPLOYED["containerConcurrency"] - MOST_WAITERS
    with ThreadPoolExecutor(MOST_WAITERS + more) as pool:
        held = [pool.submit(ask, server, wait=25, since=revision) for _ in range(MOST_WAITERS + more)]
        wait_for(lambda: sum(one.done() for one in held) == more)
        assert all(one.result()["revision"] == revision for one in held if one.done())
        assert server.ask("GET", "/health").status == 200
        assert ask(server)["revision"] == revision
        [looking] = wait_for(lambda: len(found := _connections(database, db)) == 1 and found)
        assert not any(one.done() for one in _left(held, more))
        # A connection that breaks releases all who wait, and they find out by themselves how Postgres is.
        database.rows("SELECT pg_terminate_backend(:pid)", pid=looking)
        assert {one.result()["status"] for one in held} == {200}
        held = [pool.submit(ask, server, wait=25, since=revision) for _ in range(MOST_WAITERS)]
        wait_for(lambda: _connections(database, db))
        db.transact(lambda db: tasks.mark_running(db, ["t1"]))
        assert {one.result()["task"]["state"] for one in held} == {"RUNNING"}
    wait_for(lambda: not _connections(database, db), what="the end of the connection that nobody waits for")


@pytest.mark.fault(610)
def test_waiting_while_postgres_is_away_is_answered_as_any_request() -> None:
    """Nobody waits for a task that cannot be looked at."""
    with running("tasks", SYNCCTL_DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/none") as server:
        assert server.ask("GET", "/tasks/t1?wait=25").status == 503


def test_a_server_that_stops_keeps_nobody_waiting(database: TestDatabase, db: Database) -> None:
    """The one-machine edition ends with Ctrl-C, not after half a minute."""
    db.transact(lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h"))
    settings = Settings.load({"SYNCCTL_DATABASE_URL": database.url})
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(wait.until_changed, settings, "t1", WaitQuery(30))
        wait_for(lambda: _connections(database, db))
        wait.release()
        held.result()


def test_a_gateway_waits_for_as_long_as_answers_do() -> None:
    """Knative ends a request that takes longer."""
    assert DEPLOYED["timeoutSeconds"] > 30


def _left(held: list[Future[dict[str, Any]]], more: int) -> list[Future[dict[str, Any]]]:
    left = [one for one in held if not one.done()]
    assert len(left) == len(held) - more
    return left


def _connections(database: TestDatabase, db: Database) -> list[int]:
    """Postgres's processes for anybody but this test."""
    own = db.transact(lambda db: db.execute("SELECT pg_backend_pid() AS pid"))[0]["pid"]
    rows = database.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), :own)",
        own=own,
    )
    return [row["pid"] for row in rows]
