"""GET /syncs and GET /syncs/NAME on real Postgres: the newest reads of each sync, and tags that follow what is shown."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from common import cluster
from common.cluster import Document
from common.declared.query import get_sync, list_syncs
from common.request import Request, Tagged
from common.settings import Settings
from common.store import Database, queries, sweeps
from tests.support.databases import TestDatabase
from tests.support.local_system import Query
from tests.support.syncs import document

_COUNTS = {"sent": 0, "refused": 0, "error": ""}


class Home:
    """Where documents are kept; nothing else of a cluster."""

    def __init__(self) -> None:
        self.documents: list[Document] = []

    def list_syncs(self) -> list[Document]:
        return self.documents


@pytest.fixture
def home() -> Iterator[Home]:
    """An empty one, which the functions use."""
    made: Any = Home()
    cluster.use(made)
    yield made
    cluster.use(None)


class Asker:
    """Asks as the functions are asked; answers are what a caller decodes."""

    def __init__(self, database: TestDatabase) -> None:
        self.settings = Settings.load({"SYNCCTL_DATABASE_URL": database.url, "SYNCCTL_DATA_PLANE": "here"})

    def ask(self, name: str = "", known: str = "") -> Tagged:
        headers = {"if-none-match": f'W/"{known}"'} if known else {}
        request = Request(Query(), b"", "", self.settings, headers, "GET", (name,) if name else ())
        found: Any = get_sync(request) if name else list_syncs(request)
        assert isinstance(found, Tagged)
        return found

    def shown(self, name: str = "") -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.ask(name)))
        return plain


def _read(database: TestDatabase, task_id: str, sync_id: str, minute: int, **columns: Any) -> None:
    """A read that was accepted in that minute."""
    given = {"command": "read", "state": "SUCCESS", "streams": {}} | columns
    database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, streams,"
        " created_at, started_at, finished_at) VALUES (:task_id, :command, :sync_id, 'p', '1', 'pod', 'h', :state,"
        " :streams::jsonb, :at, :started, :finished)",
        task_id=task_id,
        sync_id=sync_id,
        command=given["command"],
        state=given["state"],
        streams=msgspec.json.encode(given["streams"]).decode(),
        at=_at(minute),
        started=_at(minute) if "started" in given else None,
        finished=_at(minute + 1) if "started" in given else None,
    )


def _at(minute: int) -> datetime:
    return datetime(2026, 11, 29, minute // 60, minute % 60, tzinfo=UTC)


def test_a_list_has_the_ten_newest_reads_of_each_sync(home: Home, database: TestDatabase) -> None:
    """Of declared ones by their syncId, and of others; with the rows of all streams, and no other commands."""
    home.documents = [document(), document("orders", syncId='shop/"orders"'), document("never")]
    streams = {name: _COUNTS | {"status": "SUCCESS", "emitted": 7, "stored": 3, "bytes": 50} for name in ("a", "b")}
    for minute in range(12):
        _read(database, f"nightly-{minute}", "nightly", minute)
    _read(database, "one", 'shop/"orders"', 30, streams=streams, started=True)
    _read(database, "two", 'shop/"orders"', 90, state="RUNNING")
    _read(database, "left", "left", 1, state="FAILED")
    _read(database, "spec", "nightly", 80, command="spec")
    runs = Asker(database).shown()["runs"]
    assert list(runs) == ["left", "nightly", 'shop/"orders"']
    assert [one["taskId"] for one in runs["nightly"]] == [f"nightly-{minute}" for minute in range(11, 1, -1)]
    nothing = {"startedAt": None, "finishedAt": None, "emitted": 0, "stored": 0}
    assert runs['shop/"orders"'] == [
        {"taskId": "two", "state": "RUNNING", "createdAt": "2026-11-29T01:30:00.000Z"} | nothing,
        {
            "taskId": "one", "state": "SUCCESS", "createdAt": "2026-11-29T00:30:00.000Z",
            "startedAt": "2026-11-29T00:30:00.000Z", "finishedAt": "2026-11-29T00:31:00.000Z", "emitted": 14, "stored": 6,
        },
    ]  # fmt: skip
    database.rows("DELETE FROM syncctl_task")
    assert Asker(database).shown()["runs"] == {}


@pytest.mark.fault(661)
def test_the_newest_reads_of_many_syncs_are_looked_up_one_by_one(database: TestDatabase) -> None:
    """Among months of tasks: from an index, and no more of them than are shown."""
    database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, created_at)"
        " SELECT 't' || n, 'read', 's' || n % 200, 'p', '1', 'pod' || n, 'h', 'SUCCESS',"
        " '2026-01-01'::timestamptz - n * interval '1 minute' FROM generate_series(1, 20000) AS n"
    )
    database.rows("ANALYZE syncctl_task")
    asked = {"sync_ids": [f"s{number}" for number in range(150)], "most": 10, "known": ""}
    with Database(database.url) as db:
        sql = "EXPLAIN (ANALYZE, TIMING OFF) " + queries.load("queries.sql")["newest_reads"]
        plan = "\n".join(row["QUERY PLAN"] for row in db.transact(lambda db: db.execute(sql, **asked)))
    assert "Seq Scan on syncctl_task" not in plan
    [rows, loops] = re.findall(r"Scan using syncctl_task_sync .*actual rows=(\d+)\S* loops=(\d+)", plan)[0]
    assert (int(rows) <= 12, int(loops)) == (True, 150), plan


@pytest.mark.fault(662)
def test_a_tag_holds_until_what_is_shown_changes(
    home: Home, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thing that is shown, documents and the time of the next run included, and nothing else."""
    nightly = document(schedule="0 * * * *", startingDeadlineSeconds=60)
    home.documents = [nightly, document("other")]
    _read(database, "t1", "nightly", 1)
    _read(database, "o1", "other", 1)
    now = [_at(125).timestamp()]
    monkeypatch.setattr(sweeps, "now", lambda _: now[0])

    def change(sql: str) -> Callable[[], Any]:
        return lambda: database.rows(sql)

    def save(name: str, **metadata: Any) -> Callable[[], Any]:
        def run() -> None:
            home.documents = [
                {**one, "metadata": one["metadata"] | metadata} if one["metadata"]["name"] == name else one
                for one in home.documents
            ]

        return run

    def forget() -> None:
        home.documents = home.documents[:-1]

    changes: list[tuple[str, Callable[[], Any], bool, bool]] = [
        ("nothing", lambda: None, False, False),
        ("five minutes", lambda: now.append(now.pop() + 300), False, False),
        (
            "streams",
            change("UPDATE syncctl_task SET streams = '{\"a\": {\"stored\": 1}}' WHERE task_id = 't1'"),
            True,
            True,
        ),
        (
            "another's streams",
            change("UPDATE syncctl_task SET streams = '{\"b\": {}}' WHERE task_id = 'o1'"),
            True,
            False,
        ),
        ("a version", save("nightly", resourceVersion="2"), True, True),
        ("another's version", save("other", resourceVersion="2"), True, False),
        ("an hour", lambda: now.append(now.pop() + 3600), True, True),
        (
            "a state",
            change("INSERT INTO source_state (sync_id, stream, state) VALUES ('nightly', 'a', '1')"),
            False,
            True,
        ),
        ("a read", lambda: _read(database, "t2", "nightly", 2, state="FAILED"), True, True),
        ("a reason", change("UPDATE syncctl_task SET reason = 'No.' WHERE task_id = 't2'"), True, True),
        ("an old read", lambda: _read(database, "t0", "nightly", 0), True, True),
        ("a sync without a document", lambda: _read(database, "l1", "left", 1), True, False),
        ("its end", change("DELETE FROM syncctl_task WHERE task_id = 'l1'"), True, False),
        ("a document less", forget, True, False),
    ]
    asker = Asker(database)
    listed, shown = asker.ask(), asker.ask("nightly")
    for what, act, list_changes, sync_changes in changes:
        act()
        new_list, new_sync = asker.ask(known=listed.tag), asker.ask("nightly", known=shown.tag)
        assert [bool(new_list), bool(new_sync)] == [list_changes, sync_changes], what
        assert [new_list.tag != listed.tag, new_sync.tag != shown.tag] == [list_changes, sync_changes], what
        listed, shown = new_list, new_sync


