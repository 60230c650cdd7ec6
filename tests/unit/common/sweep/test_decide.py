"""What a sweep decides about a pod and its row, case by case, without a cluster and without a database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from common.cluster.objects import Condition as PodCondition
from common.cluster.objects import ContainerState, ContainerStatus, Metadata, Pod, Running, Status, Terminated, Waiting
from common.failures import Failure, FailureKind
from common.pods import annotations
from common.pods.diagnosis import Limits
from common.pods.options import Options
from common.protocol.commands import Command
from common.store import Outcome, Task, TaskState
from common.store.sweeps import SweptTask
from common.store.waiting import Waits, WaitsFor
from common.sweep.decide import Rules, decide, decide_missing, is_overdue
from common.sweep.decisions import Conclude, Deletion, Keep, MarkRunning, NoteWaiting, Release, Retry
from common.tasks.start import WAITS

NOW = 1_790_000_000.0
RULES = Rules(NOW, Limits(180, 48 * 3600, 3720), task_retries=2, grace_seconds=60, trust_silence=True)
TASK = Task(Command.READ, "t1", "airbyte/source-garden", "1.4.0", "s1", started_at=int(NOW) - 300)
ROW = SweptTask(TASK, TaskState.RUNNING, "p1", age_seconds=300.0)
RUNS = ContainerState(running=Running())
SOON, LATER = Deletion("p1", "u1", 8), Deletion("p1", "u1", 60)
EVICTED = Status(phase="Failed", reason="Evicted", message="low on memory")


def ended(code: int) -> ContainerState:
    return ContainerState(terminated=Terminated(exit_code=code, reason="Error" if code else "Completed"))


def waits(reason: str, message: str = "") -> ContainerState:
    return ContainerState(waiting=Waiting(reason, message))


def status(phase: str, source: ContainerState, sidecar: ContainerState) -> Status:
    names = {"source": source, "sidecar": sidecar}
    return Status(phase=phase, container_statuses=tuple(ContainerStatus(name, state) for name, state in names.items()))


RUNNING = status("Running", RUNS, RUNS)
BROKEN = status("Failed", ended(1), ended(0))


def pod(found: Status = RUNNING, task: Task | None = TASK, **metadata: Any) -> Pod:
    notes = annotations.build(task, "") if task else {}
    return Pod(Metadata(**{"name": "p1", "uid": "u1", "annotations": notes} | metadata), status=found)


def row(state: TaskState = TaskState.RUNNING, **known: Any) -> SweptTask:
    return structs.replace(ROW, state=state, **known)


def note(kind: WaitsFor, text: str) -> NoteWaiting:
    return NoteWaiting("t1", Waits(kind, WAITS + text))


def _pull(reason: str) -> NoteWaiting:
    return note(WaitsFor.IMAGE, f"source: {reason}")


def proposal(kind: FailureKind | None, **known: Any) -> Outcome:
    if kind is None:
        return Outcome(TaskState.SUCCESS, **known)
    return Outcome(TaskState.FAILED, reason="as proposed", failure=Failure(kind, "as proposed"), **known)


def ending(found: Status = RUNNING) -> Pod:
    """A pod that a drain has begun to end."""
    target = PodCondition("DisruptionTarget", "True", "EvictionByEvictionAPI", "drained")
    return pod(structs.replace(found, conditions=(target,)), deletion_timestamp="2999-01-01T00:00:00Z")


def test_a_running_pod_is_kept() -> None:
    assert decide(pod(), ROW, RULES) == Keep()


@pytest.mark.parametrize(
    ("state", "finished", "found", "expected"),
    [
        (TaskState.SUCCESS, 1.0, RUNNING, Keep()),  # its sidecar still sends log lines
        (TaskState.SUCCESS, 11.0, RUNNING, Keep(active=False, deletion=LATER)),
        (TaskState.CANCELLED, 1.0, RUNNING, Keep(active=False, deletion=LATER)),
        (TaskState.SUCCESS, 1.0, BROKEN, Keep(active=False, deletion=SOON)),
        (TaskState.FAILED, None, BROKEN, Keep(active=False, deletion=SOON)),
    ],
)
def test_the_pod_of_a_concluded_task_is_deleted(
    state: TaskState, finished: float | None, found: Status, expected: Keep
) -> None:
    """At once where it ended or was cancelled, else after a while; a running sidecar gets time to save."""
    assert decide(pod(found), row(state, finished_seconds=finished), RULES) == expected


def test_a_pod_that_is_ending_already_keeps_its_grace() -> None:
    """Another deletion would shorten it."""
    gone = pod(BROKEN, deletion_timestamp="2026-09-21T10:00:00Z")
    assert decide(gone, row(TaskState.CANCELLED), RULES) == Keep(active=False)


@pytest.mark.parametrize(
    ("attempt", "state", "expected"),
    [
        (1, TaskState.RUNNING, Keep(deletion=SOON)),
        (3, TaskState.RUNNING, Keep()),
        (3, TaskState.FAILED, Keep(deletion=SOON)),
    ],
)
def test_a_pod_of_another_attempt(attempt: int, state: TaskState, expected: Keep) -> None:
    """An earlier one goes; a later one may just be made by another sweeper, unless the task is over."""
    found = row(state, pod_name="p2", task=structs.replace(TASK, attempt=2))
    assert decide(pod(BROKEN, structs.replace(TASK, attempt=attempt)), found, RULES) == expected


def test_a_pod_without_a_row_is_concluded_by_its_annotations() -> None:
    """It is never started again: there is no row to go on to the next attempt."""
    decided = decide(pod(EVICTED), None, RULES)
    assert isinstance(decided, Conclude)
    assert (decided.task, decided.deletion) == (TASK, SOON)
    assert decided.outcome.failure is not None
    assert decided.outcome.failure.kind is FailureKind.EVICTED
    assert decided.outcome.description == f"FAILED: {decided.outcome.reason}"


@pytest.mark.parametrize(
    ("found", "task", "expected"),
    [
        (RUNNING, TASK, Keep()),
        (RUNNING, None, Keep(unreadable=True)),
        (BROKEN, None, Keep(active=False, unreadable=True, deletion=SOON)),
    ],
)
def test_a_pod_that_nothing_names(found: Status, task: Task | None, expected: Keep) -> None:
    """It is counted, and deleted once it ended."""
    assert decide(pod(found, task), None, RULES) == expected


def test_a_pod_s_end_alone_concludes_a_task_without_a_proposal() -> None:
    """With the container whose log explains more."""
    decided = decide(pod(status("Failed", ended(1), ended(2))), ROW, RULES)
    assert isinstance(decided, Conclude)
    assert (decided.wants_log, decided.pod_name, decided.deletion) == ("source", "p1", SOON)
    assert decided.outcome.failure is not None
    assert "The task ended without writing its result." in decided.outcome.failure.message


@pytest.mark.parametrize(("command", "prefix"), [(Command.CHECK, "FAILED: "), (Command.DISCOVER, "")])
def test_a_discover_s_description_has_no_first_word(command: Command, prefix: str) -> None:
    """As the caller's console shows it (contract.md B)."""
    decided = decide(pod(BROKEN), row(task=structs.replace(TASK, command=command)), RULES)
    assert isinstance(decided, Conclude)
    assert decided.outcome.description == f"{prefix}{decided.outcome.reason}"


