"""Reads that are started again: on real pods (local processes), from real states, whatever dies in between."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from common import cluster
from common.cluster.objects import Pod
from common.errors import Conflict, QuotaExceeded, Refused, SyncError
from common.pods import manifest
from common.store import TaskState
from common.tasks.cancel import cancel
from common.tasks.query import get_task
from common.tasks.requests import CancelQuery
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, Broken, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import SidecarProcess, catalog, lines, log, record, state, status
from tests.support.wire import changed

SAYS = """
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
try: where = json.load(open(given['--state']))
except KeyError: where = {}
runs = pathlib.Path(sys.argv[0] + '.runs')
runs.open('a').write(json.dumps(where) + chr(10))
run = len(runs.read_text().splitlines())
def record(stream, n): out(type='RECORD', record={'stream': stream, 'data': {'id': n}, 'emitted_at': 1})
def status(stream, word): out(type='TRACE', trace={'type': 'STREAM_STATUS', 'emitted_at': 1.5,
    'stream_status': {'stream_descriptor': {'name': stream}, 'status': word}})
def state(stream, n): out(type='STATE', state={'type': 'STREAM', 'stream': {
    'stream_descriptor': {'name': stream}, 'stream_state': {'n': n}}})
def error(kind, stream=None, text='no luck'):
    named = {'stream_descriptor': {'name': stream}} if stream else {}
    out(type='TRACE', trace={'type': 'ERROR', 'emitted_at': 1.5, 'error': {'message': text, 'failure_type': kind} | named})
def read(): status('plants', 'STARTED'); record('plants', 1); status('plants', 'COMPLETE')
"""
FAILS_ONCE = "if run == 1: error('transient_error'); sys.exit(1)\nread()\n"
HANGS_ONCE = "status('plants', 'STARTED')\nif run == 1: time.sleep(600)\nread()\n"
# Two streams, each row with its state; the first run goes silent after two rows of the second one.
TWO_STREAMS = """
begun = {s['stream']['stream_descriptor']['name']: s['stream']['stream_state']['n'] for s in where or ()}
for stream in ('plants', 'beds'):
    status(stream, 'STARTED')
    for n in range(begun.get(stream, 0) + 1, 4 + run):
        record(stream, n); state(stream, n)
        if run == 1 and stream == 'beds' and n == 2: time.sleep(600)
    status(stream, 'COMPLETE')
"""
BODY = {"catalog": catalog("plants", incremental=True)}

Make = Callable[..., AbstractContextManager[LocalSystem]]


@pytest.fixture
def make(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Make:
    """A site whose connector runs this code; a next attempt waits for nothing but the end of the one before."""

    def made(code: str, **settings: str) -> AbstractContextManager[LocalSystem]:
        given = {"SYNCCTL_TASK_RETRY_PAUSE_SECONDS": "0"} | settings
        command = connector(tmp_path, "import pathlib\n" + SAYS + code)
        return local_system(tmp_path, database, bulker.url, {PACKAGE: command}, **given)

    return made


def runs(folder: Path) -> list[Any]:
    """The state that each run of the connector was given."""
    found = list(folder.glob("connector_*.runs"))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


def shown(place: LocalSystem, task_id: str = "task-1") -> dict[str, Any]:
    task: dict[str, Any] = get_task(place.settings, task_id)["task"]
    return task


def process_of(folder: Path, module: str) -> psutil.Process | None:
    """Who runs this module in this folder's pods."""
    for process in psutil.process_iter(["cmdline"]):
        try:
            if ["-m", module] == (process.info["cmdline"] or [])[1:3] and str(folder) in process.cwd():
                return process
        except psutil.Error:
            continue
    return None


def kill_sidecar(place: LocalSystem, folder: Path, when: Callable[[], Any]) -> None:
    """SIGKILL, once the run has come so far."""
    wait_for(when, 30, "the moment to kill the sidecar")
    place.sweep()
    found = process_of(folder, "sidecar")
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)


def nothing_left(place: LocalSystem) -> None:
    """Neither pod nor Secret of any attempt."""
    wait_for(lambda: not place.swept_pods(), 30, "no pod")
    assert [path for path in (place.pods._pods.parent / "secrets").iterdir() if path.suffix != ".lock"] == []


