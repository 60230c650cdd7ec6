"""What sweeps remove of tasks that ended long ago, and what has to stay however old it is."""

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as of_example
from hypothesis import strategies as st
from msgspec import structs

from common import DATABASE_SCHEMA
from common.runs.due import follower_id
from common.settings import Settings
from common.store import Database, queries, retention, runs, states
from common.store.retention import Batch, Keep, Removed
from common.sweep.sweep import sweep
from tests.support import docs
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_kubernetes import FakeKubernetes, fake_kubernetes
from tests.support.logins import grants, login, user_of

KEEP = Keep(days=60, tasks_per_sync=3_000, caller_tables=True)
DUE = "UPDATE syncctl.syncctl_retention SET due_at = now()"
_INSERT = """
INSERT INTO syncctl.syncctl_task (task_id, command, sync_id, storage_key, package, version, pod_name, request_hash, state, streams,
                          started_by, wanted, moment, awaits, discovery, created_at, accepted_at, updated_at, finished_at)
SELECT task_id, coalesce(command, 'read'), coalesce(sync, ''), coalesce(key, ''), 'airbyte/source-garden', '1', task_id,
       coalesce(hash, 'h'), coalesce(state, 'SUCCESS'), coalesce(streams, '{}'), coalesce(started_by, ''), wanted,
       now() - moment * interval '1 day', awaits, discovery, began, began, began,
       CASE WHEN coalesce(state, '') NOT IN ('PENDING', 'RUNNING') THEN began + interval '1 minute' END
FROM json_to_recordset(:tasks::json) AS t (
    task_id text, command text, sync text, key text, hash text, state text, streams jsonb, started_by text, wanted jsonb,
    moment float, awaits text, discovery text, days float
), LATERAL (SELECT date_trunc('second', now()) - days * interval '1 day' AS began) AS b"""


