"""A pod's status to a verdict: finished or not, and if so why, in words that say what to do. Pure.

Only our own containers are judged (meshes inject others). The order matters: what the node did to the pod
comes before what its containers look like, and a container that was killed before one that merely failed.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from common.failures import POSTGRES_AWAY_EXIT, Failure, FailureKind
from common.pods import explain
from common.pods.containers import INIT, SIDECAR, SOURCE
from common.pods.explain import Status, unix_seconds

GRACE_SECONDS = 60.0
"""How long a trouble that may pass (a pull, a Secret that is just being made) is left alone."""
DRAIN_SECONDS = 120.0
"""How long a sidecar may go on in silence after its source ended, before it counts as stuck."""
UNHEARD_SECONDS = 30.0
"""How long after its source's end a sidecar may report that nothing has come: it waits 10 s for an exit code."""
STUCK_SECONDS = 120.0
"""How long after its time a pod that is being deleted may still be there, before its node counts as lost."""
_OUT_OF_MEMORY, _UNKNOWN_STATUS = "OOMKilled", "ContainerStatusUnknown"
_NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"})
_CREATE = frozenset({"CreateContainerError", "RunContainerError"})
_KILLED, _SIGNALLED = 137, 128


# Kinds by the reason that the kubelet gives a pod, or the control plane its DisruptionTarget.
_PLATFORM = {
    "Evicted": FailureKind.EVICTED,
    "Preempting": FailureKind.PREEMPTED,
    "Terminated": FailureKind.NODE_SHUTDOWN,
    "NodeShutdown": FailureKind.NODE_SHUTDOWN,
    "Shutdown": FailureKind.NODE_SHUTDOWN,
    "NodeLost": FailureKind.NODE_LOST,
}
_DISRUPTION = {"PreemptionByScheduler": FailureKind.PREEMPTED, "DeletionByPodGC": FailureKind.NODE_LOST}
# Whatever a container is ended by: the sidecar's and init's ends are the platform's, not the connector's.
_KILLED_KIND = {INIT: FailureKind.INIT_FAILED, SOURCE: FailureKind.SOURCE_KILLED, SIDECAR: FailureKind.SIDECAR_KILLED}
_MEMORY_KIND = {INIT: FailureKind.INIT_FAILED, SOURCE: FailureKind.OUT_OF_MEMORY, SIDECAR: FailureKind.SIDECAR_MEMORY}
_EXIT_KIND = {INIT: FailureKind.INIT_FAILED, SOURCE: FailureKind.SOURCE_EXIT, SIDECAR: FailureKind.SIDECAR_FAILED}


class Verdict(Struct, frozen=True):
    """What a sweep concludes about a pod that is over, or has to be."""

    failure: Failure
    prefix: str = "FAILED"
    """The first word of the caller's description: FAILED or INIT_TIMEOUT (contract.md B)."""
    wants_log: str = ""
    """The container whose log explains more."""
    clean_end: bool = False
    """The containers ended in order: the sidecar has written its own, better row."""

    @property
    def reason(self) -> str:
        """What happened and what to do, in one text."""
        return self.failure.sentence


class Limits(Struct, frozen=True):
    """Time limits in seconds; a `silence_seconds` of 0 is for ever."""

    init_seconds: float
    task_seconds: float
    silence_seconds: float = 0.0


class Clock(Struct, frozen=True):
    """The database's time, in Unix seconds, and what the task's row knows of this task's times."""

    now: float
    row_age: float | None = None
    """Since the row was made, or its attempt began; no pod can be older, whatever the API server's clock says."""
    task_age: float | None = None
    """Since the row was made, where attempts came before this one: the time limit is for all of them."""
    silence: float | None = None
    """Since the sidecar last reported; None where it never did."""
    heard: bool = True
    """Whether it has reported a row of its source's."""


def diagnose(pod: Status, clock: Clock, limits: Limits) -> Verdict | None:
    """The verdict on a pod; None while it may go on."""
    status = pod.get("status") or {}
    phase = status.get("phase") or "Pending"
    if phase == "Succeeded":
        return _ended_well()
    if phase == "Failed":
        return _failed(pod, status)
    if phase == "Unknown":
        return _verdict(FailureKind.NODE_LOST, explain.node_lost(pod))
    if pod["metadata"].get("deletionTimestamp"):
        return _ending(pod, clock.now)
    age = clock.now - unix_seconds(pod["metadata"].get("creationTimestamp"), clock.now)
    age = age if clock.row_age is None else min(age, clock.row_age)
    if max(age, clock.task_age or 0) > limits.task_seconds:
        return _verdict(FailureKind.TASK_TIMEOUT, explain.too_long(limits.task_seconds))
    if phase == "Running":
        return _running(pod, clock, limits)
    return _pending(pod, clock, age, limits)


