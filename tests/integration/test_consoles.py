"""What Jitsu's consoles since mid-2024 send and which SQL they run (docs/reference/contract.md G), replayed."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from common.errors import BadRequest, Refused
from common.protocol.catalogs import decode_catalog
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_bulker import FakeBulker
from tests.support.fake_kubernetes import FakeKubernetes, fake_kubernetes
from tests.support.functions import Answer, Server, running
from tests.support.local_system import PACKAGE, VERSION, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog

SYNC = "cm-sync-1"
PASSWORD = f"destination-{canaries.MARK}"
DESTINATION = {"destinationType": "postgres", "host": "db", "password": PASSWORD, "defaultSchema": "public"}


class Console:
    """Sends requests as such a console does, and looks at the tables as it does."""

    def __init__(self, read: Server, cancel: Server, api: FakeKubernetes, database: TestDatabase) -> None:
        self._read, self._cancel, self._api, self._database = read, cancel, api, database

    def read(self, task: str, sync: str = SYNC, body: dict[str, Any] | None = None, **query: str) -> Answer:
        """A run of a sync: its options are sent even where they are not set."""
        started_by = json.dumps({"trigger": "manual", "email": "a@example.com"})
        own = {"namespace": "", "toSameCase": "false", "tableNamePrefix": "", "fullSync": "false"}
        given = {"package": PACKAGE, "version": VERSION, "taskId": task, "syncId": sync, "startedBy": started_by}
        members = {"config": {"key": canaries.CONFIG}, "catalog": catalog("plants"), "destinationConfig": DESTINATION}
        return self._read.ask("POST", f"/read?{_encoded(given | own | query)}", json.dumps(members | (body or {})))

    def run(self, sync: str = SYNC, *, ignore_running: bool = False) -> Answer | None:
        """A person presses "run": nothing is sent while a row says RUNNING, unless they said to ignore it."""
        found = self._database.rows(
            "SELECT task_id FROM source_task WHERE sync_id = :sync AND status = 'RUNNING' LIMIT 1", sync=sync
        )
        if found and not ignore_running:
            return None
        for row in found:
            self._database.rows(
                "UPDATE source_task SET status = 'FAILED', updated_at = now() WHERE task_id = :task RETURNING 1",
                task=row["task_id"],
            )
        return self.read(str(uuid4()), sync)

    def cancel(self, task: str, sync: str = SYNC) -> Answer:
        """A person presses "cancel"; the console passes on what its page sent, the workspace included."""
        query = {"workspaceId": "w-1", "syncId": sync, "taskId": task, "package": PACKAGE}
        return self._cancel.ask("GET", f"/cancel?{_encoded(query)}")

    def newest(self, sync: str = SYNC) -> dict[str, Any]:
        """The list of syncs shows each one's last task."""
        [row] = self._database.rows(
            "SELECT DISTINCT sync_id, last_value(status) OVER w AS status, last_value(description) OVER w AS text"
            " FROM source_task WHERE sync_id = ANY(:syncs) WINDOW w AS (PARTITION BY sync_id ORDER BY CASE WHEN"
            " status = 'SKIPPED' THEN '2020-01-01' ELSE started_at END"
            " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
            syncs=[sync],
        )
        return row

    def sent(self) -> list[str]:
        """What Kubernetes was asked to make."""
        return [json.dumps(asked.body) for asked in self._api.asked if asked.method == "POST"]