def test_a_transient_error_is_started_again(make: Make, database: TestDatabase, bulker: FakeBulker) -> None:
    """It ends SUCCESS under the same task, the caller's row runs all the while, and the first attempt stays visible."""
    with make(FAILS_ONCE) as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: place.sweep() and shown(place)["attempt"] == 2, 30, "another attempt")
        assert database.rows("SELECT status FROM source_task") == [{"status": "RUNNING"}]
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], task["failure"], task["attempt"]) == ("SUCCESS", None, 2)
    [first] = task["attempts"]
    assert {key: first[key] for key in ("attempt", "kind", "origin", "retryable")} == {
        "attempt": 1,
        "kind": "transient_error",
        "origin": "source",
        "retryable": True,
    }
    assert "no luck" in first["message"]
    assert first["endedAt"].endswith("Z")
    assert bulker.rows("plants") == [{"id": 1}]
    assert database.rows("SELECT status FROM source_task") == [{"status": "SUCCESS"}]


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("error('config_error'); sys.exit(1)", "config_error"),
        ("error('system_error'); sys.exit(1)", "source_error"),
        ("sys.exit(3)", "source_exit"),
        ("read(); error('config_error', 'plants')", "config_error"),
    ],
)
def test_what_would_only_fail_again_is_not(make: Make, tmp_path: Path, says: str, kind: str) -> None:
    """One run, and the reason with what to do about it."""
    with make(says) as place:
        task = place.run(read_task(body=BODY))
    assert task["state"] in {"FAILED", "PARTIAL"}
    assert (task["failure"]["kind"], task["failure"]["retryable"]) == (kind, False)
    assert task["failure"]["message"] == task["reason"]
    assert task["failure"]["advice"]
    assert (task["attempt"], task["attempts"], len(runs(tmp_path))) == (1, [], 1)


def test_a_summary_at_the_end_does_not_hide_a_transient_error(make: Make) -> None:
    """Connectors close with a config_error that counts the streams that failed; the first error is the cause."""
    once = (
        "if run == 1: error('transient_error', 'plants'); error('config_error', text='1 failed'); sys.exit(1)\nread()"
    )
    with make(once) as place:
        task = place.run(read_task(body=BODY))
    assert (task["state"], [one["kind"] for one in task["attempts"]]) == ("SUCCESS", ["transient_error"])


@pytest.mark.parametrize("retries", [0, 1])
def test_retries_come_to_an_end(make: Make, tmp_path: Path, retries: int) -> None:
    """After so many of them the last failure is the task's, and the others are listed."""
    with make("error('transient_error'); sys.exit(1)", SYNCCTL_TASK_RETRIES=str(retries)) as place:
        task = place.run(read_task(body=BODY))
        nothing_left(place)
    assert (task["state"], task["failure"]["kind"], task["attempt"]) == ("FAILED", "transient_error", retries + 1)
    assert len(task["attempts"]) == retries
    assert len(runs(tmp_path)) == retries + 1


def test_another_command_is_never_started_again(make: Make) -> None:
    """Whoever asked is still there to ask again."""
    with make("error('transient_error'); sys.exit(1)") as place:
        started = place.start(other_task("discover"))
        task = place.finish(started.task_id)
    assert (task["state"], task["failure"]["kind"], task["attempts"]) == ("FAILED", "transient_error", [])


@pytest.mark.fault(31)
def test_a_killed_sidecar_s_read_goes_on_from_its_state(
    make: Make, tmp_path: Path, database: TestDatabase, bulker: FakeBulker
) -> None:
    """A first run: the stream with a state adds to its table, the one without begins anew, and no row is there twice."""

    def between() -> bool:
        # The first stream is stored, and its state saved, while the second one is read.
        saved = [row["stream"] for row in database.rows("SELECT stream FROM source_state")]
        return saved == ["plants"] and shown(place)["streams"].get("beds", {}).get("emitted") == 2

    with make(TWO_STREAMS) as place:
        place.start(read_task(body={"catalog": catalog("plants", "beds", incremental=True)}))
        kill_sidecar(place, tmp_path, between)
        task = place.finish("task-1", 90)
        nothing_left(place)
    assert task["state"] == "SUCCESS", task["reason"]
    assert [one["kind"] for one in task["attempts"]] == ["sidecar_killed"]
    first, second = runs(tmp_path)
    assert first == {}
    assert [(one["stream"]["stream_descriptor"]["name"], one["stream"]["stream_state"]) for one in second] == [
        ("plants", {"n": 4})
    ]
    modes = [[bulk.mode for bulk in bulker.committed(table)] for table in ("plants", "beds")]
    assert modes == [["replace_table", "batch"], ["replace_table"]]
    assert [[row["id"] for row in bulker.rows(table)] for table in ("plants", "beds")] == [[1, 2, 3, 4, 5]] * 2


