"""Starting and sweeping tasks on real pods (local processes), a real Postgres and a recording Bulker."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from common import cluster
from common.errors import (
    BadRequest,
    ClusterUnavailable,
    Conflict,
    NotFound,
    QuotaExceeded,
    Refused,
    SyncError,
    TimedOut,
    TooLarge,
)
from common.tasks.query import get_task, list_tasks
from common.tasks.requests import TaskQuery
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, Broken, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog

GOOD = """
command = sys.argv[1]
args = dict(zip(sys.argv[2::2], sys.argv[3::2]))
if command == "spec": out(type="SPEC", spec={"connectionSpecification": {"type": "object"}})
elif command == "check": out(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
elif command == "discover": out(type="CATALOG", catalog={"streams": []})
else:
    saved = json.load(open(args["--state"]))
    start = saved[0]["stream"]["stream_state"]["n"] if saved else 0
    for n in range(start, start + 3): out(type="RECORD", record={"stream": "plants", "data": {"id": n}, "emitted_at": 1})
    out(type="STATE", state={"type": "STREAM", "stream": {"stream_descriptor": {"name": "plants"}, "stream_state": {"n": start + 3}}})
    out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""
WAITS = "import pathlib\nwhile not pathlib.Path(sys.argv[0] + '.go').exists(): time.sleep(0.05)\n"


@pytest.fixture
def good(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, GOOD)}) as running:
        yield running


@pytest.fixture
def waiting(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    """A connector that does nothing until it is killed."""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, WAITS)}) as running:
        yield running


def _streams(*names: str, incremental: bool = False) -> dict[str, Any]:
    return {"catalog": catalog(*names, incremental=incremental)}


def test_a_read_from_start_to_end_leaves_only_its_rows(
    good: LocalSystem, bulker: FakeBulker, database: TestDatabase
) -> None:
    """Rows in the warehouse, SUCCESS in both tables, no pod and no Secret left."""
    task = good.run(read_task(body=_streams("plants"), tableNamePrefix="gar_"))
    assert (task["state"], task["reason"]) == ("SUCCESS", "")
    assert bulker.rows("gar_plants") == [{"id": 0}, {"id": 1}, {"id": 2}]
    assert bulker.requests[0].path == "/bulk/sync-1"
    assert bulker.requests[0].query["taskId"] == ["task-1"]
    assert bulker.requests[0].headers["Authorization"] == f"Bearer {canaries.BULKER}"
    assert database.rows("SELECT status FROM source_task") == [{"status": "SUCCESS"}]
    assert [p for p in (good.pods._pods.parent / "secrets").iterdir() if p.suffix != ".lock"] == []


def test_the_second_read_resumes_from_the_saved_state(good: LocalSystem, bulker: FakeBulker) -> None:
    """Without a state in the request the saved one is used; {} begins anew; a given one is passed on unchanged."""
    body = _streams("plants", incremental=True)
    given: list[dict[str, Any]] = [
        {},
        {},
        {"state": {}},
        {"state": [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "plants"}, "stream_state": {"n": 70}}}]},
    ]
    for number, extra in enumerate(given):
        assert good.run(read_task(task=f"t{number}", body={**body, **extra}))["state"] == "SUCCESS"
    assert [[row["id"] for row in bulk.rows] for bulk in bulker.requests] == [
        [0, 1, 2],
        [3, 4, 5],
        [0, 1, 2],
        [70, 71, 72],
    ]
    assert [bulk.mode for bulk in bulker.requests] == ["replace_table", "batch", "replace_table", "batch"]


@pytest.mark.fault(78)
def test_full_sync_forgets_the_saved_states(good: LocalSystem, bulker: FakeBulker) -> None:
    """fullSync=true reads from the beginning, and replaces the table."""
    body = _streams("plants", incremental=True)
    good.run(read_task(task="t1", body=body))
    good.run(read_task(task="t2", body=body, fullSync="true"))
    assert [bulk.mode for bulk in bulker.requests] == ["replace_table", "replace_table"]