def _encoded(query: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    """A stand-in for the Kubernetes API."""
    with fake_kubernetes() as found:
        yield found


@pytest.fixture
def console(database: TestDatabase, api: FakeKubernetes) -> Iterator[Console]:
    """A console beside the functions as they are deployed."""
    settings = environment(database.url, api)
    with ExitStack() as stack:
        read, cancel = (stack.enter_context(running(name, **settings)) for name in ("read", "cancel"))
        yield Console(read, cancel, api, database)


@pytest.mark.fault(104)
def test_a_console_of_2024_reads_and_cancels(console: Console, api: FakeKubernetes) -> None:
    """The destination's credentials are nowhere afterwards, neither in the cluster nor in a table nor in an answer."""
    answer = console.read("task-1")
    assert (answer.status, answer.json["ok"], answer.json["taskId"]) == (200, True, "task-1"), answer.body
    canaries.refuse("Kubernetes", *console.sent(), search=canaries.pattern(PASSWORD, "destinationConfig"))
    assert console.newest()["status"] == "RUNNING"
    assert console.run() is None
    cancelled = console.cancel("task-1")
    assert (cancelled.status, cancelled.json["ok"], cancelled.json["state"]) == (200, True, "CANCELLED")
    assert console.newest()["status"] == "CANCELLED"
    assert api.pods == {}
    again = console.run()
    assert again
    assert again.status == 200


@pytest.mark.fault(104)
def test_the_same_request_with_another_destination_is_the_same(console: Console, api: FakeKubernetes) -> None:
    """Its credentials may have been renewed between two attempts; nothing of them is compared."""
    assert console.read("task-1").status == 200
    renewed = {"destinationConfig": DESTINATION | {"password": "another"}}
    assert console.read("task-1", body=renewed, nodelay="true", debug="true", workspaceId="w-1").status == 200
    assert console.read("task-1", body={"destinationConfig": None}).status == 200
    assert console.read("task-1", toSameCase="true", body={"catalog": catalog("Plants")}).status == 409
    assert len(api.pods) == 1


@pytest.mark.fault(107)
@pytest.mark.parametrize("how", ["console", "parameter"])
def test_a_running_task_is_ignored(console: Console, api: FakeKubernetes, database: TestDatabase, how: str) -> None:
    """The console calls the old task FAILED and starts another: the old one is stopped, not left beside the new one."""
    assert console.read("old").status == 200
    [old] = api.pods
    assert console.read("new").status == 409
    again = console.run(ignore_running=True) if how == "console" else console.read("new", ignoreRunning="true")
    assert again
    assert again.status == 200, again.body
    assert old not in api.pods
    assert len(api.pods) == 1
    ended = "FAILED" if how == "console" else "CANCELLED"
    rows = database.rows("SELECT status FROM source_task ORDER BY task_id = 'old' DESC")
    assert [row["status"] for row in rows] == [ended, "RUNNING"]
    ours = database.rows("SELECT state FROM syncctl_task ORDER BY task_id = 'old' DESC")
    assert [row["state"] for row in ours] == ["CANCELLED", "PENDING"]


@pytest.mark.fault(107)
def test_only_a_given_up_task_makes_way(console: Console, database: TestDatabase, api: FakeKubernetes) -> None:
    """Another sync's FAILED row, an older task's, and an `ignoreRunning` that is false change nothing."""
    assert console.read("old").status == 200
    assert console.read("other", sync="other").status == 200
    database.rows("UPDATE source_task SET status = 'FAILED' WHERE task_id = 'other' RETURNING 1")
    database.rows(
        "INSERT INTO source_task (sync_id, task_id, package, version, status, description)"
        " VALUES (:sync, 'ancient', 'p', '1', 'FAILED', '') RETURNING 1",
        sync=SYNC,
    )
    refused = console.read("new", ignoreRunning="false")
    assert (refused.status, "old" in refused.error) == (409, True)
    assert len(api.pods) == 2


NAMED: dict[str, Any] = {
    "streams": [
        {"stream": {"name": "Users", "namespace": "Public", "json_schema": {}}, "sync_mode": "full_refresh"},
        {"stream": {"name": "Plain", "json_schema": {}}, "sync_mode": "full_refresh"},
        {"stream": {"name": "Own", "json_schema": {}, "table_name": "My_Own"}, "sync_mode": "full_refresh"},
    ]
}


@pytest.mark.fault(105)
@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ({}, ["R_Public.Users", "R_Plain", "My_Own"]),
        ({"namespace": "${LEGACY}"}, ["R_Public.Users", "R_Plain", "My_Own"]),
        ({"namespace": ""}, ["R_Users", "R_Plain", "My_Own"]),
        ({"namespace": " "}, ["R_Users", "R_Plain", "My_Own"]),
        ({"toSameCase": "true"}, ["r_public.users", "r_plain", "my_own"]),
        ({"namespace": "", "toSameCase": "true"}, ["r_users", "r_plain", "my_own"]),
        (
            {"namespace": "", "tableNamePrefix": "${SOURCE_NAMESPACE}_"},
            ["Public_Users", "_Plain", "My_Own"],
        ),
        ({"tableNamePrefix": "${SOURCE_NAMESPACE}_"}, ["Public_Public.Users", "_Plain", "My_Own"]),
    ],
)
def test_names_of_tables(query: dict[str, str], tables: list[str]) -> None:
    """As the later original makes them; the sidecar gets them by the one way that every sidecar knows."""
    task = read_task(body={"catalog": NAMED}, **{"tableNamePrefix": "R_"} | query)
    given = decode_catalog(task.catalog or b"")
    assert [stream.table(task.table_name_prefix) for stream in given.streams] == tables


