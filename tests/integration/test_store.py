"""Rows and upserts (docs/reference/contract.md B) against a real Postgres."""

import functools
import re
import ssl
import threading
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec import structs

from common.errors import StoreUnavailable, TablesMissing
from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.store import (
    Database,
    Outcome,
    Task,
    TaskState,
    encoding,
    outcomes,
    queries,
    states,
    sweeps,
    task_list,
    tasks,
)
from common.store.task_list import TaskFilter
from tests.support.databases import TestDatabase

WHY = Failure(FailureKind.SOURCE_EXIT, "it ended")
READ = Task(
    command=Command.READ, task_id="t1", package="airbyte/source-garden", version="1", sync_id="s1",
    started_by='{"trigger":"manual"}', started_at=1_790_000_000,
)  # fmt: skip
CHECK = Task(command=Command.CHECK, task_id="t2", package="p", version="1", storage_key="k", started_at=1_790_000_000)
DISCOVER = Task(
    command=Command.DISCOVER, task_id="t3", package="p", version="1", storage_key="k", started_at=1_790_000_000
)
SPEC = Task(command=Command.SPEC, task_id="t4", package="p", version="1", started_at=1_790_000_000)


def _begin(db: Database, task: Task, digest: str = "h") -> tuple[tasks.TaskRow | None, bool]:
    return db.transact(lambda db: tasks.begin(db, task, pod_name="pod", request_hash=digest))


def _conclude(db: Database, task: Task, state: TaskState, **fields: Any) -> bool:
    failure = None if state is TaskState.SUCCESS else WHY
    return db.transact(lambda db: outcomes.conclude(db, task, Outcome(state, failure=failure, **fields)))


def test_tables_are_made_where_they_are_missing_and_never_altered(empty_database: TestDatabase) -> None:
    """The first use makes schema and tables; a table that is there stays as it is, whatever it looks like."""
    with Database(empty_database.url) as db:
        empty_database.rows("CREATE SCHEMA newjitsu")
        empty_database.rows("CREATE TABLE newjitsu.task_log (mine int)")
        assert db.transact(lambda db: task_list.newest(db, 1)).tasks == []
    columns = empty_database.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'task_log'")
    assert columns == [{"column_name": "mine"}]
    found = "SELECT tablename FROM pg_tables WHERE schemaname = :s"
    tables = {s: {row["tablename"] for row in empty_database.rows(found, s=s)} for s in ("newjitsu", "syncctl")}
    callers = {"source_spec", "source_check", "source_catalog", "source_state", "source_task", "task_log"}
    assert tables["newjitsu"] == callers
    assert tables["syncctl"] >= {"syncctl_task", "syncctl_result", "syncctl_state"}


def test_the_schema_of_the_url_is_made_too(empty_database: TestDatabase) -> None:
    """search_path names a schema that does not exist yet."""
    with Database(empty_database.url.replace("newjitsu", "%22odd%20Name%22")) as db:
        db.install()
    found = empty_database.rows("SELECT count(*) AS n FROM pg_tables WHERE schemaname = 'odd Name'")
    assert found[0]["n"] == 6


def test_eight_starters_at_once_make_the_tables_once(empty_database: TestDatabase) -> None:
    """Functions that wake together do not trip over each other."""
    errors: list[BaseException] = []

    def install() -> None:
        try:
            with Database(empty_database.url) as db:
                db.install()
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert empty_database.rows("SELECT version FROM syncctl_migration") == [
        {"version": version} for version in queries.migrations()
    ]