def test_the_first_pull_error_stays_in_the_reason() -> None:
    """The back-off after it says less."""
    pulls = Status(container_statuses=(ContainerStatus("source", waits("ImagePullBackOff", "Back-off pulling image")),))
    found = row(TaskState.PENDING, reason=f"{WAITS}source: ErrImagePull: unauthorized")
    once = structs.replace(RULES, task_retries=0)
    decided = decide(pod(pulls, creation_timestamp="2020-01-01T00:00:00Z"), found, once)
    assert isinstance(decided, Conclude)
    assert "It began with source: ErrImagePull: unauthorized;" in decided.outcome.reason


@pytest.mark.parametrize("kind", [None, FailureKind.SOURCE_EXIT, FailureKind.CONFIG_ERROR])
def test_a_proposal_stands_where_the_containers_ended_in_order(kind: FailureKind | None) -> None:
    """The sidecar knows the connector's own words."""
    proposed = proposal(kind)
    decided = decide(pod(BROKEN), row(proposal=proposed), RULES)
    assert decided == Conclude(TASK, proposed, deletion=SOON)


def test_the_platform_s_reason_replaces_what_the_sidecar_took_for_the_cause() -> None:
    """In the reason, and in the errors of the streams that name it."""
    streams = {
        "a": {"stored": 1, "bytes": 2, "status": "PARTIAL", "error": "x: exit code 137."},
        "b": {"stored": 1, "bytes": 2, "status": "SUCCESS", "error": ""},
    }
    proposed = proposal(FailureKind.SOURCE_KILLED, streams=streams, cause="exit code 137.")
    decided = decide(pod(EVICTED), row(proposal=proposed), structs.replace(RULES, task_retries=0))
    assert isinstance(decided, Conclude)
    outcome = decided.outcome
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.reason) == (FailureKind.EVICTED, outcome.failure.sentence)
    assert outcome.streams is not None
    assert outcome.streams["a"]["error"] == f"x: {outcome.reason}"
    assert outcome.streams["b"] == streams["b"]
    assert outcome.reason in outcome.description


