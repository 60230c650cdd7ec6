"""Our tables in a schema of their own, where a console's schema push does not see them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from common.errors import SettingsError
from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, states, sweeps, tasks
from common.store.sweeps import SweepStats
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import TaskQuery
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, other_task, read_task
from tests.support.logins import login, user_of
from tests.support.sidecar_process import SYNC, TASK, SidecarProcess, catalog, lines, log, record, state, status

CALLERS = ("source_spec", "source_check", "source_catalog", "source_state", "source_task", "task_log")
WAITS = "import pathlib\nwhile not pathlib.Path(sys.argv[0] + '.go').exists(): time.sleep(0.05)\n"
READ = Task(Command.READ, "old-1", "airbyte/source-garden", "1", "sync-old", started_at=1_790_000_000)
RAW = rb'{"c":"a\u0000b"}'


def push(database: TestDatabase) -> None:
    """What the console's start does: it drops each table of its schema that it does not know."""
    known = ", ".join(f"'{name}'" for name in CALLERS)
    for row in database.rows(
        "SELECT quote_ident(tablename) AS name FROM pg_tables"
        f" WHERE schemaname = 'newjitsu' AND tablename NOT IN ({known})"
    ):
        database.rows(f"DROP TABLE newjitsu.{row['name']} CASCADE")


@pytest.fixture
def place(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    """Its connector does nothing until it is stopped."""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, WAITS)}) as made:
        yield made


@pytest.fixture
def older(empty_database: TestDatabase) -> TestDatabase:
    """A database as version 8 left it: all tables in the caller's schema, with a row in each of ours."""
    with Database(empty_database.url) as db:
        db.install()
    empty_database.rows("DROP SCHEMA syncctl CASCADE")
    empty_database.make_older(8)
    # The statements below are those of today, which know these; real ones of then go on without (views, a default).
    empty_database.rows(
        "ALTER TABLE newjitsu.syncctl_task ADD COLUMN given_hash text, ADD COLUMN waits_for text,"
        " ADD COLUMN waits_since timestamptz, ADD COLUMN estimate jsonb, ADD COLUMN rates jsonb"
    )
    empty_database.rows("ALTER TABLE newjitsu.syncctl_changed_config ALTER COLUMN derived SET DEFAULT '{}'")
    with as_older(empty_database) as db:
        db.transact(
            lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h", given_hash="given", data_plane="east")
        )
        db.transact(lambda db: sweeps.record(db, "east", 1.0, SweepStats(pods=1)))
        db.transact(lambda db: states.save(db, "sync-old", "plants", RAW))
        db.transact(lambda db: states.keep_config(db, READ, b'{"n":1}'))
    return empty_database


def as_older(database: TestDatabase) -> Database:
    """What an instance of an older version sees: our tables by the names that they had."""
    return Database(database.url, "newjitsu", make_tables=False)


def settings(database: TestDatabase, **given: str) -> Settings:
    return Settings.load({"SYNCCTL_DATABASE_URL": database.url} | given)


def tables_of(database: TestDatabase, schema: str) -> set[str]:
    return {
        row["name"] for row in database.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = :s", s=schema)
    }


@pytest.mark.fault(92)
def test_a_console_s_schema_push_drops_no_task(place: LocalSystem, database: TestDatabase) -> None:
    """A task that runs meanwhile goes on, and is known."""
    place.start(read_task())
    push(database)
    assert [task["taskId"] for task in list_tasks(place.settings, TaskQuery())["tasks"]] == ["task-1"]
    assert place.sweep().active == 1


@pytest.mark.fault(92)
def test_older_tables_are_moved_once_with_their_rows(older: TestDatabase) -> None:
    """The first use of the newer version brings them; the push that follows takes views at most."""
    shown = get_task(settings(older), "old-1")["task"]
    assert (shown["state"], shown["dataPlane"]) == ("PENDING", "east")
    push(older)
    older.rows("DROP VIEW newjitsu.syncctl_task, newjitsu.syncctl_migration CASCADE")
    with Database(older.url) as db:
        db.install()
        assert db.transact(lambda db: states.load(db, "sync-old")) == [("plants", RAW)]
        assert db.transact(lambda db: states.changed_config(db, READ)) == b'{"n":1}'
        swept = db.transact(sweeps.oldest)
    assert (swept and swept.data_plane, get_task(settings(older), "old-1")["task"]["taskId"]) == ("east", "old-1")
    assert tables_of(older, "newjitsu") == set(CALLERS)