def test_what_the_caller_gave_stays_where_nothing_newer_was_saved(make: Make, tmp_path: Path) -> None:
    """Its own state is handed on; so is a configuration that the connector has changed meanwhile."""
    changes = (
        "config = json.load(open(given['--config']))\nruns.with_suffix('.configs').open('a').write(json.dumps(config) + chr(10))\n"
        "if run == 1: out(type='CONTROL', control={'type': 'CONNECTOR_CONFIG', 'emitted_at': 1.0,"
        " 'connectorConfig': {'config': {'api_key': 'second'}}}); error('transient_error'); sys.exit(1)\nread()\n"
    )
    given = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "plants"}, "stream_state": {"n": 7}}}]
    with make(changes) as place:
        task = place.run(read_task(body=BODY | {"state": given, "config": {"api_key": "first"}}))
    assert task["state"] == "SUCCESS", task["reason"]
    assert runs(tmp_path) == [given, given]
    [configs] = tmp_path.glob("*.configs")
    assert [json.loads(line)["api_key"] for line in configs.read_text().splitlines()] == ["first", "second"]


def test_a_cancel_comes_before_a_pending_attempt(make: Make, database: TestDatabase, tmp_path: Path) -> None:
    """The attempt that waits never runs, and nothing of it is left."""
    with make(FAILS_ONCE, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="600") as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: place.sweep() and shown(place)["attempt"] == 2, 30, "another attempt")
        waiting = shown(place)
        assert waiting["state"] == "PENDING"
        assert "attempt 2 of 3, after: no luck" in waiting["reason"]
        assert cancel(CancelQuery("task-1"), place.settings).state is TaskState.CANCELLED
        nothing_left(place)
        task = shown(place)
    assert (task["state"], task["failure"]["kind"], len(task["attempts"])) == ("CANCELLED", "cancelled", 1)
    assert database.rows("SELECT status FROM source_task") == [{"status": "CANCELLED"}]
    assert len(runs(tmp_path)) == 1


def test_a_repeated_request_does_not_disturb_an_attempt(make: Make) -> None:
    """It is answered as the first time, and the first attempt's pod is not made once more."""
    with make(FAILS_ONCE, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="600") as place:
        started = place.start(read_task(body=BODY))
        wait_for(lambda: place.sweep() and shown(place)["attempt"] == 2, 30, "another attempt")
        wait_for(lambda: place.sweep() and len(list(place.pods.list_pods())) == 1, 30, "one pod")
        assert place.start(read_task(body=BODY)) == started
        assert len(list(place.pods.list_pods())) == 1


@pytest.mark.fault(17)
def test_several_sweepers_at_once_make_one_attempt(make: Make, tmp_path: Path) -> None:
    """Of four, one moves the row on; the others change nothing."""
    with make(FAILS_ONCE) as place:
        place.start(read_task(body=BODY))
        ended = "SELECT 1 FROM syncctl_task WHERE proposal IS NOT NULL"
        wait_for(lambda: place.database.rows(ended), 30, "a proposal")
        wait_for(lambda: next(place.pods.list_pods()).status.phase == "Failed", 30, "the pod's end")
        barrier = threading.Barrier(4)

        def work() -> None:
            barrier.wait()
            place.sweep()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], task["attempt"], len(task["attempts"])) == ("SUCCESS", 2, 1)
    assert len(runs(tmp_path)) == 2