def by_memory(code: int, message: str = "") -> Pod:
    """A pod whose source was killed for memory, whatever its exit code says."""
    state = ContainerState(terminated=Terminated(exit_code=code, reason="OOMKilled", message=message))
    return pod(status("Failed", state, ended(0)))


@pytest.mark.fault(30)
def test_what_the_sidecar_reports_stands_beside_a_better_sign() -> None:
    """An error of the connector's own, or an exit code, and that memory ran out: the reason names both."""
    streams = {"a": {"stored": 1, "bytes": 2, "status": "PARTIAL", "error": "a worker died"}}
    for kind in (FailureKind.SOURCE_ERROR, FailureKind.SOURCE_EXIT):
        proposed = Outcome(
            TaskState.PARTIAL,
            "a worker died",
            streams=streams,
            failure=Failure(kind, "a worker died"),
            cause="a worker died",
        )
        decided = decide(by_memory(1), row(proposal=proposed), RULES)
        assert isinstance(decided, Conclude)
        outcome = decided.outcome
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.OUT_OF_MEMORY
        assert outcome.failure.message == (
            "source ran out of memory at unknown (OOMKilled, with exit code 1); the sidecar reports: a worker died"
        )
        assert outcome.streams is not None
        assert outcome.streams["a"]["error"] == outcome.reason
    stands = proposal(FailureKind.BULKER_REFUSED)
    assert decide(by_memory(0), row(proposal=stands), RULES) == Conclude(TASK, stands, deletion=SOON)


def test_a_termination_message_stands_beside_what_the_sidecar_reports() -> None:
    """The sidecar does not see it; one that the report has already is not repeated."""
    said = ContainerState(terminated=Terminated(exit_code=3, reason="Error", message="no licence"))
    found = pod(status("Failed", said, ended(0)))
    decided = decide(found, row(proposal=proposal(FailureKind.SOURCE_EXIT)), RULES)
    assert isinstance(decided, Conclude)
    assert decided.outcome.failure == Failure(
        FailureKind.SOURCE_EXIT, "as proposed; the source's termination message: no licence"
    )
    known = structs.replace(proposal(FailureKind.SOURCE_EXIT), reason="exit code 3: no licence")
    assert decide(found, row(proposal=known), RULES) == Conclude(TASK, known, deletion=SOON)


def test_a_read_that_may_pass_is_started_again() -> None:
    """Otherwise it ends as it would have without; the ended pod goes either way."""
    decided = decide(pod(EVICTED), ROW, RULES)
    assert isinstance(decided, Retry)
    assert (decided.row, decided.failure.kind, decided.deletion) == (ROW, FailureKind.EVICTED, SOON)
    assert (decided.awaits_secret, decided.pod_gone) == (False, False)
    assert decided.otherwise == decide(pod(EVICTED), ROW, structs.replace(RULES, task_retries=0))


def test_a_proposal_s_kind_decides_whether_it_is_started_again() -> None:
    proposed = proposal(FailureKind.TRANSIENT_ERROR, provisional=True)
    decided = decide(pod(BROKEN), row(proposal=proposed), RULES)
    assert isinstance(decided, Retry)
    assert decided.failure == proposed.failure
    assert decided.otherwise == Conclude(TASK, proposed, deletion=SOON)


@pytest.mark.parametrize(
    "known",
    [
        {"task": structs.replace(TASK, attempt=3)},
        {"task": structs.replace(TASK, command=Command.CHECK)},
        {"age_seconds": 48 * 3600.0 + 1},
    ],
)
def test_what_is_not_started_again(known: dict[str, Any]) -> None:
    """After the last attempt, any other command, and a task whose time is over."""
    assert isinstance(decide(pod(EVICTED), row(**known), RULES), Conclude)