def disruption_of(pod: Status) -> Failure | None:
    """Why a pod that still ends in its grace period was told to: by the platform; None for any other."""
    target = explain.disruption_reason(pod)
    if not pod["metadata"].get("deletionTimestamp") or not target:
        return None
    return Failure(_DISRUPTION.get(target, FailureKind.EVICTED), explain.disruption(pod))


def _verdict(kind: FailureKind, message: str, *, wants_log: str = "", clean_end: bool = False) -> Verdict:
    return Verdict(Failure(kind, message), wants_log=wants_log, clean_end=clean_end)


def _ended_well() -> Verdict:
    return _verdict(FailureKind.SIDECAR_FAILED, "The pod ended.", clean_end=True)


def describe_waiting(pod: Status) -> str:
    """What a pod that has not started is waiting for; "" where nothing is known."""
    for name, container in _containers(pod).items():
        waiting = _state(container, "waiting")
        if waiting.get("reason") not in {None, *explain.BEING_MADE} or waiting.get("message"):
            return f"{name}: {explain.both(waiting)}"
    return explain.unschedulable(pod)


def _containers(pod: Status) -> Mapping[str, Status]:
    """Ours alone, by name."""
    return {str(c["name"]): c for c in _statuses(pod.get("status") or {}) if c.get("name") in {INIT, SOURCE, SIDECAR}}


def _statuses(status: Status) -> Iterator[Status]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(kind) or ()


def _state(container: Status | None, kind: str) -> Status:
    found: Status = ((container or {}).get("state") or {}).get(kind) or {}
    return found


def _failed(pod: Status, status: Status) -> Verdict:
    reason, said = str(status.get("reason") or ""), str(status.get("message") or "").strip()
    if reason == "DeadlineExceeded":
        return _verdict(FailureKind.TASK_TIMEOUT, "The pod passed its deadline and was stopped by Kubernetes.")
    if reason == "NodeLost" and not said:
        return _verdict(FailureKind.NODE_LOST, explain.node_lost(pod))
    if reason or said:
        return _verdict(_PLATFORM.get(reason, FailureKind.NODE_REFUSED), explain.platform(pod, reason, said))
    if target := explain.disruption_reason(pod):
        return _verdict(_DISRUPTION.get(target, FailureKind.EVICTED), explain.disruption(pod))
    ours = _containers(pod)
    if pod["metadata"].get("deletionTimestamp") and _was_stopped(ours):
        return _verdict(FailureKind.DELETED, "The pod was deleted from outside while the task ran.")
    if verdict := _ended(pod, ours):
        return verdict
    if _exit_codes(ours) == [0, 0]:
        return _ended_well()
    return _verdict(FailureKind.NO_REASON, explain.no_reason(pod))


def _exit_codes(ours: Mapping[str, Status]) -> list[int]:
    """Of source and sidecar, where they ended."""
    ended = (_state(ours.get(name), "terminated") for name in (SOURCE, SIDECAR))
    return [int(state["exitCode"]) for state in ended if "exitCode" in state]


def _was_stopped(ours: Mapping[str, Status]) -> bool:
    """SIGTERM or SIGKILL ended something."""
    return not {_KILLED, 143}.isdisjoint(_exit_codes(ours))


def _ended(pod: Status, ours: Mapping[str, Status]) -> Verdict | None:
    """The container that explains the end, if one does: memory first, then whichever broke down first."""
    broken = [
        (
            ended.get("reason") != _OUT_OF_MEMORY,
            unix_seconds(ended.get("finishedAt"), 0),
            ended.get("exitCode") != _KILLED,  # times are whole seconds
            order,
            name,
        )
        for order, name in enumerate((INIT, SOURCE, SIDECAR))
        if (ended := _state(ours.get(name), "terminated")) and (ended.get("exitCode") or ended.get("signal"))
    ]
    if not broken:
        return None
    name = min(broken)[-1]
    return _why(pod, name, _state(ours[name], "terminated"))