class Dies:
    """A cluster whose caller is killed at one verb: just before it, or just after. Once."""

    def __init__(self, real: Any, verb: str, *, after: bool) -> None:
        self._real, self._verb, self._after = real, verb, after
        self.died = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._verb or self.died:
            return real

        def dies(*arguments: Any) -> Any:
            self.died = True
            if self._after:
                real(*arguments)
            raise KeyboardInterrupt

        return dies


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("verb", ["read_secret", "create_pod", "create_secret", "delete_pod"])
def test_a_sweeper_that_dies_between_two_steps_is_followed_by_another(
    make: Make, tmp_path: Path, verb: str, *, after: bool
) -> None:
    """Whatever it had done already: the task is started again once, and ends well."""
    with make(FAILS_ONCE) as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: next(place.pods.list_pods()).status.phase == "Failed", 30, "the pod's end")
        dying = Dies(place.pods, verb, after=after)
        cluster.use(dying)
        with pytest.raises(KeyboardInterrupt):
            place.sweep()
        assert dying.died
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], task["attempt"], len(task["attempts"])) == ("SUCCESS", 2, 1)
    assert len(runs(tmp_path)) == 2


def test_a_sweeper_that_dies_at_the_last_step_loses_no_pod(make: Make) -> None:
    """The next attempt's pod and Secret are there, the row does not know yet, and the old pod goes: it is adopted."""
    with make(FAILS_ONCE, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: next(place.pods.list_pods()).status.phase == "Failed", 30, "the pod's end")
        [old] = place.pods.list_pods()
        cluster.use(Dies(place.pods, "create_secret", after=True))
        with pytest.raises(KeyboardInterrupt):
            place.sweep()
        place.pods.delete_pod(old.name, old.uid, 0)
        wait_for(lambda: place.pods.get_pod(old.name) is None, 30, "the old pod's end")
        place.database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 minute'")
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], [one["kind"] for one in task["attempts"]]) == ("SUCCESS", ["transient_error"])


@pytest.mark.parametrize("how", ["gone", "refused"])
def test_without_its_configuration_a_read_is_concluded(make: Make, tmp_path: Path, how: str) -> None:
    """The Secret was deleted, or the next pod is refused for good: the first failure is the task's."""
    with make(FAILS_ONCE) as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: next(place.pods.list_pods()).status.phase == "Failed", 30, "the pod's end")
        [pod] = place.pods.list_pods()
        if how == "gone":
            (place.pods._pods.parent / "secrets" / manifest.secret_name(pod.name)).unlink()
        else:
            cluster.use(Broken(place.pods, "create_pod", Refused("no such policy")))
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], task["failure"]["kind"], task["attempts"]) == ("FAILED", "transient_error", [])
    assert ("cannot be started again: no such policy" in task["reason"]) is (how == "refused")
    assert len(runs(tmp_path)) == 1


@pytest.mark.fault(37)
@pytest.mark.parametrize(
    ("error", "seconds"), [(Refused("no such policy"), 0), (QuotaExceeded("exceeded quota: secrets"), 400)]
)
def test_an_attempt_whose_second_secret_is_refused_ends(
    make: Make, tmp_path: Path, database: TestDatabase, error: SyncError, seconds: int
) -> None:
    """At once for good; a refusal that may pass has as long as a pod may take to start."""
    with make(FAILS_ONCE, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: place.sweep() and shown(place)["attempt"] == 2, 30, "another attempt")
        cluster.use(Broken(place.pods, "create_secret", error))
        if seconds:
            wait_for(lambda: place.sweep() and len(list(place.pods.list_pods())) == 1, 30, "the first pod's end")
            assert shown(place)["state"] == "PENDING"
            database.rows("UPDATE syncctl_task SET resume_at = resume_at - :s * interval '1 second'", s=seconds)
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], task["failure"]["kind"]) == ("FAILED", "create_failed")
    assert error.message.split(":")[0] in task["reason"]
    assert len(runs(tmp_path)) == 1


def tighten(place: LocalSystem) -> None:
    """The operator takes this task's image off the list."""
    place.settings = place.settings.model_copy(update={"allowed_images": "acme/*"})


