"""A Postgres that is full, read-only, deadlocked, lost in a COMMIT, or has another password by now."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from common.errors import Locked, StoreUnavailable, TimedOut
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
from common.tasks.query import get_task
from common.tasks.start import start
from tests.support.databases import TestDatabase
from tests.support.deployed import environment, read
from tests.support.fake_bulker import wait_for
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.functions import running
from tests.support.local_system import read_task
from tests.support.proxy import proxy


def _as(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))


@contextmanager
def _user(database: TestDatabase, password: str, options: str = "") -> Iterator[str]:
    """A login of the test's own, which the server lets in: it is shared."""
    name = f"u{uuid4().hex}"
    rule = f"host all {name} 127.0.0.1/32 scram-sha-256"
    database.rows(f"COPY (SELECT '{rule}') TO PROGRAM 'cat >> pg_hba.conf'")
    database.rows("SELECT pg_reload_conf()")
    database.rows(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}")
    database.rows(f"GRANT USAGE ON SCHEMA newjitsu, syncctl TO {name}")
    database.rows(f"GRANT ALL ON ALL TABLES IN SCHEMA newjitsu, syncctl TO {name}")
    url = _as(database.url, name, password)
    wait_for(lambda: _lets_in(url), 20, "the server knows the new login")
    yield name
    database.rows(f"DROP OWNED BY {name}")
    database.rows(f"DROP ROLE {name}")


def _lets_in(url: str) -> bool:
    try:
        with Database(url) as db:
            db.transact(_one)
    except StoreUnavailable:
        return False
    return True


def _one(db: Database) -> object:
    return db.execute("SELECT 1")


@pytest.mark.fault(49)
def test_a_commit_whose_outcome_is_unknown_is_settled_by_doing_it_again(database: TestDatabase) -> None:
    """The server commits, and its word is lost: with patience it is done again, and the rows say it once."""
    task = read_task()
    with proxy(database.url) as gate:
        lost: list[bytes] = []

        def swallow(data: bytes) -> bool:
            if b"COMMIT" in data and not lost:
                lost.append(data)
                return True
            return False

        gate.lose_answer_to = swallow
        key = Task(task.command, task.task_id, task.package, task.version, task.sync_id)
        with Database(gate.url, patience_seconds=20) as db:
            row, _ = db.transact(lambda db: tasks.begin(db, key, pod_name="p", request_hash="h"))
            assert lost
            assert row is not None
            lost.clear()
            outcome = Outcome(TaskState.SUCCESS, description="{}")
            db.transact(lambda db: outcomes.conclude(db, key, outcome))
            assert lost
    assert database.rows("SELECT state FROM syncctl_task") == [{"state": "SUCCESS"}]
    assert database.rows("SELECT status FROM source_task") == [{"status": "SUCCESS"}]


@pytest.mark.fault(49)
def test_a_start_whose_row_is_in_doubt_is_answered_from_it(database: TestDatabase, api: FakeKubernetes) -> None:
    """503 at once; the repetition finds the row that was written, and makes the pod."""
    with proxy(database.url) as gate:
        settings = Settings.load(environment(gate.url, api))
        gate.lose_answer_to = lambda data: b"COMMIT" in data
        with pytest.raises(StoreUnavailable):
            start(read_task(), settings)
        assert api.asked == []
        [row] = database.rows("SELECT state, extract(epoch FROM created_at)::bigint AS at FROM syncctl_task")
        assert row["state"] == "PENDING"
        gate.lose_answer_to = lambda _: False
        assert start(read_task(), settings).started_at == row["at"]
    assert len(api.pods) == 1


@pytest.mark.fault(50)
def test_a_deadlock_is_run_again(database: TestDatabase) -> None:
    """Two transactions that take two rows in opposite orders: Postgres ends one of them, and both come through."""
    database.rows("CREATE TABLE pair (id int PRIMARY KEY, n int)")
    database.rows("INSERT INTO pair VALUES (1, 0), (2, 0)")
    both_hold_one = threading.Barrier(2)
    runs: list[int] = []

    def work(first: int, second: int) -> None:
        def once(db: Database) -> None:
            runs.append(first)
            db.execute("UPDATE pair SET n = n + 1 WHERE id = :id", id=first)
            if len(runs) <= 2:
                both_hold_one.wait(20)
            db.execute("UPDATE pair SET n = n + 1 WHERE id = :id", id=second)

        with Database(database.url) as db:
            db.transact(once)

    other = threading.Thread(target=work, args=(2, 1))
    other.start()
    work(1, 2)
    other.join(30)
    assert database.rows("SELECT n FROM pair") == [{"n": 2}, {"n": 2}]
    assert len(runs) == 3


@pytest.mark.fault(50)
def test_a_serialization_failure_is_run_again(database: TestDatabase) -> None:
    """A row that somebody else changes behind a serializable transaction's back."""
    database.rows("CREATE TABLE counter (n int)")
    database.rows("INSERT INTO counter VALUES (0)")
    url = database.url + "&options=-c%20default_transaction_isolation%3Dserializable"
    seen: list[int] = []

    def once(db: Database) -> None:
        seen.append(db.execute("SELECT n FROM counter")[0]["n"])
        if len(seen) == 1:
            database.rows("UPDATE counter SET n = 10")
        db.execute("UPDATE counter SET n = n + 1")

    with Database(url) as db:
        db.transact(once)
    assert seen == [0, 10]
    assert database.rows("SELECT n FROM counter") == [{"n": 11}]