@pytest.mark.parametrize(("age", "awaits"), [(29.0, True), (31.0, False)])
def test_a_pod_that_was_lost_before_its_secret_came(age: float, awaits: bool) -> None:
    """Its request may still bring the Secret."""
    decided = decide(pod(EVICTED), row(TaskState.PENDING, age_seconds=age), RULES)
    assert isinstance(decided, Retry)
    assert decided.awaits_secret is awaits


def test_a_drained_pod_is_replaced_while_it_ends() -> None:
    """Its Secret goes with it; without one it goes on to its end."""
    decided = decide(ending(), ROW, RULES)
    assert isinstance(decided, Retry)
    assert (decided.failure.kind, decided.otherwise, decided.deletion) == (FailureKind.EVICTED, Keep(), None)
    assert decide(ending(), ROW, structs.replace(RULES, task_retries=0)) == Keep()


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, Keep()), (-0.1, None)])
def test_a_prepared_attempt_is_released_after_its_pause(seconds: float, expected: Keep | None) -> None:
    """Not before: its pod waits."""
    second = row(TaskState.PENDING, task=structs.replace(TASK, attempt=2), attempt_seconds=9.0, waits_seconds=seconds)
    assert decide(pod(), second, RULES) == (expected or Release(second, "u1"))


def test_a_pause_does_not_count_as_time_to_start() -> None:
    """The limit begins when the attempt may."""
    second = row(TaskState.PENDING, attempt_seconds=1000.0, waits_seconds=1.0)
    old = pod(Status(start_time="2020-01-01T00:00:00Z"), creation_timestamp="2020-01-01T00:00:00Z")
    assert decide(old, second, RULES) == Keep()
    assert not isinstance(decide(old, structs.replace(second, waits_seconds=None), RULES), Keep)


def test_a_pending_task_whose_pod_runs_is_marked() -> None:
    assert decide(pod(), row(TaskState.PENDING), RULES) == MarkRunning("t1")


@pytest.mark.parametrize(
    ("noted", "reason", "expected"),
    [
        ("", "ErrImagePull", _pull("ErrImagePull")),
        (f"{WAITS}source: ErrImagePull", "ErrImagePull", Keep()),
        (f"{WAITS}source: ErrImagePull", "ImagePullBackOff", Keep()),
        ("", "ImagePullBackOff", _pull("ImagePullBackOff")),
        ("", "ContainerCreating", Keep()),
        # Another thing that it waited for before does not hide it.
        (f"{WAITS}no node takes it (full)", "ImagePullBackOff", _pull("ImagePullBackOff")),
        (f"{WAITS}init: ErrImagePull", "ImagePullBackOff", _pull("ImagePullBackOff")),
        (f"{WAITS}attempt 2 of 3, after: x", "ImagePullBackOff", _pull("ImagePullBackOff")),
    ],
)
def test_what_a_pod_waits_for_is_noted_once(noted: str, reason: str, expected: Keep | NoteWaiting) -> None:
    """The first pull error says more than the back-off after it."""
    found = Status(container_statuses=(ContainerStatus("source", waits(reason)),))
    assert decide(pod(found), row(TaskState.PENDING, reason=noted, age_seconds=5.0), RULES) == expected


def test_images_are_being_pulled_once_init_has_ended() -> None:
    """The kubelet says of source and sidecar what it says from the start; init waits for its Secret."""
    init = ContainerStatus("init", ended(0))
    others = tuple(ContainerStatus(name, waits("PodInitializing")) for name in ("source", "sidecar"))
    pulling = Status(init_container_statuses=(init,), container_statuses=others)
    both = note(WaitsFor.IMAGE, "the images of source and sidecar are being pulled")
    assert decide(pod(pulling), row(TaskState.PENDING), RULES) == both
    assert decide(pod(pulling), row(TaskState.PENDING, reason=both.waits.text), RULES) == Keep()
    one = structs.replace(pulling, container_statuses=(others[0], ContainerStatus("sidecar", RUNS)))
    only = note(WaitsFor.IMAGE, "the image of source is being pulled")
    assert decide(pod(one), row(reason=both.waits.text), RULES) == only
    assert decide(pod(one), row(TaskState.PENDING, reason=_pull("ErrImagePull").waits.text), RULES) == only
    making = ContainerStatus("init", waits("ContainerCreating", "waiting for the Secret p1-config"))
    early = structs.replace(pulling, init_container_statuses=(making,))
    secret = note(WaitsFor.CONTAINER, "init: ContainerCreating: waiting for the Secret p1-config")
    assert decide(pod(early), row(TaskState.PENDING), RULES) == secret