@pytest.mark.fault(232)
@pytest.mark.parametrize("prepared", [False, True], ids=["before its pod", "before its pod begins"])
def test_an_attempt_of_an_image_that_is_no_longer_allowed_does_not_begin(
    make: Make, tmp_path: Path, *, prepared: bool
) -> None:
    """The list counts as it is then; the verdict names the setting, and the image runs no second time."""
    with make(FAILS_ONCE, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as place:
        place.start(read_task(body=BODY))
        if prepared:
            wait_for(lambda: place.sweep() and shown(place)["attempt"] == 2, 30, "another attempt")
        tighten(place)
        task = place.finish("task-1")
        nothing_left(place)
    assert task["state"] == "FAILED"
    assert f"{PACKAGE} is not among the images" in task["reason"]
    assert "SYNCCTL_ALLOWED_IMAGES" in task["failure"]["message"]
    assert len(runs(tmp_path)) == 1


def lose_before_its_secret_comes(place: LocalSystem, folder: Path) -> None:
    """A read's pod: who made it dies between the two, and then the pod's runner, as with its node."""
    cluster.use(Dies(place.pods, "create_secret", after=False))
    with pytest.raises(KeyboardInterrupt):
        place.start(read_task(body=BODY))
    runner: psutil.Process = wait_for(lambda: process_of(folder, "embedded.pods.runner"), 30, "the runner")
    runner.kill()
    wait_for(lambda: next(place.pods.list_pods()).status.phase == "Failed", 30, "the pod's end")


@pytest.mark.fault(31, 48)
def test_a_pod_lost_before_its_secret_came_leaves_the_request_its_time(make: Make, tmp_path: Path) -> None:
    """The same request, repeated, still goes on to the end."""
    with make("read()\n") as place:
        lose_before_its_secret_comes(place, tmp_path)
        place.sweep()
        place.start(read_task(body=BODY))
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], [one["kind"] for one in task["attempts"]]) == ("SUCCESS", ["node_lost"])


@pytest.mark.fault(31)
def test_a_pod_lost_without_a_secret_that_nobody_brings_is_concluded(make: Make, tmp_path: Path) -> None:
    """And whoever repeats the request too late is told that nothing was started."""
    with make("read()\n") as place:
        lose_before_its_secret_comes(place, tmp_path)
        place.database.rows("UPDATE syncctl_task SET created_at = now() - interval '1 minute'")
        task = place.finish("task-1")
        with pytest.raises(Conflict, match="could not be started before"):
            place.start(read_task(body=BODY))
        nothing_left(place)
    assert (task["state"], task["failure"]["kind"], task["attempts"]) == ("FAILED", "node_lost", [])


def test_no_attempt_begins_after_the_task_s_time(make: Make) -> None:
    """The time limit is for all attempts together."""
    with make(FAILS_ONCE) as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: next(place.pods.list_pods()).status.phase == "Failed", 30, "the pod's end")
        place.database.rows("UPDATE syncctl_task SET created_at = now() - interval '49 hours'")
        task = place.finish("task-1")
    assert (task["state"], task["failure"]["kind"], task["attempts"]) == ("FAILED", "transient_error", [])


class Drained:
    """The real cluster, where one pod is shown as one that an eviction through the API has just begun to end."""

    def __init__(self, real: Any, name: str) -> None:
        self._real, self._name = real, name
        self.deleted: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def _shown(self, pod: Pod | None) -> Pod | None:
        if pod is None or pod.name != self._name:
            return pod
        target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}
        status = msgspec.to_builtins(pod.status) | {"conditions": [target]}
        return changed(pod, {"metadata": {"deletionTimestamp": "2999-01-01T00:00:00Z"}, "status": status})

    def get_pod(self, name: str) -> Pod | None:
        return self._shown(self._real.get_pod(name))

    def list_pods(self) -> Iterator[Pod]:
        return (pod for found in self._real.list_pods() if (pod := self._shown(found)))

    def delete_pod(self, name: str, uid: str, grace_seconds: int) -> None:
        self.deleted.append(name)
        self._real.delete_pod(name, uid, grace_seconds)


@pytest.mark.fault(28)
def test_a_drained_pod_s_read_is_carried_over_while_the_pod_still_ends(make: Make, tmp_path: Path) -> None:
    """The next pod is made at once, since the old one takes its Secret along; it runs only when the old one is gone."""
    with make(HANGS_ONCE) as place:
        place.start(read_task(body=BODY))
        wait_for(lambda: len(runs(tmp_path)) == 1, 30, "the first run")
        [old] = place.pods.list_pods()
        cluster.use(drained := Drained(place.pods, old.name))
        for _ in range(3):
            place.sweep()
        assert shown(place)["attempt"] == 2
        assert len(list(place.pods.list_pods())) == 2
        held = "SELECT resume_at IS NOT NULL AND resume_at <= now() AS held FROM syncctl_task"
        assert place.database.rows(held) == [{"held": True}]  # not by the pause: by the pod that still ends
        assert (len(runs(tmp_path)), drained.deleted) == (1, [])
        place.pods.delete_pod(old.name, old.uid, 5)
        task = place.finish("task-1")
        nothing_left(place)
    assert (task["state"], [one["kind"] for one in task["attempts"]]) == ("SUCCESS", ["evicted"])