@pytest.mark.fault(662)
def test_a_document_that_cannot_be_used_has_a_tag_too(home: Home, database: TestDatabase) -> None:
    """And no reads; others are shown all the same. A tag of another answer is answered in full."""
    home.documents = [document(image="nope"), document("good")]
    asker = Asker(database)
    first = asker.ask("nightly")
    assert (first["sync"]["status"]["state"], "streams" in first) == ("INVALID", False)
    assert asker.ask("nightly", known=first.tag) == {}
    assert asker.ask("good", known=first.tag)["syncId"] == "good"
    good = asker.ask("good").tag
    assert asker.ask("good", known=good[:32])["syncId"] == "good"
    home.documents[0] = document(image="nor:")
    assert asker.ask("nightly", known=first.tag)["sync"]["spec"] == {"image": "nor:"}


def test_a_stream_has_the_bytes_of_the_newest_read_that_had_it(home: Home, database: TestDatabase) -> None:
    """As it has that one's rows."""
    home.documents = [document()]
    for minute, count in enumerate((5, 8)):
        streams = {"a": _COUNTS | {"status": "SUCCESS", "stored": count, "bytes": 100 * count}}
        _read(
            database,
            f"t{minute}",
            "nightly",
            minute,
            streams=streams if count == 5 else streams | {"b": {"bytes": 2**40}},
        )
    a, b = Asker(database).shown("nightly")["streams"]
    assert (a["stream"], a["rows"], a["bytes"], b["bytes"], b["rows"]) == ("a", 8, 800, 2**40, None)