class Past:
    """Tasks as earlier months have left them."""

    def __init__(self, database: TestDatabase, db: Database) -> None:
        self.database, self.db = database, db

    def tasks(self, *some: dict[str, Any]) -> None:
        """Inserts rows into our table, of so many `days` ago; by default, of reads that were a SUCCESS."""
        self.run(_INSERT, tasks=json.dumps(some))

    def run(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """A statement on the connection that is there."""
        return self.db.transact(lambda db: db.execute(sql, **parameters))

    def lines(self, task_id: str, sync: str = "", count: int = 3) -> None:
        self.database.rows(
            "INSERT INTO task_log (id, level, logger, message, sync_id, task_id) SELECT gen_random_uuid(), 'INFO', "
            "'jitsu', 'line ' || n, :sync, :task FROM generate_series(1, :count::int) AS n",
            sync=sync, task=task_id, count=count,
        )  # fmt: skip

    def callers_row(self, task_id: str, sync: str, status: str = "SUCCESS") -> None:
        self.database.rows(
            "INSERT INTO source_task (sync_id, task_id, package, version, status, description) "
            "VALUES (:sync, :task, 'airbyte/source-garden', '1', :status, '')",
            sync=sync, task=task_id, status=status,
        )  # fmt: skip

    def remove(self, keep: Keep = KEEP, running: Sequence[str] = ()) -> Removed:
        """A whole pass over all tasks, in as many calls as it takes."""
        self.run(DUE)
        removed = Removed()
        while self.is_due():
            removed += retention.remove(self.db, keep, set(running))
        return removed

    def is_due(self) -> bool:
        [row] = self.run("SELECT due_at <= now() AS due FROM syncctl.syncctl_retention")
        return bool(row["due"])

    def ids(self, table: str = "syncctl_task") -> set[str]:
        place = "syncctl." if table.startswith("syncctl_") else ""
        return {row["task_id"] for row in self.run(f"SELECT DISTINCT task_id FROM {place}{table}")}


@pytest.fixture
def past(database: TestDatabase, db: Database) -> Past:
    return Past(database, db)


def test_old_tasks_go_with_their_results_and_lines(past: Past, database: TestDatabase) -> None:
    """With each its result and its log; lines of tasks that are not known here, and of others' tasks, stay."""
    past.tasks(
        {"task_id": "old", "sync": "s", "state": "FAILED", "days": 61},
        {"task_id": "check", "command": "check", "key": "k", "days": 61},
        {"task_id": "adopted", "sync": "s", "hash": "", "state": "FAILED", "days": 61},
        {"task_id": "young", "sync": "s", "days": 59},
    )
    database.rows("INSERT INTO syncctl_result VALUES ('check', '{}')")
    for task, sync in (("old", "s"), ("check", ""), ("adopted", "s"), ("young", "s"), ("unknown", "s")):
        past.lines(task, sync)
    database.rows("INSERT INTO source_state VALUES ('s', 'plants', '{\"n\": 1}')")
    assert past.remove() == Removed(tasks=3, log_lines=6)
    assert past.ids() == {"young"}
    assert database.rows("SELECT sum(tasks) AS tasks FROM syncctl_task_total") == [{"tasks": 3}]  # counted before
    assert past.ids("syncctl_result") == set()
    assert past.ids("task_log") == {"adopted", "young", "unknown"}
    assert database.rows("SELECT stream FROM source_state") == [{"stream": "plants"}]


@pytest.mark.parametrize("kept", [True, False])
def test_the_caller_s_tables_are_touched_only_if_the_setting_says_so(
    past: Past, database: TestDatabase, kept: bool
) -> None:
    """Then the rows of tasks that were ended here alone, as long as no later run has taken them over."""
    past.tasks(
        *({"task_id": f"t{number}", "sync": "s", "days": 70 - number} for number in range(3)),
        {"task_id": "adopted", "sync": "s", "hash": "", "state": "FAILED", "days": 70},
        {"task_id": "open", "sync": "s", "state": "FAILED", "days": 70},
        {"task_id": "check", "command": "check", "key": "k", "days": 70},
        {"task_id": "check-before", "command": "check", "key": "k2", "days": 71},
        {"task_id": "discover", "command": "discover", "key": "k", "days": 70},
    )
    for task in ("t0", "t1", "t2", "adopted", "unknown"):
        past.callers_row(task, "s")
    past.callers_row("open", "s", "RUNNING")
    image = "'airbyte/source-garden', '1'"
    for table, task in (("check", "check"), ("catalog", "discover")):
        database.rows(
            f"INSERT INTO source_{table} (package, version, key, status, timestamp) "
            f"SELECT {image}, storage_key, 'SUCCESS', created_at FROM syncctl_task WHERE task_id = '{task}'"
        )
    database.rows(f"INSERT INTO source_check (package, version, key, status) VALUES ({image}, 'k2', 'SUCCESS')")
    database.rows(f"INSERT INTO source_spec (package, version, specs) VALUES ({image}, '{{}}')")
    past.remove(structs.replace(KEEP, caller_tables=kept))
    assert past.ids() == {"t2"}
    left = {"t2", "adopted", "unknown", "open"}
    assert past.ids("source_task") == (left | {"t0", "t1"} if kept else left)
    keys = [row["key"] for row in database.rows("SELECT key FROM source_check ORDER BY 1")]
    assert keys == (["k", "k2"] if kept else ["k2"])
    assert len(database.rows("SELECT 1 FROM source_catalog")) == int(kept)
    assert len(database.rows("SELECT 1 FROM source_spec")) == 1


@pytest.mark.fault(564)
def test_what_somebody_still_needs_stays(past: Past) -> None:
    """However old: what goes on or has a pod, what a sync is known by, and what others await, compare with or follow."""
    run, failed = {"wanted": {"sync": "n"}, "started_by": "{}"}, {"state": "FAILED"}
    past.tasks(
        {"task_id": "goes-on", "sync": "a", "state": "RUNNING", "days": 200},
        {"task_id": "a-success", "sync": "a", "days": 201},
        {"task_id": "a-before", "sync": "a", "days": 202},
        {"task_id": "ends-with-a-pod", "command": "check", "days": 100},
        {"task_id": "check-goes-on", "command": "check", "state": "RUNNING", "days": 100},
        # b: its last runs failed before they had streams.
        {"task_id": "b-first", "sync": "b", "days": 310, "discovery": "d-old", **run, **failed},
        {"task_id": "b-moment", "sync": "b", "days": 302, "moment": 302, **run, **failed},
        {"task_id": "b-found", "sync": "b", "days": 301, "discovery": "d", **run, **failed},
        {"task_id": "b-streams", "sync": "b", "days": 300, "streams": {"plants": {"stored": 1}}, **failed},
        {"task_id": "b-nothing", "sync": "b", "days": 299, **failed},
        {"task_id": "b-last", "sync": "b", "days": 298, **failed},
        {"task_id": "d-old", "command": "discover", "days": 311},
        {"task_id": "d", "command": "discover", "days": 302},
        # c follows a: its run of a's last success may not be begun again.
        {"task_id": "c-old", "sync": "c", "days": 202, **run, "started_by": '{"after": "a-older"}'},
        {"task_id": "c-after-a", "sync": "c", "days": 201, **run, "started_by": '{"after": "a-success"}'},
        {"task_id": "c-by-hand", "sync": "c", "days": 100, **run},
        {"task_id": "c-waits", "sync": "w", "state": "PENDING", "days": 90, "awaits": "awaited", **run},
        {"task_id": "awaited", "command": "discover", "days": 90},
    )
    for _ in range(2):  # what a removed one named goes with the next pass
        past.remove(running=["ends-with-a-pod"])
    assert past.ids() == {
        "goes-on", "check-goes-on", "a-success", "ends-with-a-pod", "b-moment", "b-found", "b-streams", "b-last", "d", "c-after-a",
        "c-by-hand", "c-waits", "awaited",
    }  # fmt: skip
    past.remove()
    assert "ends-with-a-pod" not in past.ids()


@pytest.mark.fault(834)
@pytest.mark.parametrize("since", [{"state": "RUNNING", "days": 0}, {"state": "CANCELLED", "days": 7}])
def test_how_a_sync_ended_before_its_read_stays_until_that_has_ended(past: Past, since: dict[str, Any]) -> None:
    """Else nobody hears that it has recovered, or that it has failed again: a cancelled read tells neither."""
    past.tasks(
        {"task_id": "success", "sync": "s", "days": 15},
        {"task_id": "failed", "sync": "s", "state": "FAILED", "days": 8},
        {"task_id": "next", "sync": "s", **since},
    )
    weekly = Keep(days=5, tasks_per_sync=0, caller_tables=True)
    past.remove(weekly)
    assert past.ids() == {"success", "failed", "next"}
    past.tasks({"task_id": "ended", "sync": "s", "state": "FAILED", "days": 0})
    past.remove(weekly)
    assert "failed" not in past.ids()


def test_a_sync_keeps_so_many_tasks_and_all_of_the_last_two_days(past: Past) -> None:
    """A repeated request is answered as the first time for two days, whatever the settings say."""
    past.tasks(*({"task_id": f"s{hours}", "sync": "s", "days": hours / 24} for hours in range(1, 73)))
    past.tasks({"task_id": "other", "sync": "other", "days": 3})
    past.tasks(*({"task_id": f"check{days}", "command": "check", "days": days} for days in range(1, 9)))
    keep = Keep(days=0, tasks_per_sync=60, caller_tables=True)
    assert past.remove(keep).tasks == 12
    assert past.remove(structs.replace(keep, tasks_per_sync=10)).tasks == 60 - 48
    assert past.ids() == {f"s{hours}" for hours in range(1, 49)} | {"other"} | {f"check{days}" for days in range(1, 9)}
    past.remove(Keep(days=1, tasks_per_sync=0, caller_tables=True))
    assert past.ids() == {f"s{hours}" for hours in range(1, 49)} | {"other", "check1", "check2"}
    assert past.remove(Keep(days=0, tasks_per_sync=0, caller_tables=True)) == Removed()


@pytest.mark.fault(565)
def test_one_task_with_many_lines_goes_in_batches(past: Past) -> None:
    """No step removes more rows than a batch; its row goes last."""
    past.tasks({"task_id": "t", "sync": "s", "state": "FAILED", "days": 70}, {"task_id": "new", "sync": "s", "days": 1})
    past.lines("t", "s", 2_500)
    past.database.rows(DUE)
    few = Batch(log_lines=1_000)
    steps = [past.db.transact(lambda db: retention.step(db, KEEP, set(), few)) for _ in range(4)]
    assert [(one.log_lines, one.tasks) for one in steps if one] == [(1_000, 0), (1_000, 0), (500, 1)]
    assert (steps[3], past.is_due(), past.ids("task_log")) == (None, False, set())


def test_however_many_tasks_and_syncs_there_are_a_step_looks_at_a_batch(past: Past) -> None:
    """Each once, in the order of syncs; tasks that began in the same second, too."""
    past.tasks(*({"task_id": f"c{n:02}", "command": "check", "days": 70} for n in range(25)))
    past.tasks(*({"task_id": f"{s}-{n}", "sync": s, "days": 70 - n} for s in "abcdefg" for n in range(3)))
    past.database.rows(DUE)
    few, removed = Batch(tasks=10, syncs=2), []
    while (one := past.db.transact(lambda db: retention.step(db, KEEP, set(), few))) is not None:
        removed.append(one.tasks)
    assert (max(removed), sum(removed)) == (10, 25 + 7 * 2)
    assert past.ids() == {f"{s}-2" for s in "abcdefg"}


@pytest.mark.fault(561)
def test_a_crash_in_between_leaves_everything_or_nothing(past: Past) -> None:
    past.tasks({"task_id": "t", "sync": "s", "state": "FAILED", "days": 70}, {"task_id": "new", "sync": "s", "days": 1})
    past.lines("t", "s")
    past.database.rows(DUE)

    def dies(db: Database) -> None:
        assert retention.step(db, KEEP, set()) == Removed(tasks=1, log_lines=3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        past.db.transact(dies)
    assert (past.ids(), past.ids("task_log"), past.is_due()) == ({"t", "new"}, {"t"}, True)
    assert past.remove() == Removed(tasks=1, log_lines=3)


@pytest.mark.fault(562)
def test_of_two_sweepers_one_removes(past: Past, database: TestDatabase) -> None:
    """The other does not wait for it. Together they remove, and count, each row once."""
    past.tasks(*({"task_id": f"t{n:03}", "command": "check", "days": 70} for n in range(300)))
    for number in range(0, 300, 10):
        past.lines(f"t{number:03}")
    database.rows(DUE)
    with Database(database.url) as other:

        def both(db: Database) -> None:
            assert retention.step(db, KEEP, set(), Batch(tasks=10)) == Removed(tasks=10, log_lines=3)
            assert other.transact(lambda db: retention.step(db, KEEP, set())) is None

        past.db.transact(both)

    def sweeper(_: int) -> Removed:
        removed = Removed()
        with Database(database.url) as db:
            while Past(database, db).is_due():
                one = db.transact(lambda db: retention.step(db, KEEP, set(), Batch(tasks=10)))
                removed += one or Removed()
        return removed

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(sweeper, range(2))
    assert one + two == Removed(tasks=290, log_lines=29 * 3)
    assert (past.ids(), past.ids("task_log")) == (set(), set())


def test_a_row_that_another_session_holds_is_left_to_the_next_pass(past: Past, database: TestDatabase) -> None:
    past.tasks(*({"task_id": f"t{n}", "command": "check", "days": 70} for n in range(3)))
    with Database(database.url) as other:

        def held(db: Database) -> Removed:
            db.execute("SELECT 1 FROM syncctl.syncctl_task WHERE task_id = 't1' FOR SHARE")
            return past.remove()

        assert other.transact(held).tasks == 2
    assert past.remove().tasks == 1


def test_what_has_other_bounds_is_held_to_them_once_a_pass(past: Past, database: TestDatabase) -> None:
    """Records of sweeps of data planes that are gone, changed configurations, and undone states of syncs."""
    database.rows(
        "INSERT INTO syncctl_sweep (id, data_plane, swept_at, seconds, pods, active, concluded, deleted, unreadable, "
        "orphaned_rows) SELECT n, name, now() - days * interval '1 day', 1, 0, 0, 0, 0, 0, 0 FROM (VALUES "
        "(11, 'here', 0), (12, 'gone', 61), (13, 'busy', 61), (14, 'away', 59)) AS s (n, name, days)"
    )
    past.tasks({"task_id": "t", "sync": "s", "state": "RUNNING", "days": 61})
    database.rows("UPDATE syncctl_task SET data_plane = 'busy'")
    for days in (89, 91):
        ago = f"now() - interval '{days} days'"
        database.rows(
            f"INSERT INTO syncctl_changed_config (package, given_hash, config, used_at) VALUES ('p', '{days}', 'c', {ago})"
        )
        database.rows(
            "INSERT INTO syncctl_state_undo (sync_id, action, before, after, changed_at) "
            f"VALUES ('s{days}', 'set', '{{}}', '{{}}', {ago})"
        )
    past.remove()
    planes = database.rows("SELECT data_plane FROM syncctl_sweep ORDER BY 1")
    assert [row["data_plane"] for row in planes] == ["away", "busy", "here"]
    assert database.rows("SELECT given_hash FROM syncctl_changed_config") == [{"given_hash": "89"}]
    assert database.rows("SELECT sync_id FROM syncctl_state_undo") == [{"sync_id": "s89"}]


def _plan_of_reads_elsewhere(db: Database) -> str:
    """As for a table that is too large to be read."""
    db.execute("SET LOCAL enable_seqscan = off")
    sql = queries.load("queries.sql", DATABASE_SCHEMA)["reads_elsewhere"]
    return str(db.execute(f"EXPLAIN {sql}", sync_id="", idle_seconds=3600))


def test_the_statements_of_the_guide_do_what_it_says(past: Past, database: TestDatabase) -> None:
    """By hand: a sync that is gone, lines that belong to nothing here, and what shows how large the tables are."""
    past.tasks({"task_id": "t", "sync": "the-sync", "days": 70}, {"task_id": "new", "sync": "s", "days": 70})
    for task, sync in (("t", "the-sync"), ("new", "s"), ("unknown", "s"), ("recent", "s")):
        past.lines(task, sync)
    database.rows("UPDATE task_log SET timestamp = now() - interval '70 days' WHERE task_id <> 'recent'")
    guide = docs.read("docs/how-to/operate.md")
    guide = guide[guide.index("### What is kept") : guide.index("### Network")]
    remove, show, earlier, index = docs.code(guide, "sql")
    for statement in remove.split(";\n"):
        database.rows(statement)
    assert (past.ids(), past.ids("task_log")) == ({"new"}, {"new", "recent"})
    assert {"task_log", "syncctl_task"} <= {row["relname"] for row in database.rows(show)}
    database.rows(earlier)
    database.rows(index)
    assert "source_task_running" in past.db.transact(_plan_of_reads_elsewhere)
    [again] = re.findall("`(UPDATE syncctl.syncctl_retention [^`]*)`", guide)
    assert not past.is_due()
    database.rows(again)
    assert past.is_due()


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    with fake_kubernetes() as running:
        yield running


@pytest.mark.fault(563)
def test_a_user_without_the_right_is_named_and_sweeps_go_on(
    past: Past, database: TestDatabase, api: FakeKubernetes, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour passes before the next attempt, and with it the next warning. With the rights of operate.md it works."""
    past.tasks({"task_id": "t", "sync": "s", "state": "FAILED", "days": 70}, {"task_id": "new", "sync": "s", "days": 1})
    past.lines("t", "s")
    database.rows(DUE)
    with login(database, grants("sync_functions"), "sync_functions") as url:
        settings = Settings.load(environment(url, api))
        database.rows(f"REVOKE DELETE ON newjitsu.task_log FROM {user_of(url)}")
        for _ in range(2):
            sweep(settings)
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert [text for text in warnings if "Old tasks" in text and "task_log" in text and "Grant" in text] == warnings
        assert (len(warnings), past.ids(), past.is_due()) == (1, {"t", "new"}, False)
        database.rows(f"GRANT DELETE ON newjitsu.task_log TO {user_of(url)}")
        database.rows(DUE)
        with caplog.at_level("INFO"):
            sweep(settings)
    assert past.ids() == {"new"}
    [removed] = [vars(record) for record in caplog.records if record.getMessage() == "Removed."]
    assert (removed["tasks"], removed["log_lines"]) == (1, 3)


_SYNCS = ("a", "b", "c")
_TASKS = st.lists(
    st.fixed_dictionaries(
        {
            "sync": st.sampled_from(_SYNCS),
            "state": st.sampled_from(["SUCCESS", "SUCCESS", "PARTIAL", "FAILED", "CANCELLED"]),
            "days": st.integers(0, 40),
        },
        optional={
            "moment": st.just(True),
            "streams": st.just({"plants": {}}),
            "discovers": st.booleans(),
            "follows": st.sampled_from(_SYNCS),
        },
    ),
    max_size=30,
)


def _history(some: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tasks as they may have come about: the newest first, each with its discovery, or after a success before it."""
    tasks: list[dict[str, Any]] = []
    for number, one in enumerate(sorted(some, key=lambda one: -one["days"])):
        task = {name: value for name, value in one.items() if name not in {"discovers", "follows"}}
        task |= {"task_id": f"t{number}", "days": one["days"] + (100 - number) / 10_000, "wanted": {"sync": "n"}}
        task["started_by"] = "{}"
        if one.get("moment"):
            task["moment"] = task["days"]
        if one.get("discovers"):
            tasks.append({"task_id": f"d{number}", "command": "discover", "days": task["days"]})
        if "discovers" in one and (found := [t["task_id"] for t in tasks if t.get("command")]):
            task["discovery"] = found[-1]
        before = [t["task_id"] for t in tasks if t.get("sync", "") == one.get("follows") and t["state"] == "SUCCESS"]
        if before and (name := follower_id(one["sync"], before[-1])) not in {t["task_id"] for t in tasks}:
            task |= {"task_id": name, "started_by": json.dumps({"after": before[-1]})}
        tasks.append(task)
    return tasks


def _answers(db: Database) -> dict[str, Any]:
    """All that later sweeps and requests ask of earlier tasks."""
    last = runs.last(db, _SYNCS)
    followers = [follower_id(sync, one.success_id) for sync in _SYNCS for one in last.values()]
    before = [db.run("discovered", sync_id=sync, task_id="next", discovery="fresh") for sync in _SYNCS]
    return {
        "last": last,
        "begun": runs.begun(db, followers),
        "known": runs.sync_ids(db, 100),
        "streams": [states.last_streams(db, sync) for sync in _SYNCS],
        "compared": before,
    }


@pytest.mark.fault(564)
@of_example(max_examples=30, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some=_TASKS, keep=st.builds(Keep, days=st.just(20), tasks_per_sync=st.integers(0, 4), caller_tables=st.just(True))
)
def test_nothing_that_is_asked_of_earlier_tasks_changes(past: Past, some: list[dict[str, Any]], keep: Keep) -> None:
    """Whatever has happened; and nothing goes that is within the limits."""
    past.run("DELETE FROM syncctl.syncctl_task")
    tasks = [*_history(some), {"task_id": "fresh", "command": "discover", "days": 0}]
    past.tasks(*tasks)
    past.run(
        "INSERT INTO syncctl.syncctl_result "
        "SELECT task_id, to_json(task_id) FROM syncctl.syncctl_task WHERE command = 'discover'"
    )
    answers = past.db.transact(_answers)
    past.remove(keep, [])
    past.remove(keep, [])
    assert past.db.transact(_answers) == answers
    left = past.ids()
    for sync in (None, *_SYNCS):
        own = sorted((task for task in tasks if task.get("sync") == sync), key=lambda task: task["days"])
        within = own if sync is None or not keep.tasks_per_sync else own[: keep.tasks_per_sync]
        assert {task["task_id"] for task in within if task["days"] < 20} <= left
        assert {task["task_id"] for task in own if task["days"] < 2} <= left
        named = {sub["task_id"] for sub in own if "discovery" in sub or "after" in sub.get("started_by", "")}
        if sync is not None:  # the newest; the last success; the newest with streams, and of the schedule
            over = {task["task_id"] for task in own if task["days"] > 20.1} - named
            assert len(over & left) <= 4