@pytest.mark.fault(32)
def test_an_image_that_cannot_be_pulled_is_noted_while_the_sidecar_runs() -> None:
    """Its reports have made the row RUNNING; the pod is Pending as long as its source waits."""
    waiting = status("Pending", waits("ErrImagePull", "unauthorized"), RUNS)
    noted = f"{WAITS}source: ErrImagePull: unauthorized"
    assert decide(pod(waiting), row(age_seconds=5.0), RULES) == _pull("ErrImagePull: unauthorized")
    assert decide(pod(waiting), row(age_seconds=5.0, reason=noted), RULES) == Keep()
    assert decide(pod(), row(reason=noted), RULES) == MarkRunning("t1")
    assert decide(pod(), row(), RULES) == Keep()


@pytest.mark.fault(35)
def test_waiting_for_a_node_is_noted_until_one_has_the_pod() -> None:
    """And is no reason to give up before its own time limit, which begins again with a later attempt."""
    full = PodCondition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available")
    unscheduled = Status(conditions=(full,))
    noted = f"{WAITS}no node takes it (0/3 nodes are available)"
    waiting = row(TaskState.PENDING, age_seconds=3000.0)
    assert decide(pod(unscheduled), waiting, RULES) == note(WaitsFor.NODE, "no node takes it (0/3 nodes are available)")
    assert decide(pod(unscheduled), structs.replace(waiting, reason=noted), RULES) == Keep()
    creating = Status(start_time="2999-01-01T00:00:00Z")
    has_one = note(WaitsFor.CONTAINER, "a node has it and makes its containers")
    assert decide(pod(creating), structs.replace(waiting, reason=noted), RULES) == has_one
    old = pod(unscheduled, creation_timestamp="2020-01-01T00:00:00Z")
    late = decide(old, structs.replace(waiting, age_seconds=3601.0), RULES)
    assert isinstance(late, Retry)
    assert late.failure.kind is FailureKind.UNSCHEDULABLE
    second = structs.replace(waiting, age_seconds=7000.0, attempt_seconds=3000.0)
    assert isinstance(decide(old, second, RULES), NoteWaiting)


@pytest.mark.fault(434)
@pytest.mark.parametrize("silent", [None, 31.0])
def test_a_sidecar_that_reports_nothing_is_noted_once(silent: float | None) -> None:
    """Whether it never did, or no longer does; the row says so until it reports, and is never concluded by that."""
    long_ago = datetime.fromtimestamp(NOW - 31, UTC).isoformat()
    mute = status("Running", RUNS, ContainerState(running=Running(long_ago)))
    assert decide(pod(mute), row(TaskState.PENDING, silent_seconds=silent), RULES) == MarkRunning("t1")
    found = decide(pod(mute), row(silent_seconds=silent), RULES)
    assert isinstance(found, NoteWaiting)
    assert found.waits.kind is WaitsFor.REPORT
    assert "sidecar: it does not report" in found.waits.text
    assert "SYNCCTL_SIDECAR_DATABASE_URL" in found.waits.text
    assert decide(pod(mute), row(silent_seconds=silent, reason=found.waits.text), RULES) == Keep()
    assert decide(pod(mute), row(silent_seconds=2.0, reason=found.waits.text), RULES) == MarkRunning("t1")
    # The sweep's own Postgres was away, the sidecar has just begun, or another controller's does not report at all.
    distrusting = structs.replace(RULES, trust_silence=False)
    begun = status("Running", RUNS, ContainerState(running=Running(datetime.fromtimestamp(NOW - 5, UTC).isoformat())))
    others = [
        decide(pod(mute), row(silent_seconds=silent), distrusting),
        decide(pod(begun), row(silent_seconds=silent), RULES),
        decide(pod(mute), row(silent_seconds=silent, adopted=True), RULES),
    ]
    assert not any(isinstance(other, NoteWaiting) for other in others)


def test_silence_counts_only_while_postgres_was_there() -> None:
    """Else the sidecar had nobody to report to."""
    silent = row(silent_seconds=4000.0)
    assert isinstance(decide(pod(), silent, RULES), Retry)
    assert decide(pod(), silent, structs.replace(RULES, trust_silence=False)) == Keep()