# What the sidecar leaves for the sweep.


def _proposal(sidecar: SidecarProcess) -> dict[str, Any]:
    text = sidecar.ours["proposal"]
    assert text is not None
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.fault(30)
@pytest.mark.parametrize(("exit_code", "kind"), [(137, "source_killed"), (None, "source_killed"), (1, "source_exit")])
def test_a_killed_source_s_end_is_only_proposed(sidecar: SidecarProcess, exit_code: int | None, kind: str) -> None:
    """The rows stay active: the pod's status will say whether it was memory, of which a child may have died alone."""
    sidecar.give(catalog=catalog("plants", incremental=True), config={}, state=[{}])
    with sidecar.start() as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb") as out:
            out.write(lines([status("plants", "STARTED"), record("plants", {"id": 1}), state("plants", {"n": 1})]))
        sidecar.leave(exit_code)
        assert process.wait(60) == 0
    assert (sidecar.task["status"], sidecar.ours["state"]) == ("RUNNING", "RUNNING")
    proposed = _proposal(sidecar)
    assert (proposed["failure"]["kind"], proposed["streams"]["plants"]["stored"]) == (kind, 1)
    assert sidecar.states == {"plants": {"n": 1}}
    sidecar.sweep()
    assert (sidecar.task["status"], sidecar.ours["failure"]["kind"], sidecar.ours["proposal"]) == (
        "PARTIAL",
        kind,
        None,
    )


def _swept(sidecar: SidecarProcess, at: float, active: float = 0) -> None:
    """There was a sweep, or will be one, so many seconds from now."""
    sidecar.database.rows(
        "INSERT INTO syncctl_sweep (id, data_plane, swept_at, seconds, pods, active, concluded, deleted,"
        " unreadable, orphaned_rows) VALUES (1, 'here', now() + :n * interval '1 second', 1, 0, :active, 0, 0, 0, 0)",
        n=at, active=active,
    )  # fmt: skip


def _killed(sidecar: SidecarProcess, seconds: str, **sweep: float) -> None:
    """A killed source; its sidecar waits so long for a sweep."""
    if sweep:
        _swept(sidecar, **sweep)
    sidecar.give(catalog=catalog("plants"), config={}, state={})
    with sidecar.start(SWEEP_WAIT_SECONDS=seconds, GRACE_SECONDS="2") as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb") as out:
            out.write(lines([status("plants", "STARTED"), record("plants", {"id": 1})]))
        sidecar.leave(137)
        if seconds == "600" and sweep["at"] < 0 and not sweep.get("active"):
            wait_for(lambda: sidecar.ours["proposal"], 30, "a proposal")
            process.terminate()
        assert process.wait(60) == 0


@pytest.mark.fault(123)
@pytest.mark.parametrize(
    ("seconds", "data_plane", "sweep"),
    [
        ("1", None, {}),
        ("1", "here", {"at": -5}),  # it saw nothing active: the next one may be far
        ("1", "here", {"at": -600, "active": 1}),
        ("1", "elsewhere", {"at": 3600}),
        ("1", "elsewhere", {"at": -5, "active": 1}),
        ("600", "here", {"at": -5}),
    ],
)
def test_a_sidecar_that_no_sweep_follows_concludes_by_itself(
    sidecar: SidecarProcess, seconds: str, data_plane: str | None, sweep: dict[str, float]
) -> None:
    """After its time, or at the end of its pod's: neither table is left RUNNING. Another data plane's sweep is none."""
    sidecar.database.rows("UPDATE syncctl_task SET data_plane = :d", d=data_plane)
    _killed(sidecar, seconds, **sweep)
    assert (sidecar.task["status"], sidecar.ours["state"]) == ("FAILED", "FAILED")
    assert sidecar.ours["failure"]["kind"] == "source_killed"
    assert sidecar.ours["streams"]["plants"]["status"] == "FAILED"
    assert [line for line in sidecar.log if "No sweep came" in line]


