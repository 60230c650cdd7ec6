"""GET /tasks: totals, filters, and tags by which a caller that asks often learns that nothing has changed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, sweeps, task_log, tasks
from common.store.task_list import FEW_STREAMS
from common.store.task_log import LogLines
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import TaskQuery
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.functions import running

READ = Task(command=Command.READ, task_id="t1", package="p/x", version="1", sync_id="s1", started_at=1_790_000_000)
_COUNTS = ("emitted", "sent", "stored", "refused", "bytes")


def _settings(database: TestDatabase) -> Settings:
    return Settings.load({"SYNCCTL_DATABASE_URL": database.url})


def _begin(database: TestDatabase, task: Task = READ) -> None:
    with Database(database.url) as db:
        db.transact(lambda db: tasks.begin(db, task, pod_name=f"pod-{task.task_id}", request_hash="h"))


def _plain(payload: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(payload))
    return plain


@pytest.mark.fault(584)
def test_a_list_has_totals_and_the_streams_of_tasks_with_few(database: TestDatabase) -> None:
    """One task with 3,000 streams would be 0.7 MB of each list; all are in GET /tasks/<taskId>, with the same totals."""
    for name, number in (("none", 0), ("few", FEW_STREAMS), ("many", 3000)):
        task = msgspec.structs.replace(READ, task_id=name, sync_id=name)
        _begin(database, task)
        streams: dict[str, Any] = {
            f"s{at}": {"status": "FAILED" if at % 4 == 3 else "SUCCESS", "error": "x" * 50}
            | {name: at * 10**9 + rank for rank, name in enumerate(_COUNTS)}
            for at in range(number)
        }
        with Database(database.url) as db:
            db.transact(partial(outcomes.conclude, task=task, outcome=Outcome(TaskState.SUCCESS, streams=streams)))
        answer = list_tasks(_settings(database), TaskQuery(sync_id=name))
        [listed] = _plain(answer)["tasks"]
        shown = _plain(get_task(_settings(database), name))["task"]
        assert shown["streams"] == streams
        assert listed["streams"] == (None if number > FEW_STREAMS else streams)
        assert len(msgspec.json.encode(answer)) < 10_000
        sums = {name: sum(one[name] for one in streams.values()) for name in _COUNTS}
        states = {"FAILED": number // 4, "SUCCESS": number - number // 4} if number else {}
        assert listed["totals"] == shown["totals"] == {"streams": number, "states": states} | sums


def test_a_list_is_of_a_time_a_package_or_who_started_it(database: TestDatabase) -> None:
    """A declared sync's runs by their trigger, whatever else is known of them; any other by the text as it was sent."""
    started = {
        "a": '{"trigger":"schedule","sync":"nightly","moment":"2026-11-30T02:00:00Z"}',
        "b": '{"sync":"nightly", "trigger": "manual"}',
        "c": "Alice",
        "d": '{"user":"u1"}',
        "e": '{"trigger":"' + "x" * 3900 + '"}',
    }
    for at, (name, text) in enumerate(started.items()):
        package = "p/other" if name == "d" else "p/x"
        _begin(database, Task(Command.READ, name, package, "1", name, started_by=text))
        database.rows(
            "UPDATE syncctl_task SET created_at = :at WHERE task_id = :name",
            at=datetime(2026, 11, 30, 2, tzinfo=UTC) + timedelta(minutes=at),
            name=name,
        )

    def found(**given: Any) -> str:
        answer = list_tasks(_settings(database), TaskQuery(**given))
        return "".join(task["taskId"] for task in answer["tasks"])

    minute = datetime(2026, 11, 30, 2, 1, tzinfo=UTC)
    assert found(begin=minute, end=minute + timedelta(minutes=2)) == "cb"
    assert (found(begin=minute), found(end=minute)) == ("edcb", "a")
    assert (found(package="p/x"), found(package="p/x", begin=minute), found(package="p")) == ("ecba", "ecb", "")
    assert [found(started_by=text) for text in ("schedule", "manual", "Alice", started["d"])] == ["a", "b", "c", "d"]
    assert (found(started_by="x" * 3900), found(started_by="alice"), found(started_by="nightly")) == ("e", "", "")