@pytest.mark.fault(245)
@pytest.mark.parametrize(
    "wanted",
    [
        {"state": "FAILED"},
        {"state": "FAILED", "before_id": "t30", "before_time": datetime(2026, 1, 1, tzinfo=UTC)},
        {"command": "discover"},
        {"command": "discover", "state": "SUCCESS"},
        {"sync_id": "rare"},
        {"package": "rare"},
        {"started_by": "rare"},
        {"begin": datetime(2025, 12, 28, tzinfo=UTC), "end": datetime(2025, 12, 29, tzinfo=UTC)},
        {"package": "rare", "begin": datetime(2025, 12, 20, tzinfo=UTC), "end": datetime(2025, 12, 29, tzinfo=UTC)},
        {},
    ],
    ids=str,
)
def test_a_page_of_tasks_reads_no_more_than_it_shows(database: TestDatabase, wanted: dict[str, Any]) -> None:
    """Among months of tasks, also by what few of them are: Postgres goes through an index, and sorts nothing."""
    database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, storage_key, package, version, pod_name, request_hash, state,"
        " started_by, created_at) SELECT 't' || n, CASE WHEN n % 5000 = 7 THEN 'discover' ELSE 'read' END,"
        " CASE WHEN n % 5000 = 9 THEN 'rare' ELSE 's' || n % 20 END, '',"
        " CASE WHEN n % 5000 = 11 THEN 'rare' ELSE 'p' END, '1', 'pod' || n, 'h',"
        " CASE WHEN n % 5000 = 3 THEN 'FAILED' ELSE 'SUCCESS' END,"
        ' CASE WHEN n % 5000 = 13 THEN \'{"trigger":"rare"}\' ELSE \'{"trigger":"schedule","n":\' || n || \'}\' END,'
        " '2026-01-01'::timestamptz - n * interval '1 minute'"
        " FROM generate_series(1, 20000) AS n"
    )
    database.rows("ANALYZE syncctl_task")
    nothing = structs.asdict(TaskFilter()) | {"limit": 51, "bytes": 2_000_000, "few": 20, "known": ""}
    with Database(database.url) as db:
        listing = "EXPLAIN (ANALYZE, TIMING OFF) " + queries.load("queries.sql")["list_tasks"]
        plan = "\n".join(row["QUERY PLAN"] for row in db.transact(lambda db: db.execute(listing, **nothing | wanted)))
    assert "Index Scan" in plan
    assert "Seq Scan" not in plan
    passed_over = [int(count) for count in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
    assert sum(passed_over) < 50, plan


def test_a_sidecar_makes_no_tables(empty_database: TestDatabase) -> None:
    """Its database may be another controller's."""
    with Database(empty_database.url, make_tables=False) as db, pytest.raises(TablesMissing):
        db.transact(lambda db: db.run("database_now") and db.run("load_states", sync_id="s", task_id="", keys=["k"]))


def test_every_table_has_the_contract_s_columns_and_keys(database: TestDatabase) -> None:
    """docs/reference/contract.md B: names, types, nullability, keys and the names of their constraints."""
    rows = database.rows(
        "SELECT table_name AS t, column_name AS c, data_type AS d, is_nullable AS n, datetime_precision AS p"
        " FROM information_schema.columns WHERE table_schema = 'newjitsu' AND table_name NOT LIKE 'syncctl%'"
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        kind = {"timestamp with time zone": f"tz{row['p']}"}.get(row["d"], row["d"])
        found.setdefault(row["t"], set()).add(f"{row['c']} {kind}{'?' if row['n'] == 'YES' else ''}")
    assert found == {
        "source_spec": {"package text", "version text", "specs jsonb?", "timestamp tz3", "error text?"},
        "source_check": {"package text", "version text", "key text", "status text", "description text?", "timestamp tz3"},
        "source_catalog": {"package text", "version text", "key text", "catalog jsonb?", "timestamp tz3", "status text", "description text?"},
        "source_state": {"sync_id text", "stream text", "state jsonb", "timestamp tz3"},
        "source_task": {"sync_id text", "task_id text", "package text", "version text", "started_at tz3", "updated_at tz3", "started_by jsonb?", "status text", "description text?"},
        "task_log": {"id uuid", "level text", "logger text", "message text", "sync_id text", "task_id text", "timestamp tz3"},
    }  # fmt: skip
    keys = database.rows(
        "SELECT conname AS name, pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE contype = 'p'"
        " AND connamespace = 'newjitsu'::regnamespace AND conname NOT LIKE 'syncctl%'"
    )
    assert {row["name"]: row["def"] for row in keys} == {
        "source_spec_pkey": "PRIMARY KEY (package, version)", "source_check_pkey": "PRIMARY KEY (key)",
        "source_catalog_pkey": "PRIMARY KEY (package, version, key)", "source_task_pkey": "PRIMARY KEY (task_id)",
        "source_state_pkey": "PRIMARY KEY (sync_id, stream)", "task_log_pkey": "PRIMARY KEY (id)",
    }  # fmt: skip


def test_a_read_is_announced_before_anything_else(db: Database, database: TestDatabase) -> None:
    """Both rows at once: PENDING in ours, RUNNING "CREATED: " in the caller's, whole seconds."""
    row, created = _begin(db, READ)
    assert created
    assert row is not None
    [found] = database.rows("SELECT *, extract(epoch FROM started_at)::text AS at FROM source_task")
    assert (found["status"], found["description"], found["started_by"]) == (
        "RUNNING",
        "CREATED: ",
        {"trigger": "manual"},
    )
    assert float(found["at"]) == row.started_at
    assert database.rows("SELECT state FROM syncctl_task") == [{"state": "PENDING"}]


def test_a_second_read_of_a_running_sync_gets_the_row_in_its_way(db: Database, database: TestDatabase) -> None:
    """One active read per sync; the refused one leaves no row."""
    _begin(db, READ)
    other = Task(command=Command.READ, task_id="t9", package="p", version="2", sync_id="s1")
    row, created = _begin(db, other)
    assert (row and row.task_id, created) == ("t1", False)
    assert database.rows("SELECT task_id FROM source_task") == [{"task_id": "t1"}]
    _conclude(db, READ, TaskState.SUCCESS)
    assert _begin(db, other)[1]


def _of_task(db: Database) -> list[tuple[str, bytes]]:
    with states.loading(db, "s1", task_id="t1") as found:
        return found


def test_the_states_of_a_task_are_those_saved_since_it_was_accepted(db: Database) -> None:
    """Whichever table holds them; an older one was given to the task, or deleted by it."""
    db.transact(lambda db: states.save(db, "s1", "old", b'{"n": 1}'))
    _begin(db, READ)
    assert db.transact(_of_task) == []
    db.transact(lambda db: states.save(db, "s1", "new", b'{"n": 9007199254740993}'))
    db.transact(lambda db: states.save(db, "s1", "odd", b'{"n": "\\u0000"}'))
    found = dict(db.transact(_of_task))
    assert found == {"new": b'{"n": 9007199254740993}', "odd": b'{"n": "\\u0000"}'}


def test_a_final_row_never_changes(db: Database, database: TestDatabase) -> None:
    """The first conclusion wins in both tables."""
    _begin(db, READ)
    assert _conclude(db, READ, TaskState.CANCELLED, description="stopped")
    assert not _conclude(db, READ, TaskState.SUCCESS, description="{}")
    assert not db.transact(lambda db: tasks.progress(db, READ, {}))
    assert database.rows("SELECT status, description FROM source_task") == [
        {"status": "CANCELLED", "description": "stopped"}
    ]
    assert database.rows("SELECT state FROM syncctl_task") == [{"state": "CANCELLED"}]


@pytest.mark.parametrize(
    ("state", "statuses"), [(TaskState.CANCELLED, "FAILED PARTIAL"), (TaskState.SUCCESS, "SUCCESS SUCCESS")]
)
def test_no_stream_of_a_concluded_task_runs(
    db: Database, database: TestDatabase, state: TaskState, statuses: str
) -> None:
    """By any hand, with or without the sidecar's account; one that is over stays as it is."""
    _begin(db, READ)
    done = {"status": "PARTIAL", "stored": 3, "error": "refused"}
    running = {"status": "RUNNING", "stored": 5, "error": ""}
    streams = {"a": running | {"status": "PENDING", "stored": 0}, "b": running, "c": done}
    db.transact(lambda db: tasks.progress(db, READ, streams))
    assert _conclude(db, READ, state, reason="stopped")
    [row] = database.rows("SELECT streams FROM syncctl_task")
    ends = [row["streams"][name] for name in "ab"]
    assert " ".join(end["status"] for end in ends) == statuses
    assert {end["error"] for end in ends} == {"" if state is TaskState.SUCCESS else "stopped"}
    assert row["streams"]["b"]["stored"] == 5
    assert row["streams"]["c"] == done


def test_several_ends_are_written_together(db: Database, database: TestDatabase) -> None:
    """Each as if it were alone: over before, of an earlier attempt, unknown to us, odd letters, other commands."""
    some = [structs.replace(READ, task_id=f"r{n}", sync_id=f"s{n}") for n in range(5)]
    over, earlier, odd, plain, unknown = some
    for key in (over, earlier, odd, plain, DISCOVER):
        _begin(db, key)
    _conclude(db, over, TaskState.CANCELLED, description="stopped")
    database.rows("UPDATE syncctl_task SET attempt = 2 WHERE task_id = :id", id=earlier.task_id)
    text = 'a "quoted" \\ {x,NULL} \0 é'
    failed = Outcome(TaskState.FAILED, reason=text, description=text, failure=WHY, streams={"a": {"n": 1}})
    ends = [(key, failed) for key in (over, earlier, odd, unknown)]
    ends += [(plain, Outcome(TaskState.SUCCESS, description="{}"))]
    ends += [(DISCOVER, Outcome(TaskState.SUCCESS, result=b'{"streams":[]}')), (unknown, failed)]
    assert db.transact(lambda db: outcomes.conclude_all(db, ends)) == {odd, plain, unknown, DISCOVER}
    shown = text.replace("\0", encoding.NUL)
    rows = database.rows("SELECT task_id, status, description FROM source_task ORDER BY task_id")
    assert [tuple(row.values()) for row in rows] == [
        ("r0", "CANCELLED", "stopped"),
        ("r1", "RUNNING", "CREATED: "),
        ("r2", "FAILED", shown),
        ("r3", "SUCCESS", "{}"),
        ("r4", "FAILED", shown),
    ]
    ours = database.rows("SELECT state, reason, streams, failure IS NULL AS well FROM syncctl_task ORDER BY task_id")
    assert [tuple(row.values()) for row in ours[1:]] == [
        ("PENDING", "", {}, True),
        ("FAILED", shown, {"a": {"n": 1}}, False),
        ("SUCCESS", "", {}, True),
        ("SUCCESS", "", {}, True),
    ]
    assert database.rows("SELECT status FROM source_catalog") == [{"status": "SUCCESS"}]


def test_a_check_s_result_is_kept_over_a_later_verdict(db: Database, database: TestDatabase) -> None:
    """SUCCEEDED becomes SUCCESS; a sweep's FAILED for the same run does not replace it."""
    found = b'{"status":"SUCCEEDED"}'
    _begin(db, CHECK)
    _conclude(db, CHECK, TaskState.SUCCESS, description="fine", result=found, check_status="SUCCESS")
    db.transact(
        lambda db: outcomes.conclude(
            db, CHECK, Outcome(TaskState.FAILED, description="FAILED: x", failure=WHY), ours=False
        )
    )
    assert database.rows("SELECT status, description FROM source_check") == [
        {"status": "SUCCESS", "description": "fine"}
    ]


@pytest.mark.parametrize("older", [SPEC, CHECK, DISCOVER], ids=lambda task: str(task.command))
def test_a_late_result_of_an_older_run_replaces_no_newer_one(db: Database, database: TestDatabase, older: Task) -> None:
    """A result of the same moment or a later one does."""
    newer = msgspec.structs.replace(older, started_at=older.started_at + 1)
    table, column = {
        Command.SPEC: ("source_spec", "specs"), Command.CHECK: ("source_check", "description"),
        Command.DISCOVER: ("source_catalog", "catalog"),
    }[older.command]  # fmt: skip

    def save(task: Task, text: str) -> str:
        outcome = Outcome(TaskState.SUCCESS, description=text, result=f'["{text}"]'.encode(), check_status="SUCCESS")
        db.transact(lambda db: outcomes.conclude(db, task, outcome, ours=False))
        [row] = database.rows(f"SELECT {column}::text AS shown FROM {table}")
        return str(row["shown"]).strip('[]"')

    shown = [save(task, text) for task, text in ((older, "a"), (newer, "b"), (older, "late"), (newer, "c"))]
    assert shown == ["a", "b", "b", "c"]


def test_a_discovery_shows_running_then_its_catalog(db: Database, database: TestDatabase) -> None:
    """RUNNING at the start (also over an old result), the catalog at the end; errors only over RUNNING."""
    _begin(db, DISCOVER)
    assert database.rows("SELECT status, description FROM source_catalog") == [{"status": "RUNNING", "description": ""}]
    _conclude(db, DISCOVER, TaskState.SUCCESS, result=b'{"streams":[{"n":9223372036854775807}]}')
    db.transact(
        lambda db: outcomes.conclude(
            db, DISCOVER, Outcome(TaskState.FAILED, description="late", failure=WHY), ours=False
        )
    )
    [row] = database.rows("SELECT status, description, catalog::text AS catalog FROM source_catalog")
    assert (row["status"], row["description"]) == ("SUCCESS", "")
    assert "9223372036854775807" in row["catalog"]
    [ours] = database.rows("SELECT result::text AS text FROM syncctl_result")
    assert ours["text"] == '{"streams":[{"n":9223372036854775807}]}'


@pytest.mark.fault(46)
def test_a_result_with_a_nul_is_stored_with_the_nul_shown(db: Database, database: TestDatabase) -> None:
    """jsonb has no NUL; an escaped backslash before u0000 is no NUL."""
    _begin(db, SPEC)
    _conclude(db, SPEC, TaskState.SUCCESS, result=rb'{"a":"x\u0000y","b":"\\u0000"}')
    [row] = database.rows("SELECT specs FROM source_spec")
    assert row["specs"] == {"a": "x\u2400y", "b": "\\u0000"}


@pytest.mark.fault(46)
def test_a_checks_answer_with_a_nul_is_stored_with_the_nul_shown(db: Database, database: TestDatabase) -> None:
    """In its status too, which may be any word: the answer is not lost for it."""
    _begin(db, CHECK)
    _conclude(
        db,
        CHECK,
        TaskState.FAILED,
        description="a\0b",
        result=rb'{"status":"F\u0000"}',
        check_status="F\0",
    )
    [row] = database.rows("SELECT status, description FROM source_check")
    assert tuple(row.values()) == ("F\u2400", "a\u2400b")


@pytest.mark.fault(39)
@pytest.mark.parametrize("task", [SPEC, CHECK, DISCOVER, READ])
def test_a_sweep_knows_when_a_sidecar_last_reported(db: Database, task: Task) -> None:
    """Of every command, and that no row has come: a source that was killed before it opened its pipes leaves that."""
    _begin(db, task)
    [before] = db.transact(lambda db: sweeps.of_pods(db, ["pod"], []))
    assert before.silent_seconds is None
    db.transact(lambda db: tasks.progress(db, task, {"plants": {"emitted": 0}} if task is READ else None))
    [after] = db.transact(lambda db: sweeps.of_pods(db, ["pod"], []))
    assert after.silent_seconds is not None
    assert not after.heard


def test_states_keep_their_digits_and_one_kind_lives(db: Database) -> None:
    """A source that goes from LEGACY to STREAM to GLOBAL never gets two kinds back."""
    for key, value in (
        ("_LEGACY_STATE", b'{"n": 9223372036854775807}'),
        ("plants", b'{"c": 1}'),
        ("beds", b'{"c": 2}'),
    ):
        save = functools.partial(states.save, sync_id="s", key=key, state=value)
        db.transact(save)
        if key == "_LEGACY_STATE":
            assert db.transact(lambda db: states.load(db, "s")) == [(key, value)]
    assert sorted(db.transact(lambda db: states.load(db, "s"))) == [("beds", b'{"c": 2}'), ("plants", b'{"c": 1}')]
    db.transact(lambda db: states.save(db, "s", "_GLOBAL_STATE", b"{}"))
    assert db.transact(lambda db: states.load(db, "s")) == [("_GLOBAL_STATE", b"{}")]


def test_a_lost_connection_is_made_again(db: Database, database: TestDatabase) -> None:
    """The server ends our connection: with patience the next transaction reconnects."""
    patient = Database(database.url, patience_seconds=5)
    patient.transact(lambda db: db.run("database_now"))
    database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sync-functions' AND pid <> pg_backend_pid()"
    )
    assert patient.transact(lambda db: db.run("database_now"))
    patient.close()


@pytest.mark.parametrize("mode", ["prefer", "allow", "require"])
def test_no_authority_is_loaded_where_none_is_asked(
    database: TestDatabase, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading them is most of what a connection costs. A server without TLS is taken as it is, or refused."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("the machine's authorities are loaded")

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load)
    with Database(database.url.replace("sslmode=disable", f"sslmode={mode}")) as db:
        if mode == "require":
            with pytest.raises(StoreUnavailable, match="refuses SSL, which sslmode asks for"):
                db.transact(lambda db: db.run("database_now"))
        else:
            assert db.transact(lambda db: db.run("database_now"))


def test_errors_never_show_the_password(database: TestDatabase) -> None:
    """A wrong password, an unreachable host: a sentence with what to do, without the URL."""
    for url in (database.url.replace("sync:", "nobody:planted-"), "postgresql://u:planted@127.0.0.1:1/x"):
        with pytest.raises(StoreUnavailable, match="SYNCCTL_DATABASE_URL") as caught:
            Database(url).transact(lambda db: db.run("database_now"))
        assert "planted" not in str(caught.value)


def test_every_query_is_used() -> None:
    """A named query that nothing runs is dead."""
    from pathlib import Path

    code = "".join(path.read_text() for folder in ("common", "sidecar") for path in Path(folder).rglob("*.py"))
    assert [name for name in queries.load("queries.sql") if f'"{name}"' not in code] == []