@pytest.mark.parametrize("command", ["spec", "check", "discover"])
def test_the_other_commands_leave_their_results(good: LocalSystem, database: TestDatabase, command: str) -> None:
    """In the caller's table and in GET /tasks/<id>."""
    task = good.run(other_task(command))
    assert task["state"] == "SUCCESS"
    expected = {
        "spec": {"connectionSpecification": {"type": "object"}},
        "check": {"status": "SUCCEEDED"},
        "discover": {"streams": []},
    }
    assert task["result"] == expected[command]
    table, column = {
        "spec": ("source_spec", "specs"),
        "check": ("source_check", "status"),
        "discover": ("source_catalog", "catalog"),
    }[command]
    assert database.rows(f"SELECT {column} AS found FROM {table}") == [
        {"found": "SUCCESS" if command == "check" else expected[command]}
    ]


@pytest.mark.fault(1)
def test_defect_02_repeating_a_read_does_not_touch_the_running_task(
    waiting: LocalSystem, database: TestDatabase
) -> None:
    """The same taskId and request: the same answer, one pod; another request under it is a conflict."""
    task = read_task(body=_streams("plants"))
    first = waiting.start(task)
    assert waiting.start(task) == first
    with pytest.raises(Conflict, match="Task task-1 exists already, with another request"):
        waiting.start(read_task(body=_streams("beds")))
    assert len(list(waiting.pods.list_pods())) == 1
    assert database.rows("SELECT status FROM source_task") == [{"status": "RUNNING"}]