@pytest.mark.fault(585)
def test_a_tag_holds_until_what_is_shown_changes(database: TestDatabase) -> None:
    """Of a list and of a task: each thing that is shown of them, and nothing else."""
    settings = _settings(database)
    _begin(database)
    _begin(database, msgspec.structs.replace(READ, task_id="t0", sync_id="s0"))

    def add_line(db: Database) -> None:
        lines = LogLines("p", datetime.now(UTC), "INFO", "x")
        task_log.add(db, READ, task_log.document([lines], task_log.first_id()))

    def change(sql: str) -> Callable[[], Any]:
        return lambda: database.rows(sql)

    def write(work: Callable[[Database], Any]) -> Callable[[], Any]:
        def run() -> None:
            with Database(database.url) as db:
                db.transact(work)

        return run

    changes: list[tuple[Callable[[], Any], bool, bool]] = [
        (lambda: None, False, False),
        (change("UPDATE syncctl_task SET streams = '{\"a\": {}}' WHERE task_id = 't1'"), True, True),
        (change("UPDATE syncctl_task SET awaits = 't0' WHERE task_id = 't1'"), True, True),
        (change("UPDATE syncctl_task SET reason = 'Installs.' WHERE task_id = 't0'"), True, True),
        (write(add_line), False, True),
        (change("INSERT INTO syncctl_result VALUES ('t1', '{}')"), False, True),
        (write(lambda db: sweeps.record(db, "here", 0.1, sweeps.SweepStats())), True, False),
        (lambda: _begin(database, msgspec.structs.replace(READ, task_id="t2", sync_id="s2")), True, False),
    ]
    listed, shown = list_tasks(settings, TaskQuery()), get_task(settings, "t1")
    for number, (act, list_changes, task_changes) in enumerate(changes):
        act()
        new_list, new_task = list_tasks(settings, TaskQuery(), listed.tag), get_task(settings, "t1", known=shown.tag)
        assert [bool(new_list), bool(new_task)] == [list_changes, task_changes], number
        assert [new_list.tag != listed.tag, new_task.tag != shown.tag] == [
            list_changes,
            task_changes,
        ], number
        listed, shown = new_list, new_task


@pytest.mark.fault(583, 585)
def test_the_function_answers_304_and_text_as_it_is_read(database: TestDatabase) -> None:
    """Over HTTP: tags, an id that ends like the path of a log, and a text of more lines than are read at a time."""
    _begin(database, msgspec.structs.replace(READ, task_id="a/logs"))
    lines = LogLines("p", datetime(2026, 9, 21, tzinfo=UTC), "INFO", "\x7f".join(map(str, range(10_050))))
    document = task_log.document([lines], task_log.first_id())
    with Database(database.url) as db:
        db.transact(lambda db: task_log.add(db, msgspec.structs.replace(READ, task_id="a/logs"), document))
    with running("tasks", token=canaries.TOKEN, SYNCCTL_DATABASE_URL=database.url) as server:
        for path in ("/tasks", "/tasks/a%2Flogs", "/tasks/a%2Flogs/logs?limit=7"):
            first = server.ask("GET", path)
            assert (first.status, first.json["ok"], first.headers["cache-control"]) == (200, True, "no-store"), path
            again = server.ask("GET", path, If_None_Match=first.headers["etag"])
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"]), path
            assert server.ask("GET", path, If_None_Match='"0"').status == 200
        assert server.ask("GET", "/tasks/a/logs").status == 404  # the log of another task
        text = server.ask("GET", "/tasks/a%2Flogs/logs", Accept="text/plain")
        assert (text.status, text.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert [line.rpartition(" ")[2] for line in text.body.decode().splitlines()] == list(map(str, range(10_050)))
        assert server.ask("HEAD", "/tasks/a%2Flogs/logs?format=text").status == 200
        assert server.ask("GET", "/tasks/a%2Flogs/logs", Accept="application/json, text/plain").json["more"] is True