@pytest.mark.fault(105)
def test_names_that_come_to_the_same_are_refused(garden: LocalSystem) -> None:
    """Without namespaces, or without capitals, two streams may have one table: both are named."""
    streams = [
        {"stream": {"name": name, "namespace": space, "json_schema": {}}, "sync_mode": "full_refresh"}
        for name, space in (("users", "a"), ("users", "b"), ("Users", "c"))
    ]
    for count, query in ((3, {"namespace": ""}), (2, {"namespace": "", "toSameCase": "true"})):
        with pytest.raises(Refused, match="would share the table"):
            garden.start(read_task(body={"catalog": {"streams": streams[-count:]}}, **query))
    garden.start(read_task(body={"catalog": {"streams": streams}}, namespace="${LEGACY}"))


@pytest.mark.fault(106)
@pytest.mark.parametrize(
    ("query", "body", "named"),
    [
        ({"namespace": "sales"}, {}, "namespace: "),
        ({"namespace": "x_${SOURCE_NAMESPACE}"}, {}, "namespace: "),
        ({"namespace": "${SOURCE_NAMESPACE}"}, {"catalog": NAMED}, "namespace: "),
        ({}, {"functionsEnv": {"KEY": canaries.CONFIG}}, "functionsEnv: "),
    ],
)
def test_what_bulk_cannot_do_is_refused_by_name(query: dict[str, str], body: dict[str, Any], named: str) -> None:
    """With 422, before anything is written, and without the value."""
    with pytest.raises(Refused, match=f"^{named}") as refused:
        read_task(body={"catalog": catalog("plants"), **body}, **query)
    assert "sales" not in refused.value.message


def test_a_namespace_that_comes_to_nothing_is_the_destinations_own() -> None:
    """A stream without a namespace, with a sync that takes the source's; and functions that are none."""
    body = {"catalog": catalog("plants"), "functionsEnv": {}, "destinationConfig": DESTINATION}
    task = read_task(body=body, namespace="${SOURCE_NAMESPACE}")
    assert decode_catalog(task.catalog or b"").streams[0].table("") == "plants"


@pytest.mark.parametrize("name", ["toSameCase", "addMeta", "deduplicate", "ignoreRunning"])
def test_a_flag_is_true_or_false(name: str) -> None:
    """Anything else is named, as with fullSync."""
    with pytest.raises(BadRequest, match=rf"^{name}: expected true or false\.$"):
        read_task(**{name: "yes"})


ROWS = """
stream = {'name': 'Plants', 'namespace': 'Garden'}
for n in range(3):
    row = {'id': 1, 'n': 9007199254740993}
    out(type='RECORD', record={'stream': 'Plants', 'namespace': 'Garden', 'data': row if n else {}, 'emitted_at': 1})
out(type='TRACE', trace={'type': 'STREAM_STATUS', 'emitted_at': 1.0,
                         'stream_status': {'stream_descriptor': stream, 'status': 'COMPLETE'}})
"""


