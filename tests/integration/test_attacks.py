"""Names that mean something elsewhere: to a shell, a path, SQL, a URL, a header, a template. Here each is only a name."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from common.tasks.query import list_tasks
from common.tasks.requests import TaskQuery
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog

HOSTILE = [
    "'; DROP TABLE syncctl_task; --",
    '"; DROP TABLE source_task; --',
    "../../pods/x",
    "..",
    ".",
    "a/../../etc/passwd",
    "$(touch pwned) `touch pwned` ; touch pwned",
    "$(DATABASE_URL)$$(BULKER_AUTH_TOKEN)",
    "%(name)s %s {0} :sync_id ?",
    "x?tableName=other&mode=replace_table#/bulk/y",
    "%2e%2e%2fpost%2fx",
    "<script>alert(1)</script>[red]",
    '{"$ref": "file:///etc/passwd"}\\',
]
ECHOES = """
if sys.argv[1] == "check": out(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
else:
    args = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    for one in json.load(open(args["--catalog"]))["streams"]:
        name = one["stream"]["name"]
        out(type="RECORD", record={"stream": name, "data": {name: name}, "emitted_at": 1})
        stream = {"stream_descriptor": {"name": name}}
        out(type="STATE", state={"type": "STREAM", "stream": stream | {"stream_state": {name: name}}})
        out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": stream | {"status": "COMPLETE"}})
"""


@pytest.fixture
def echoing(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, ECHOES)}) as running:
        yield running


def _tables(database: TestDatabase) -> list[str]:
    found = database.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'newjitsu' ORDER BY 1")
    return [row["table_name"] for row in found]


IDS = ["".join(HOSTILE[:2] + HOSTILE[6:8]), "".join(["x", *HOSTILE[8:12]])]


def test_whatever_a_caller_names_is_only_a_name(
    echoing: LocalSystem, bulker: FakeBulker, database: TestDatabase, tmp_path: Path
) -> None:
    """Ids, prefixes, keys, streams and columns arrive letter for letter, and do nothing on their way."""
    before = _tables(database)
    for name in IDS:
        body = {"catalog": catalog(*HOSTILE, incremental=True), "config": {name: name}}
        task = echoing.run(read_task(name, name, body, tableNamePrefix=name, startedBy=name))
        assert (task["state"], task["reason"], task["startedBy"]) == ("SUCCESS", "", name)
        assert {bulk.table for bulk in bulker.requests if bulk.query["taskId"] == [name]} == {
            name + one for one in HOSTILE
        }
        assert [bulker.rows(name + one) for one in HOSTILE] == [[{one: one}] for one in HOSTILE]
        assert [one["taskId"] for one in list_tasks(echoing.settings, TaskQuery(sync_id=name))["tasks"]] == [name]
    assert {unquote(bulk.path) for bulk in bulker.requests} == {f"/bulk/{name}" for name in IDS}
    saved = database.rows("SELECT sync_id, stream, state FROM source_state")
    wanted = sorted((name, one) for name in IDS for one in HOSTILE)
    assert sorted((row["sync_id"], row["stream"]) for row in saved) == wanted
    assert all(row["state"] == {row["stream"]: row["stream"]} for row in saved)
    assert echoing.run(other_task("check", IDS[0]))["storageKey"] == IDS[0]
    assert _tables(database) == before
    assert not list(tmp_path.rglob("pwned"))