def test_an_instance_of_the_older_version_goes_on_beside(older: TestDatabase) -> None:
    """During a roll-out: each of its statements works, and the newer version sees what it writes."""
    with Database(older.url) as db, as_older(older) as before:
        db.install()
        again, done = (structs.replace(READ, task_id=f"old-{n}", sync_id=f"s{n}") for n in (2, 3))
        for task in (again, done):
            assert before.transact(lambda db, task=task: tasks.begin(db, task, pod_name="pod", request_hash="h"))[1]  # type: ignore[misc] # the loop's own
        for plane in ("east", "west", "west"):
            before.transact(lambda db, plane=plane: sweeps.record(db, plane, 2.0, SweepStats(pods=2)))  # type: ignore[misc] # the loop's own
        db.transact(lambda db: sweeps.record(db, "north", 2.0, SweepStats()))
        before.transact(lambda db: tasks.progress(db, again, {"plants": {}}))
        failure = Failure(FailureKind.EVICTED, "it went")
        lost = Outcome(TaskState.FAILED, reason="it went", failure=failure)
        assert before.transact(lambda db: outcomes.propose(db, again, lost))
        assert before.transact(
            lambda db: tasks.begin_attempt(db, again, failure, pod_name="q", data_plane="east", reason="", pause=0.0)
        )
        assert before.transact(lambda db: outcomes.conclude(db, done, Outcome(TaskState.SUCCESS, result=b"{}")))
        before.transact(lambda db: states.save(db, "s2", "plants", RAW))
        before.transact(lambda db: states.keep_config(db, READ, b'{"n":2}'))
        before.install()
        assert db.transact(lambda db: states.load(db, "s2")) == [("plants", RAW)]
    shown = {task["taskId"]: task for task in list_tasks(settings(older), TaskQuery())["tasks"]}
    assert [(shown[f"old-{n}"]["state"], shown[f"old-{n}"]["attempt"]) for n in (1, 2, 3)] == [
        ("PENDING", 1), ("PENDING", 2), ("SUCCESS", 1),
    ]  # fmt: skip
    kept = older.rows("SELECT config FROM syncctl.syncctl_changed_config WHERE given_hash = 'given'")
    assert kept == [{"config": '{"n":2}'}]
    planes = older.rows("SELECT data_plane FROM syncctl.syncctl_sweep ORDER BY 1")
    assert [row["data_plane"] for row in planes] == ["east", "north", "west"]


def test_a_sidecar_of_the_older_version_ends_its_task(tmp_path: Path, older: TestDatabase, bulker: FakeBulker) -> None:
    """It runs while the tables move, and its states, log and outcome are those of its row."""
    sidecar = SidecarProcess(tmp_path, older, bulker.url)
    sidecar.announce()
    sidecar.give(catalog=catalog("plants", incremental=True), config={}, state=[{}])
    with sidecar.start(DATABASE_SCHEMA="newjitsu", COMMIT_SECONDS="0") as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb", buffering=0) as out:
            out.write(lines([record("plants", {"id": 1}), state("plants", {"c": 1}), log("before")]))
            wait_for(lambda: "INFO before" in sidecar.log and sidecar.ours["streams"], what="its progress")
            with Database(older.url) as db:
                db.install()
            out.write(lines([record("plants", {"id": 2}), state("plants", {"c": "\0"}), status("plants", "COMPLETE")]))
        sidecar.leave(0)
        assert process.wait(60) == 0, sidecar.output
    [row] = older.rows(
        "SELECT state, streams->'plants'->>'stored' AS n FROM syncctl.syncctl_task WHERE task_id = :t", t=TASK
    )
    assert row == {"state": "SUCCESS", "n": "2"}
    assert older.rows("SELECT stream FROM syncctl.syncctl_state WHERE sync_id = :s", s=SYNC) == [{"stream": "plants"}]