@pytest.mark.fault(105)
def test_a_whole_read_with_every_wish(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """Bulker sees the table's name, no key, and the time in each row; digits of the schema stay."""
    schema = {"type": "object", "properties": {"id": {"maximum": 9007199254740993, "type": "integer"}}}
    stream = {
        "name": "Plants",
        "namespace": "Garden",
        "json_schema": schema,
        "source_defined_primary_key": [["id"]],
    }
    body = {"catalog": {"streams": [{"stream": stream, "sync_mode": "full_refresh"}]}}
    query = {"namespace": "", "toSameCase": "true", "tableNamePrefix": "Raw_", "addMeta": "true"}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, ROWS)}) as place:
        task = place.run(read_task("t1", body=body, deduplicate="false", **query))
        assert (task["state"], task["streams"]["Garden.Plants"]["stored"]) == ("SUCCESS", 3), task["reason"]
        assert place.run(read_task("t2", body=body, deduplicate="true", **query))["state"] == "SUCCESS"
    first, second = bulker.requests
    assert (first.table, second.table) == ("raw_plants", "raw_plants")
    assert ("pk" in first.query, second.query["pk"]) == (False, ["id"])
    rows = [(row.pop("_jitsu_timestamp")[-1], row) for row in second.rows]
    row = {"id": 1, "n": 9007199254740993}
    assert rows == [("Z", {}), ("Z", row), ("Z", row)]


RESULTS = """
command = next(word for word in sys.argv if word in ('spec', 'check', 'discover'))
if command == 'spec': out(type='SPEC', spec={'connectionSpecification': {}})
if command == 'check': out(type='CONNECTION_STATUS', connectionStatus={'status': 'SUCCEEDED'})
if command == 'discover': out(type='CATALOG', catalog={'streams': [{'name': 'a', 'json_schema': {}}]})
"""


@pytest.fixture
def garden(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    """A connector that answers whatever it is asked."""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, RESULTS)}) as place:
        yield place


def test_the_rows_that_a_console_writes_itself_make_way(garden: LocalSystem, database: TestDatabase) -> None:
    """After our answer it writes "pending" and RUNNING with a clock of its own; the results come all the same."""
    image = {"package": PACKAGE, "version": VERSION}
    spec, discover = garden.start(other_task("spec")), garden.start(other_task("discover", "w_s_h"))
    check = garden.start(other_task("check", "w_s_h_random"))
    database.rows(
        "INSERT INTO source_spec AS s (package, version, specs, timestamp, error) VALUES (:package, :version, null,"
        " now() + interval '3 s', 'pending') ON CONFLICT ON CONSTRAINT source_spec_pkey"
        " DO UPDATE SET specs = null, timestamp = excluded.timestamp, error = excluded.error RETURNING 1",
        **image,
    )
    database.rows(
        "INSERT INTO source_catalog (package, version, key, timestamp, status, description) VALUES (:package,"
        " :version, 'w_s_h', now() + interval '3 s', 'RUNNING', 'RUNNING') ON CONFLICT ON CONSTRAINT"
        " source_catalog_pkey DO UPDATE SET timestamp = excluded.timestamp, status = excluded.status,"
        " description = excluded.description RETURNING 1",
        **image,
    )
    for started in (spec, discover, check):
        assert garden.finish(started.task_id)["state"] == "SUCCESS"
    assert database.rows("SELECT specs::text AS specs, error FROM source_spec")[0]["error"] == ""
    [catalog_row] = database.rows("SELECT status, catalog IS NOT NULL AS found FROM source_catalog")
    assert catalog_row == {"status": "SUCCESS", "found": True}
    assert database.rows("SELECT status FROM source_check WHERE key = 'w_s_h_random'") == [{"status": "SUCCESS"}]


def test_a_console_s_own_row_of_a_refused_sync_stays(console: Console, database: TestDatabase) -> None:
    """A sync over its quota is SKIPPED: not running, so it stands in nobody's way."""
    database.rows(
        "INSERT INTO source_task (sync_id, task_id, package, version, status, description)"
        " VALUES (:sync, 'skipped', 'jitsu', '0.0.1', 'SKIPPED', 'Quota exceeded') RETURNING 1",
        sync=SYNC,
    )
    started = console.run()
    assert started
    assert started.status == 200
    assert console.newest()["status"] == "RUNNING"