@pytest.mark.parametrize(
    ("state", "reason", "age", "idle", "expected"),
    [
        (TaskState.RUNNING, "", 29.0, 29.0, False),
        (TaskState.RUNNING, "", 31.0, 0.0, True),
        (TaskState.PENDING, "exceeded quota", 300.0, 179.0, False),
        (TaskState.PENDING, "exceeded quota", 300.0, 181.0, True),
        (TaskState.PENDING, f"{WAITS}source: ErrImagePull", 300.0, 0.0, True),
    ],
)
def test_when_a_missing_pod_is_asked_for(
    state: TaskState,
    reason: str,
    age: float,
    idle: float,
    expected: bool,
) -> None:
    """Not while a request may still be making it, or may be repeated after a quota."""
    assert is_overdue(row(state, reason=reason, age_seconds=age, idle_seconds=idle), RULES.limits) is expected


@pytest.mark.parametrize(
    ("state", "reason", "kind", "text"),
    [
        (TaskState.RUNNING, "", FailureKind.DELETED, "The task's pod is gone"),
        (TaskState.PENDING, f"{WAITS}a node", FailureKind.DELETED, "The task's pod is gone"),
        (TaskState.PENDING, "", FailureKind.DELETED, "The task's pod was never created"),
        (TaskState.PENDING, "exceeded quota: pods", FailureKind.QUOTA, "could not be created within 3 min: exceeded"),
        (TaskState.PENDING, "Kubernetes is away", FailureKind.NOT_STARTED, "could not be created within 3 min"),
    ],
)
def test_why_a_pod_is_missing(state: TaskState, reason: str, kind: FailureKind, text: str) -> None:
    """Deleted, or never created; a next attempt that is there already is taken all the same."""
    found = row(state, reason=reason)
    decided = decide_missing(found, RULES)
    assert isinstance(decided, Retry)
    assert (decided.pod_gone, decided.failure.kind) == (True, kind)
    # How many attempts it may have, only its pods know.
    assert decide_missing(found, structs.replace(RULES, task_retries=0)) == decided
    conclude = decide_missing(structs.replace(found, adopted=True), RULES)
    assert conclude == decided.otherwise
    assert isinstance(conclude, Conclude)
    assert text in conclude.outcome.reason
    first = "INIT_TIMEOUT" if "within" in text else "FAILED"
    assert conclude.outcome.description == f"{first}: {conclude.outcome.reason}"


def test_a_missing_pod_s_task_ends_as_its_sidecar_proposed() -> None:
    """Also where it proposed a success."""
    for proposed in (proposal(FailureKind.TRANSIENT_ERROR), proposal(None)):
        decided = decide_missing(row(proposal=proposed), RULES)
        assert isinstance(decided, Retry)
        assert decided.otherwise == Conclude(TASK, proposed)


def asking(found: Status = RUNNING, **asked: Any) -> Pod:
    """A pod of a declared sync that asks for something, three hours old."""
    notes = annotations.build(TASK, "", Options(**asked))
    return pod(found, annotations=notes, creation_timestamp="2026-09-21T11:13:20Z")


@pytest.mark.fault(312)
def test_a_sync_s_own_limits_count_for_its_pods() -> None:
    """Its time limit, its connector's silence and its retries; zero means none of them, and without limit."""
    aged = structs.replace(ROW, age_seconds=3 * 3600.0)
    for hours, over in ((2, True), (4, False)):
        assert isinstance(decide(asking(timeout_hours=hours), aged, RULES), Conclude) == over
    silent = row(silent_seconds=1000.0)
    rules = structs.replace(RULES, limits=structs.replace(RULES.limits, silence_seconds=500.0), task_retries=0)
    for stall, over in ((None, True), (10, True), (2000, False), (0, False)):
        assert isinstance(decide(asking(stall_timeout_seconds=stall), silent, rules), Conclude) == over, stall
    failed = row(proposal=proposal(FailureKind.BULKER_AWAY))
    for retries, kind in ((None, Conclude), (0, Conclude), (1, Retry)):
        assert isinstance(decide(asking(BROKEN, retries=retries), failed, rules), kind), retries
    assert isinstance(decide(asking(BROKEN, retries=0), failed, RULES), Conclude)


def test_limits_that_somebody_has_changed_into_no_numbers_are_none() -> None:
    """The settings' count then."""
    broken = pod(
        annotations={**annotations.build(TASK, ""), "Retries": "-1", "TimeoutHours": "nan", "StallTimeoutSeconds": ""}
    )
    assert decide(broken, ROW, RULES) == decide(pod(), ROW, RULES)