def _why(pod: Status, name: str, ended: Status) -> Verdict:
    """One container that ended badly."""
    reason, code = ended.get("reason"), ended.get("exitCode", 0)
    if reason == _OUT_OF_MEMORY:
        return _verdict(_MEMORY_KIND[name], explain.out_of_memory(pod, name))
    if reason == _UNKNOWN_STATUS:
        return _verdict(FailureKind.NODE_LOST, explain.lost_track(pod, name))
    if reason in _NEVER_RAN:
        return _verdict(
            FailureKind.IMAGE_UNUSABLE if name == SOURCE else FailureKind.NOT_CREATED, explain.never_ran(name, ended)
        )
    if code == _KILLED:
        return _verdict(_KILLED_KIND[name], explain.killed(pod, name), wants_log=name)
    if name == SIDECAR and code == POSTGRES_AWAY_EXIT:
        text = "sidecar could not write how the task ended: Postgres stayed away."
        return _verdict(FailureKind.POSTGRES_AWAY, text, wants_log=name)
    said = str(ended.get("message") or "").strip()
    text = f"{name} ended with exit code {code}{': ' + said if said else ''}."
    kind = _KILLED_KIND[name] if code > _SIGNALLED and name == SIDECAR else _EXIT_KIND[name]
    return _verdict(kind, text, wants_log=name, clean_end=name == SOURCE)


def _ending(pod: Status, now: float) -> Verdict | None:
    """A pod that is being deleted has its grace; then its node should have confirmed."""
    due = unix_seconds(pod["metadata"]["deletionTimestamp"], now)
    return _verdict(FailureKind.NODE_LOST, explain.node_lost(pod)) if now - due > STUCK_SECONDS else None


def _running(pod: Status, clock: Clock, limits: Limits) -> Verdict | None:
    """A running pod is over where its two containers ended, or one did and the other cannot go on."""
    ours = _containers(pod)
    source, sidecar = (_state(ours.get(name), "terminated") for name in (SOURCE, SIDECAR))
    if sidecar and source:
        # Something injected goes on; ours is done.
        return _ended(pod, ours) or _ended_well()
    if sidecar:
        text = "sidecar ended while the source was still running."
        return _ended(pod, ours) or _verdict(FailureKind.SIDECAR_FAILED, text, wants_log=SIDECAR)
    if source:
        return _draining(pod, source, clock)
    if 0 < limits.silence_seconds < (clock.silence or 0):
        return _verdict(FailureKind.SIDECAR_SILENT, explain.silent(clock.silence or 0), wants_log=SIDECAR)
    return None


def _draining(pod: Status, source: Status, clock: Clock) -> Verdict | None:
    """The source ended and the sidecar, which tells from its pipes alone, goes on."""
    why = _why(pod, SOURCE, source)
    if source.get("reason") in {_OUT_OF_MEMORY, _UNKNOWN_STATUS, *_NEVER_RAN}:
        return why  # what the sidecar cannot know
    if not _is_stuck(clock.now - unix_seconds(source.get("finishedAt"), clock.now), clock):
        return None
    if source.get("exitCode"):
        return why
    text = f"sidecar did not finish within {explain.span(DRAIN_SECONDS)} after the source had ended."
    return _verdict(FailureKind.SIDECAR_SILENT, text, wants_log=SIDECAR)


def _is_stuck(waited: float, clock: Clock) -> bool:
    """Whether a sidecar will not end any more, so long after its source did."""
    if clock.silence is None:
        return waited > DRAIN_SECONDS
    if not clock.heard and waited - clock.silence > UNHEARD_SECONDS:
        # Killed before it had opened its pipes: the sidecar waits for that as for a source that starts slowly.
        return True
    return min(waited, clock.silence) > DRAIN_SECONDS  # it reports, so it works: a warehouse may take its time


def _pending(pod: Status, clock: Clock, age: float, limits: Limits) -> Verdict | None:
    ours = _containers(pod)
    if verdict := _ended(pod, ours):
        return verdict
    since = max(
        unix_seconds((pod.get("status") or {}).get("startTime"), 0),
        unix_seconds(_state(ours.get(INIT), "terminated").get("finishedAt"), 0),
    )
    # The node's own begin, not the pod's: it may have waited long for a node.
    patient = (clock.now - since if since else age) <= GRACE_SECONDS
    for name, container in ours.items():
        waiting = _state(container, "waiting")
        reason = waiting.get("reason")
        if reason in _HOPELESS or (reason in _IMAGE and not patient):
            kind = FailureKind.IMAGE_NAME if reason in _HOPELESS else explain.image_kind(waiting)
            return _verdict(kind, explain.image_trouble(pod, name, waiting))
        if reason == "CreateContainerConfigError" and not patient:
            return _verdict(FailureKind.NOT_CONFIGURED, explain.not_configured(name, waiting))
        if reason in _CREATE and not patient:
            return _verdict(FailureKind.NOT_CREATED, explain.not_created(name, waiting))
    if age > limits.init_seconds:
        kind = FailureKind.UNSCHEDULABLE if explain.unschedulable(pod) else FailureKind.NOT_STARTED
        text = explain.not_started(pod, limits.init_seconds, describe_waiting(pod))
        return Verdict(Failure(kind, text), prefix="INIT_TIMEOUT")
    return None