@pytest.mark.fault(123, 261)
@pytest.mark.parametrize("sweep", [{"at": 3600}, {"at": -5, "active": 1}])
@pytest.mark.parametrize("data_plane", [None, "here"])
def test_a_sidecar_that_a_sweep_follows_leaves_it_to_that(
    sidecar: SidecarProcess, data_plane: str | None, sweep: dict[str, float]
) -> None:
    """The platform may know better. Where sweeps go on, the sidecar ends at once: its pod's end calls the next one."""
    sidecar.database.rows("UPDATE syncctl_task SET data_plane = :d", d=data_plane)
    _killed(sidecar, "600", **sweep)
    assert (sidecar.task["status"], sidecar.ours["state"], bool(sidecar.ours["proposal"])) == (
        "RUNNING",
        "RUNNING",
        True,
    )


@pytest.mark.fault(28, 261)
def test_a_sidecar_that_is_stopped_waits_for_a_sweep_of_its_own(sidecar: SidecarProcess) -> None:
    """A drained pod takes its Secret along: a sweep has to copy that while the pod is there, so an earlier one is none."""
    _swept(sidecar, at=-5, active=1)
    sidecar.give(catalog=catalog("plants"), config={}, state={})
    with sidecar.start(SWEEP_WAIT_SECONDS="600", GRACE_SECONDS="2") as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb", buffering=0) as out:
            out.write(lines([status("plants", "STARTED"), record("plants", {"id": 1}), log("so far")]))
            wait_for(lambda: "INFO so far" in sidecar.log, what="the first line")
            process.terminate()
            assert process.wait(60) == 0
    assert [line for line in sidecar.log if "No sweep came" in line]


def test_without_our_tables_every_end_is_written_at_once(sidecar: SidecarProcess, database: TestDatabase) -> None:
    """Another controller's database: nobody would read a proposal."""
    database.rows("DROP TABLE syncctl_task CASCADE")
    sidecar.give(catalog=catalog("plants"), config={}, state={})
    sidecar.play([status("plants", "STARTED"), record("plants", {"id": 1})], exit_code=137)
    assert sidecar.task["status"] == "FAILED"
    assert "exit code 137" in sidecar.task["description"]


@pytest.mark.fault(56, 57)
def test_a_bulker_that_is_away_is_a_reason_to_try_again(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """And one that refuses is none."""
    for code, kind, provisional in ((500, "bulker_away", True), (400, "bulker_refused", False)):
        bulker.answer = lambda _, code=code: (code, {"error": "no table"})  # type: ignore[misc] # the loop's own
        sidecar.give(catalog=catalog("plants"), config={}, state={})
        sidecar.database.rows("UPDATE syncctl_task SET state = 'RUNNING', proposal = NULL, failure = NULL")
        with sidecar.start() as process:
            sidecar.stderr.open("wb").close()
            with sidecar.stdout.open("wb") as out:
                out.write(lines([record("plants", {"id": 1}), status("plants", "COMPLETE")]))
            sidecar.leave(0)
            assert process.wait(60) == 0
        ours = sidecar.ours
        assert (ours["proposal"] is not None) is provisional
        found = _proposal(sidecar)["failure"] if provisional else ours["failure"]
        assert (found["kind"], "no table" in found["message"]) == (kind, True)
        sidecar.exit_code_file.unlink()


@pytest.mark.fault(27)
def test_a_superseded_sidecar_ends_and_says_nothing(sidecar: SidecarProcess, database: TestDatabase) -> None:
    """On a node that was lost it may go on: once it sees that the task is at its next attempt, it stops by itself."""
    sidecar.give(catalog=catalog("plants", incremental=True), config={}, state=[{}])
    with sidecar.start(GRACE_SECONDS="4") as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb", buffering=0) as out:
            out.write(lines([status("plants", "STARTED"), record("plants", {"id": 1}), log("so far")]))
            wait_for(lambda: "INFO so far" in sidecar.log, what="the first line")
            database.rows("UPDATE syncctl_task SET attempt = 2, state = 'PENDING'")
            assert process.wait(60) == 0
    assert (sidecar.ours["state"], sidecar.ours["proposal"], sidecar.ours["attempt"]) == ("PENDING", None, 2)
    assert sidecar.task["status"] == "RUNNING"