def test_starters_that_wake_together_move_the_tables_once(older: TestDatabase) -> None:
    """While an instance of the older version writes."""
    errors: list[BaseException] = []

    def use(make: Any, task: str) -> None:
        key = structs.replace(READ, task_id=task, sync_id=task)
        try:
            with make() as db:
                db.transact(lambda db: tasks.begin(db, key, pod_name="pod", request_hash="h"))
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    makers = [lambda: Database(older.url), lambda: as_older(older)] * 4
    threads = [threading.Thread(target=use, args=(make, f"t{n}")) for n, make in enumerate(makers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert older.rows("SELECT count(*) AS n FROM syncctl.syncctl_task") == [{"n": 9}]


def test_two_deployments_in_one_database_share_the_caller_s_tables_alone(
    tmp_path: Path, empty_database: TestDatabase, bulker: FakeBulker
) -> None:
    """Each has tasks of its own, written by its functions and its sidecars; none uses the default name."""
    plain = {
        PACKAGE: connector(
            tmp_path, f"out(**{record('plants', {'id': 1})!r})\nout(**{status('plants', 'COMPLETE')!r})\n"
        )
    }
    for name in ("garden", "Orchard-2"):
        with local_system(tmp_path / name, empty_database, bulker.url, plain, SYNCCTL_DATABASE_SCHEMA=name) as system:
            body = {"catalog": catalog("plants")}
            assert system.run(read_task(task=f"t-{name}", sync="one sync", body=body))["state"] == "SUCCESS"
            assert system.run(other_task("spec"))["state"] == "FAILED"
            assert len(list_tasks(system.settings, TaskQuery())["tasks"]) == 2
        own = empty_database.rows(f"SELECT task_id FROM \"{name}\".syncctl_task WHERE command = 'read'")
        assert own == [{"task_id": f"t-{name}"}]
    done = empty_database.rows("SELECT task_id, status FROM source_task ORDER BY 1")
    assert done == [{"task_id": f"t-{name}", "status": "SUCCESS"} for name in ("Orchard-2", "garden")]
    assert tables_of(empty_database, "newjitsu") == set(CALLERS)
    assert empty_database.rows("SELECT to_regnamespace('syncctl') AS found") == [{"found": None}]


def test_nobody_takes_tables_that_a_setting_keeps_in_the_caller_s_schema(older: TestDatabase) -> None:
    """A deployment may name that schema; another one in the same database then begins with tables of its own."""
    assert get_task(settings(older, SYNCCTL_DATABASE_SCHEMA="newjitsu"), "old-1")["task"]["taskId"] == "old-1"
    with Database(older.url, "newjitsu") as db:
        db.install()
    assert list_tasks(settings(older), TaskQuery())["tasks"] == []
    assert tables_of(older, "newjitsu") > set(CALLERS)
    assert get_task(settings(older, SYNCCTL_DATABASE_SCHEMA="newjitsu"), "old-1")["task"]["taskId"] == "old-1"


def test_who_had_rights_on_the_older_tables_keeps_them(older: TestDatabase) -> None:
    """On the moved tables and on what is left in their place."""
    grants = ("GRANT USAGE ON SCHEMA newjitsu TO USER", "GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA newjitsu TO USER")
    with login(older, grants) as url:
        with Database(older.url) as db:
            db.install()
        for schema in ("syncctl", "newjitsu"):
            with Database(url, schema, make_tables=False) as db:
                assert db.transact(lambda db: tasks.progress(db, READ, None))


@pytest.mark.fault(93)
@pytest.mark.parametrize(
    ("grants", "words"),
    [
        (("GRANT USAGE, CREATE ON SCHEMA newjitsu TO USER",), "permission denied for database"),
        (("CREATE SCHEMA syncctl", "GRANT USAGE ON SCHEMA syncctl TO USER"), "permission denied for schema syncctl"),
    ],
)
def test_a_user_who_may_not_make_the_schema_is_given_a_sentence(
    database: TestDatabase, grants: tuple[str, ...], words: str
) -> None:
    """With Postgres's words, the setting, and what an owner can run; once that was run, it works."""
    database.rows("DROP SCHEMA syncctl CASCADE")
    rights = ("GRANT USAGE ON SCHEMA newjitsu TO USER", "GRANT ALL ON ALL TABLES IN SCHEMA newjitsu TO USER", *grants)
    with login(database, rights) as url:
        given = Settings.load({"SYNCCTL_DATABASE_URL": url})
        with pytest.raises(SettingsError, match="SYNCCTL_DATABASE_SCHEMA") as caught:
            list_tasks(given, TaskQuery())
        assert words in str(caught.value)
        assert 'CREATE SCHEMA "syncctl" AUTHORIZATION' in str(caught.value)
        database.rows("DROP SCHEMA IF EXISTS syncctl")
        database.rows(f'CREATE SCHEMA "syncctl" AUTHORIZATION {user_of(url)}')
        assert list_tasks(given, TaskQuery())["tasks"] == []