@pytest.mark.fault(23, 81)
def test_twelve_starts_of_one_sync_at_once_make_one_task(waiting: LocalSystem, database: TestDatabase) -> None:
    """Exactly one is accepted; the others are told which task is in their way; repeats of the winner are answered."""
    answers: dict[str, Any] = {}

    def begin(task_id: str) -> None:
        try:
            answers[task_id] = waiting.start(read_task(task=task_id))
        except SyncError as error:
            answers[task_id] = error

    threads = [threading.Thread(target=begin, args=(f"burst-{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    won = [task_id for task_id, answer in answers.items() if not isinstance(answer, SyncError)]
    assert len(won) == 1
    refused = [answer for task_id, answer in answers.items() if task_id not in won]
    assert all(isinstance(answer, Conflict) and won[0] in str(answer) for answer in refused), refused
    assert {waiting.start(read_task(task=won[0])) for _ in range(6)} == {answers[won[0]]}
    assert len(list(waiting.pods.list_pods())) == 1
    assert database.rows("SELECT task_id FROM source_task") == [{"task_id": won[0]}]


@pytest.mark.parametrize("verb", ["create_pod", "create_secret"])
@pytest.mark.fault(37)
def test_defect_03_a_failed_creation_leaks_nothing(waiting: LocalSystem, database: TestDatabase, verb: str) -> None:
    """Refused for good: the row says CREATE_FAILED, and neither pod nor Secret stays behind."""
    cluster.use(Broken(waiting.pods, verb, Refused("no such policy")))
    with pytest.raises(Refused):
        waiting.start(read_task())
    cluster.use(waiting.pods)
    wait_for(lambda: not list(waiting.pods.list_pods()), what="no pod")
    assert list((waiting.pods._pods.parent / "secrets").iterdir()) == []
    [row] = database.rows("SELECT status, description FROM source_task")
    assert row == {"status": "FAILED", "description": "CREATE_FAILED: no such policy"}
    with pytest.raises(Conflict, match="could not be started before"):
        waiting.start(read_task())
    assert waiting.start(read_task(task="task-2"))


@pytest.mark.parametrize("verb", ["create_pod", "create_secret"])
@pytest.mark.parametrize("error", [QuotaExceeded("exceeded quota"), ClusterUnavailable("away"), TimedOut("unknown")])
@pytest.mark.fault(3)
def test_what_may_pass_leaves_the_task_pending_and_a_repeat_starts_it(
    good: LocalSystem, database: TestDatabase, verb: str, error: SyncError
) -> None:
    """429, 503 and 504 now; the same request later makes what is missing."""
    cluster.use(Broken(good.pods, verb, error))
    with pytest.raises(type(error)):
        good.start(read_task(body=_streams("plants")))
    pending = get_task(good.settings, "task-1")["task"]
    kind = "quota" if isinstance(error, QuotaExceeded) else "cluster"
    assert (pending["state"], pending["reason"], pending["waiting"]["for"]) == ("PENDING", str(error), kind)
    cluster.use(good.pods)
    task = wait_for(lambda: _try_run(good), 30, "a start")
    assert (task["state"], task["reason"]) == ("SUCCESS", "")


def _try_run(place: LocalSystem) -> Any:
    """A pod that the failed start has just taken back may still be ending."""
    try:
        return place.run(read_task(body=_streams("plants")))
    except Conflict:
        return None


@pytest.mark.fault(1, 18)
def test_a_start_that_died_between_pod_and_secret_is_finished_by_a_repeat(good: LocalSystem) -> None:
    """The repeated request adopts the pod that is there and adds its Secret."""

    class Killed(BaseException):
        """As if the process had ended there."""

    cluster.use(Broken(good.pods, "create_secret", Killed()))
    with pytest.raises(Killed):
        good.start(read_task(body=_streams("plants")))
    cluster.use(good.pods)
    assert len(list(good.pods.list_pods())) == 1
    assert good.run(read_task(body=_streams("plants")))["state"] == "SUCCESS"


@pytest.mark.fault(14, 29)
def test_defect_04_a_row_whose_pod_vanished_fails(waiting: LocalSystem, database: TestDatabase) -> None:
    """Deleted from outside: after a grace period the row says so, and the sync can start again."""
    waiting.start(read_task())
    [pod] = waiting.pods.list_pods()
    waiting.pods.delete_pod(pod.name, pod.uid, 0)
    wait_for(lambda: not list(waiting.pods.list_pods()))
    waiting.sweep()
    assert database.rows("SELECT status FROM source_task") == [{"status": "RUNNING"}]
    database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 minute'")
    assert waiting.sweep().orphaned_rows == 1
    [row] = database.rows("SELECT status, description FROM source_task")
    assert row["status"] == "FAILED"
    assert "was never created" in row["description"] or "deleted from outside" in row["description"]
    assert waiting.start(read_task(task="task-2"))


def test_defect_07_rows_are_there_before_the_answer(waiting: LocalSystem, database: TestDatabase) -> None:
    """A caller that polls at once finds RUNNING, not an older result."""
    waiting.start(other_task("discover"))
    assert database.rows("SELECT status FROM source_catalog") == [{"status": "RUNNING"}]
    waiting.start(read_task())
    assert database.rows("SELECT status FROM source_task") == [{"status": "RUNNING"}]


@pytest.mark.fault(54)
def test_defect_16_an_unreadable_start_time_still_times_out(waiting: LocalSystem, database: TestDatabase) -> None:
    """The pod's own creation time decides."""
    waiting.start(read_task())
    pod_file = next(waiting.pods._pods.glob("*/pod.json"))
    pod = pod_file.read_text()
    import json

    changed = json.loads(pod)
    changed["metadata"]["annotations"]["StartedAt"] = "yesterday"
    changed["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
    pod_file.write_text(json.dumps(changed))
    database.rows("UPDATE syncctl_task SET created_at = '2020-01-01'")
    swept = waiting.sweep()
    assert swept.concluded == 1 or swept.unreadable == 1
    [row] = database.rows("SELECT status, description FROM source_task")
    assert (row["status"], "ran longer than 48 h" in row["description"]) == ("FAILED", True)


@pytest.mark.fault(79)
def test_streams_that_would_share_a_table_are_refused_by_name(waiting: LocalSystem, database: TestDatabase) -> None:
    """Neither row nor pod is left."""
    two = catalog("a.b", "b")
    two["streams"][1]["stream"]["namespace"] = "a"
    with pytest.raises(Refused, match=r"'a\.b'.*'b'.*share the table 'a\.b'"):
        waiting.start(read_task(body={"catalog": two}))
    assert database.rows("SELECT * FROM syncctl_task") == []
    assert database.rows("SELECT * FROM source_task") == []
    assert list(waiting.pods.list_pods()) == []


@pytest.mark.fault(61)
def test_a_payload_that_fits_no_secret_leaves_nothing(waiting: LocalSystem, database: TestDatabase) -> None:
    """TooLarge before any row is written."""
    import random

    with pytest.raises(TooLarge, match="config alone"):
        waiting.start(read_task(body={"config": {"blob": random.Random(1).randbytes(1_500_000).hex()}}))
    assert database.rows("SELECT * FROM syncctl_task") == []


@pytest.mark.fault(19)
def test_a_dead_start_without_a_pod_is_failed_by_the_sweep(waiting: LocalSystem, database: TestDatabase) -> None:
    """A row that never got its pod does not stay RUNNING."""
    cluster.use(Broken(waiting.pods, "create_pod", KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        waiting.start(read_task())
    cluster.use(waiting.pods)
    database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 minute'")
    waiting.sweep()
    [row] = database.rows("SELECT status, description FROM source_task")
    assert row["status"] == "FAILED"
    assert "never created" in row["description"]


@pytest.mark.fault(30)
def test_out_of_memory_is_named_with_its_limit(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """A source that takes more than its limit is killed, and the row says what to do."""
    hungry = connector(
        tmp_path, "hog = bytearray(2_400_000_000)\nhog[::4096] = b'x' * len(hog[::4096])\ntime.sleep(60)\n"
    )
    with local_system(tmp_path, database, bulker.url, {PACKAGE: hungry}) as running:
        task = running.run(read_task(body=_streams("plants")))
    assert task["state"] == "FAILED"
    assert "source ran out of memory at 2Gi; raise SYNCCTL_SOURCE_MEMORY_LIMIT, or give" in task["reason"]
    assert (task["failure"]["kind"], task["attempts"]) == ("out_of_memory", [])


def test_a_connector_that_cannot_be_installed_says_so(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """An image that is no package and not mapped: the row names it and what to do."""
    with local_system(tmp_path, database, bulker.url, {}) as running:
        task = running.run(read_task(body=_streams("plants"), package="acme/source-nowhere"))
    assert task["state"] == "FAILED"
    assert "acme/source-nowhere" in task["reason"]
    assert "--image" in task["reason"]


def test_tasks_are_listed_newest_first_page_by_page(good: LocalSystem) -> None:
    """Filters and cursors."""
    for number in range(3):
        good.run(read_task(task=f"t{number}", sync=f"s{number % 2}", body=_streams("plants")))
    page = list_tasks(good.settings, TaskQuery(limit=2))
    seen = [task["taskId"] for task in page["tasks"]]
    while page["next"]:
        page = list_tasks(good.settings, TaskQuery(limit=2, cursor=page["next"]))
        seen += [task["taskId"] for task in page["tasks"]]
    assert sorted(seen) == ["t0", "t1", "t2"]
    assert seen == sorted(seen, reverse=True)
    assert {t["taskId"] for t in list_tasks(good.settings, TaskQuery(sync_id="s1"))["tasks"]} == {"t1"}
    assert list_tasks(good.settings, TaskQuery(status="FAILED"))["tasks"] == []
    with pytest.raises(NotFound):
        get_task(good.settings, "no-such-task")
    for odd in ("~t1", "1~", "x~t1", " 1~t1", "-1~t1", "1_0~t1", "\u0661~t1", "9" * 17 + "~t1", "t1"):
        with pytest.raises(BadRequest, match=r"^cursor: "):
            list_tasks(good.settings, TaskQuery(cursor=odd))


@pytest.mark.fault(76)
def test_a_log_that_is_not_utf_8_is_shown(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """Latin-1 and NUL on stderr reach the row readable."""
    raw = Path(__file__).parent.parent / "reports/cases/pods-log-tail-is-not-utf-8/log.bin"
    code = f"sys.stderr.buffer.write(open({str(raw)!r}, 'rb').read())\nsys.exit(1)\n"
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, code)}) as running:
        task = running.run(read_task(body=_streams("plants")))
    assert task["state"] == "FAILED"
    assert "Zugriff verweigert" in task["reason"]
    assert "\0" not in task["reason"]


@pytest.mark.parametrize(
    "odd", ['{"a":NaN}', '{"a":1e999}', '{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"a":' + "[" * 1900]
)
def test_odd_json_in_started_by_is_kept_as_text(waiting: LocalSystem, database: TestDatabase, odd: str) -> None:
    """What is no JSON for Postgres is a text like any other."""
    waiting.start(read_task(startedBy=odd))
    [row] = database.rows("SELECT started_by FROM source_task")
    assert row["started_by"] in (odd, {"a": "\u2400"})


@pytest.mark.parametrize(
    "spec",
    ['{"n": 9' + "0" * 5000 + "}", '{"n": 0.10000000000000000000000000000000000001}', '{"a":' * 900 + "1" + "}" * 900],
    ids=["digits", "fraction", "deep"],
)
def test_a_result_is_told_letter_for_letter(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, spec: str
) -> None:
    """GET /tasks/<id> passes it on as it was stored: no decoder of ours takes 5,000 digits."""
    code = f"""print('{{"type":"SPEC","spec":{spec}}}', flush=True)\n"""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, code)}) as running:
        started = running.start(other_task("spec"))
        wait_for(lambda: not running.swept_pods(), what="no pod")
        answer = get_task(running.settings, started.task_id)
    assert answer["task"]["state"] == "SUCCESS"
    assert msgspec.json.encode(answer["task"]["result"]).decode() == spec


def test_a_start_that_never_came_to_be_is_not_answered_as_if_it_had(
    waiting: LocalSystem, database: TestDatabase
) -> None:
    """After the sweep gave up on it, the same request is told so, and what to do."""
    cluster.use(Broken(waiting.pods, "create_pod", ClusterUnavailable("away")))
    with pytest.raises(ClusterUnavailable):
        waiting.start(read_task())
    cluster.use(waiting.pods)
    database.rows(
        "UPDATE syncctl_task SET created_at = now() - interval '1 hour', updated_at = now() - interval '1 hour'"
    )
    waiting.sweep()
    with pytest.raises(Conflict, match=r"could not be started before.*new taskId"):
        waiting.start(read_task())


@pytest.mark.fault(79)
def test_a_stream_cannot_take_the_name_of_a_whole_state(waiting: LocalSystem) -> None:
    """Its state would be handed back as another kind."""
    with pytest.raises(Refused, match="_GLOBAL_STATE"):
        waiting.start(read_task(body=_streams("_GLOBAL_STATE")))


def test_half_written_files_of_one_pod_stop_nobody_else(waiting: LocalSystem, database: TestDatabase) -> None:
    """A crash may leave empty files: the sweep goes on, and so does the next start."""
    waiting.start(read_task())
    waiting.start(read_task(task="task-2", sync="sync-2"))
    files = sorted(waiting.pods._pods.glob("*/pod.json"))
    files[0].write_text("")
    assert waiting.sweep().pods == 1


@pytest.mark.fault(234)
def test_what_a_caller_names_like_a_folder_of_the_pod_stays_as_it_is(
    good: LocalSystem, database: TestDatabase, bulker: FakeBulker
) -> None:
    """Only variables that hold paths are moved to where this machine has the pod's folders."""
    named = {"task": "t2:/pipes", "sync": "s:/config", "startedBy": "/pipes/x", "tableNamePrefix": "/configmap"}
    assert good.run(read_task(body=_streams("plants"), **named))["state"] == "SUCCESS"
    assert [bulk.table for bulk in bulker.requests] == ["/configmapplants"]
    assert database.rows("SELECT sync_id, task_id, started_by FROM source_task") == [
        {"sync_id": "s:/config", "task_id": "t2:/pipes", "started_by": "/pipes/x"}
    ]
    assert good.run(other_task("check", key="/config/config.json"))["state"] == "SUCCESS"
    assert database.rows("SELECT key FROM source_check") == [{"key": "/config/config.json"}]


def test_an_image_outside_the_allow_list_leaves_nothing(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """Every command is refused with the image and the setting named: no row, no pod; one inside runs."""
    good = {PACKAGE: connector(tmp_path, GOOD)}
    tasks = [read_task(), *map(other_task, ("spec", "check", "discover"))]
    with local_system(
        tmp_path, database, bulker.url, good, SYNCCTL_ALLOWED_IMAGES="airbyte/source-faker,acme/*"
    ) as running:
        for task in tasks:
            with pytest.raises(Refused, match=rf"{PACKAGE} is not among .*SYNCCTL_ALLOWED_IMAGES"):
                running.start(task)
        assert not list(running.pods.list_pods())
    assert database.rows("SELECT task_id FROM syncctl_task UNION SELECT task_id FROM source_task") == []
    with local_system(tmp_path, database, bulker.url, good, SYNCCTL_ALLOWED_IMAGES="airbyte/source-*") as running:
        assert running.run(tasks[1])["state"] == "SUCCESS"


def test_an_image_by_digest_is_found_again_by_it(good: LocalSystem, database: TestDatabase) -> None:
    """The digest is the version: in the pod's image, in the task, and in the row that a console looks for."""
    digest = "sha256:" + "0a" * 32
    started = good.start(structs.replace(other_task("spec"), version=digest))
    [pod] = good.pods.list_pods()
    images = {container.image for container in pod.spec.containers}
    assert f"{PACKAGE}@{digest}" in images
    assert good.finish(started.task_id)["version"] == digest
    assert database.rows("SELECT package, version, error FROM source_spec") == [
        {"package": PACKAGE, "version": digest, "error": ""}
    ]