@pytest.mark.fault(50)
@pytest.mark.parametrize(("own", "within"), [("", 1.5), ("&lock_timeout=100", 0.9)])
def test_a_row_that_somebody_holds_is_given_up_on_both_sides(database: TestDatabase, own: str, within: float) -> None:
    """Before the connection's time-out, or when the URL says: no server process goes on waiting, with locks of its own."""
    database.rows("INSERT INTO source_state VALUES ('s', 'x', '{}', now())")
    change = "UPDATE newjitsu.source_state SET timestamp = now()"
    with Database(database.url) as holder, Database(f"{database.url}&connect_timeout=2{own}") as db:
        holder.execute("BEGIN")
        holder.execute(change)
        began = time.monotonic()
        with pytest.raises(Locked, match="repeating is safe"):
            db.transact(lambda db: db.execute(change))
        assert time.monotonic() - began < within
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        wait_for(lambda: not database.rows(waiting), 1, "nobody waits")
        holder.execute("ROLLBACK")
        db.transact(lambda db: db.execute(change))


@pytest.mark.fault(50)
@pytest.mark.parametrize(
    "option", ["statement_timeout=600", "statement_timeout=0.6s", "options=-c%20statement_timeout%3D600ms"]
)
def test_a_held_row_is_given_up_before_the_url_s_statement_timeout(database: TestDatabase, option: str) -> None:
    """Which would end the statement as one that takes too long: what waits is told from what does."""
    database.rows("INSERT INTO source_state VALUES ('s', 'x', '{}', now())")
    change = "UPDATE newjitsu.source_state SET timestamp = now()"
    with Database(database.url) as holder, Database(f"{database.url}&{option}") as db:
        holder.execute("BEGIN")
        holder.execute(change)
        with pytest.raises(Locked, match="repeating is safe"):
            db.transact(lambda db: db.execute(change))
        with db.waiting_for_locks(5), pytest.raises(Locked):
            db.transact(lambda db: db.execute(change))
        holder.execute("ROLLBACK")
        with pytest.raises(TimedOut, match="gave up on a statement"):
            db.transact(lambda db: db.execute("SELECT pg_sleep(5)"))


@pytest.mark.fault(51)
def test_no_connection_left_is_503(database: TestDatabase, api: FakeKubernetes) -> None:
    """A login that may have one connection, and has it: refused with Retry-After; then it works."""
    with _user(database, "first", "CONNECTION LIMIT 1") as name:
        url = _as(database.url, name, "first")
        with running("read", **environment(url, api)) as server:
            with Database(url, patience_seconds=20) as holder:
                holder.transact(_one)
                answer = read(server)
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
                assert "too many connections" in answer.error
            wait_for(lambda: read(server).status == 200, 20, "a connection that is free again")


@pytest.mark.fault(52)
def test_a_server_that_has_become_read_only_is_left(database: TestDatabase) -> None:
    """The session stays read-only for ever, as one to a former primary does: only another connection can write."""
    server = TestDatabase(database._server_url, "postgres")
    server.rows(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    with Database(database.url) as db:
        db.transact(_one)
        server.rows(f"ALTER DATABASE {database.name} SET default_transaction_read_only = off")
        db.transact(lambda db: db.execute("INSERT INTO source_state VALUES ('s', 'x', '{}', now())"))
    assert len(database.rows("SELECT * FROM source_state")) == 1


@pytest.mark.fault(53)
def test_a_changed_password_is_read_from_the_mounted_file(
    database: TestDatabase, api: FakeKubernetes, tmp_path: Path
) -> None:
    """As the kubelet brings a Secret's new version, by a symbolic link: 503 before, and then the next request works."""
    with _user(database, "first") as name:
        given = environment(database.url, api)
        del given["SYNCCTL_DATABASE_URL"]

        def mount(version: str, password: str) -> None:
            folder = tmp_path / version
            folder.mkdir()
            (folder / "syncctl.env").write_text(f"SYNCCTL_DATABASE_URL='{_as(database.url, name, password)}'\n")
            link = tmp_path / "new"
            link.symlink_to(folder)
            link.rename(tmp_path / "data")

        mount("v1", "first")
        with running("read", SYNCCTL_CONFIG_PATH=str(tmp_path / "data"), **given) as server:
            assert read(server, "t1", "s1").status == 200
            database.rows(f"ALTER ROLE {name} PASSWORD 'second'")
            answer = read(server, "t2", "s2")
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert "refuses our login" in answer.error
            mount("v2", "second")
            assert read(server, "t2", "s2").status == 200


@pytest.mark.fault(55)
@pytest.mark.parametrize("style", ["ISO", "SQL, DMY", "German"])
def test_times_are_utc_whatever_the_database_says(database: TestDatabase, api: FakeKubernetes, style: str) -> None:
    """A database in Kolkata, with dates in its own style: the answer's times end in Z and are now."""
    database.rows(f"ALTER DATABASE {database.name} SET datestyle = '{style}'")
    database.rows(f"ALTER DATABASE {database.name} SET timezone = 'Asia/Kolkata'")
    settings = Settings.load(environment(database.url, api))
    started = start(read_task(), settings)
    task = get_task(settings, "task-1")["task"]
    [row] = database.rows(
        "SELECT to_char(to_timestamp(:at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') AS utc",
        at=started.started_at,
    )
    assert task["createdAt"].endswith("Z")
    assert task["createdAt"].startswith(row["utc"])
