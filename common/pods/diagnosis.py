"""A pod's status to a verdict: finished or not, and if so why, in words that say what to do. Pure.

Only our own containers are judged (meshes inject others). The order matters: what the node did to the pod comes before
what its containers look like, and a container that was killed before one that merely failed.
"""

from collections.abc import Mapping

from msgspec import Struct

from common.cluster.objects import ContainerState, Pod, Terminated, Waiting
from common.failures import POSTGRES_AWAY_EXIT, Failure, FailureKind
from common.pods import explain
from common.pods.containers import INIT, SIDECAR, SOURCE
from common.pods.explain import unix_seconds

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
_BEING_MADE = frozenset({"", "PodInitializing", "ContainerCreating"})
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"})
_CREATE = frozenset({"CreateContainerError", "RunContainerError"})
_KILLED, _TERMINATED, _SIGNALLED = 137, 143, 128


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
# The ends of sidecar and init are the platform's, not the connector's.
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
    """Time limits in seconds; a `silence_seconds` of 0 means without limit."""

    init_seconds: float
    """From the moment that a node has the pod."""
    task_seconds: float
    silence_seconds: float = 0.0
    node_seconds: float = 3600.0
    """Until a node has the pod."""


class Clock(Struct, frozen=True):
    """The database's time, in Unix seconds, and what the task's row knows of this task's times."""

    now: float
    row_age: float | None = None
    """Since the row was made, or its attempt began; no pod can be older, whatever the API server's clock says."""
    task_age: float | None = None
    """Since the row was made, if attempts came before this one: the time limit is for all of them."""
    silence: float | None = None
    """Since the sidecar last reported; None if it never did."""
    heard: bool = True
    """Whether it has reported a row of its source's."""


def diagnose(pod: Pod, clock: Clock, limits: Limits) -> Verdict | None:
    """Return the verdict on a pod; None while it may go on."""
    phase = pod.status.phase
    if phase == "Succeeded":
        return _ended_well()
    if phase == "Failed":
        return _failed(pod)
    if phase == "Unknown":
        return _verdict(FailureKind.NODE_LOST, explain.node_lost(pod))
    if pod.is_ending:  # it has its grace; then its node should have confirmed
        due = unix_seconds(pod.metadata.deletion_timestamp, clock.now)
        return _verdict(FailureKind.NODE_LOST, explain.node_lost(pod)) if clock.now - due > STUCK_SECONDS else None
    age = clock.now - unix_seconds(pod.metadata.creation_timestamp, clock.now)
    age = age if clock.row_age is None else min(age, clock.row_age)
    if max(age, clock.task_age or 0) > limits.task_seconds:
        return _verdict(FailureKind.TASK_TIMEOUT, explain.too_long(limits.task_seconds))
    if phase == "Running":
        return _running(pod, clock, limits)
    return _pending(pod, clock, age, limits)


def disruption_of(pod: Pod) -> Failure | None:
    """Return why the platform ends a pod that is still in its grace period; None for any other pod."""
    return _disruption(pod) if pod.is_ending else None


def describe_waiting(pod: Pod) -> str:
    """Return what a pod that has not started waits for; "" if nothing is known.

    A container's trouble begins with its name and a colon, the lack of a node with NO_NODE.
    """
    for name, state in _ours(pod).items():
        if state.waiting and (state.waiting.reason not in _BEING_MADE or state.waiting.message):
            return f"{name}: {explain.both(state.waiting)}"
    return explain.unschedulable(pod)


def _verdict(kind: FailureKind, message: str, *, wants_log: str = "", clean_end: bool = False) -> Verdict:
    return Verdict(Failure(kind, message), wants_log=wants_log, clean_end=clean_end)


def _ended_well() -> Verdict:
    return _verdict(FailureKind.SIDECAR_FAILED, "The pod ended.", clean_end=True)


def _ours(pod: Pod) -> dict[str, ContainerState]:
    """The states of our own containers by name, init first."""
    return {name: state for name, state in pod.states() if name in {INIT, SOURCE, SIDECAR}}


def _ends(ours: Mapping[str, ContainerState]) -> dict[str, Terminated]:
    """Those that ended, by name."""
    return {name: state.terminated for name, state in ours.items() if state.terminated}


def _disruption(pod: Pod) -> Failure | None:
    target = pod.condition("DisruptionTarget", "True")
    if target is None:
        return None
    return Failure(_DISRUPTION.get(target.reason, FailureKind.EVICTED), explain.disruption(pod, target))


def _failed(pod: Pod) -> Verdict:
    reason, message = pod.status.reason, pod.status.message.strip()
    if reason == "DeadlineExceeded":
        return _verdict(FailureKind.TASK_TIMEOUT, "The pod passed its deadline and was stopped by Kubernetes.")
    if reason == "NodeLost" and not message:
        return _verdict(FailureKind.NODE_LOST, explain.node_lost(pod))
    if reason or message:
        return _verdict(_PLATFORM.get(reason, FailureKind.NODE_REFUSED), explain.platform(pod, reason, message))
    if failure := _disruption(pod):
        return Verdict(failure)
    ends = _ends(_ours(pod))
    codes = [ends[name].exit_code for name in (SOURCE, SIDECAR) if name in ends]
    if pod.is_ending and not {_KILLED, _TERMINATED}.isdisjoint(codes):
        return _verdict(FailureKind.DELETED, "The pod was deleted from outside while the task ran.")
    if verdict := _broken(pod, ends):
        return verdict
    return _ended_well() if codes == [0, 0] else _verdict(FailureKind.NO_REASON, explain.no_reason(pod))


def _broken(pod: Pod, ends: Mapping[str, Terminated]) -> Verdict | None:
    """The container that explains the end, if one does: memory first, then whichever broke down first."""
    broken = [
        (
            ended.reason != _OUT_OF_MEMORY,
            unix_seconds(ended.finished_at, 0),
            ended.exit_code != _KILLED,  # times are whole seconds
            order,
            name,
        )
        for order, name in enumerate((INIT, SOURCE, SIDECAR))
        if (ended := ends.get(name)) and (ended.exit_code or ended.signal)
    ]
    if not broken:
        return None
    name = min(broken)[-1]
    return _why(pod, name, ends[name])


def _why(pod: Pod, name: str, ended: Terminated) -> Verdict:
    """One container that ended badly."""
    reason, code = ended.reason, ended.exit_code
    if reason == _OUT_OF_MEMORY:
        return _verdict(_MEMORY_KIND[name], explain.out_of_memory(pod, name))
    if reason == _UNKNOWN_STATUS:
        return _verdict(FailureKind.NODE_LOST, explain.lost_track(pod, name))
    if reason in _NEVER_RAN:
        kind = FailureKind.IMAGE_UNUSABLE if name == SOURCE else FailureKind.NOT_CREATED
        return _verdict(kind, explain.never_ran(name, ended))
    if code == _KILLED:
        return _verdict(_KILLED_KIND[name], explain.killed(pod, name), wants_log=name)
    if name == SIDECAR and code == POSTGRES_AWAY_EXIT:
        text = "sidecar could not write how the task ended: Postgres stayed away."
        return _verdict(FailureKind.POSTGRES_AWAY, text, wants_log=name)
    message = ended.message.strip()
    text = f"{name} ended with exit code {code}{': ' + message if message else ''}."
    kind = _KILLED_KIND[name] if code > _SIGNALLED and name == SIDECAR else _EXIT_KIND[name]
    return _verdict(kind, text, wants_log=name, clean_end=name == SOURCE)


def _running(pod: Pod, clock: Clock, limits: Limits) -> Verdict | None:
    """A running pod is over if its two containers ended, or one did and the other cannot go on."""
    ends = _ends(_ours(pod))
    if SOURCE in ends and SIDECAR in ends:
        return _broken(pod, ends) or _ended_well()  # something injected goes on
    if SIDECAR in ends:
        text = "sidecar ended while the source was still running."
        return _broken(pod, ends) or _verdict(FailureKind.SIDECAR_FAILED, text, wants_log=SIDECAR)
    if SOURCE in ends:
        return _draining(pod, ends[SOURCE], clock)
    if 0 < limits.silence_seconds < (clock.silence or 0):
        return _verdict(FailureKind.SIDECAR_SILENT, explain.silent(clock.silence or 0), wants_log=SIDECAR)
    return None


def _draining(pod: Pod, source: Terminated, clock: Clock) -> Verdict | None:
    """The source ended and the sidecar, which sees its pipes alone, goes on."""
    why = _why(pod, SOURCE, source)
    if source.reason in {_OUT_OF_MEMORY, _UNKNOWN_STATUS, *_NEVER_RAN}:
        return why  # what the sidecar cannot know
    if not _is_stuck(clock.now - unix_seconds(source.finished_at, clock.now), clock):
        return None
    if source.exit_code:
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


def _pending(pod: Pod, clock: Clock, age: float, limits: Limits) -> Verdict | None:
    if not explain.has_node(pod):
        waited_long = age > limits.node_seconds
        return _late(FailureKind.UNSCHEDULABLE, explain.no_node(pod, limits.node_seconds)) if waited_long else None
    ours = _ours(pod)
    ends = _ends(ours)
    if verdict := _broken(pod, ends):
        return verdict
    # The node's own begin, not the pod's: it may have waited long for a node.
    since = max(unix_seconds(pod.status.start_time, 0), unix_seconds(ends[INIT].finished_at, 0) if INIT in ends else 0)
    patient = (clock.now - since if since else age) <= GRACE_SECONDS
    for name, state in ours.items():
        if state.waiting and (verdict := _waiting(pod, name, state.waiting, patient=patient)):
            return verdict
    if min(age, clock.now - explain.has_node_since(pod, 0)) <= limits.init_seconds:
        return None
    if not pod.status.start_time and not ours:
        return _late(FailureKind.NODE_LOST, explain.not_begun(pod, limits.init_seconds))
    return _late(FailureKind.NOT_STARTED, explain.not_started(pod, limits.init_seconds, describe_waiting(pod)))


def _late(kind: FailureKind, message: str) -> Verdict:
    return Verdict(Failure(kind, message), prefix="INIT_TIMEOUT")


def _waiting(pod: Pod, name: str, waiting: Waiting, *, patient: bool) -> Verdict | None:
    """A container that cannot start; most troubles may pass while there is patience."""
    if patient and waiting.reason not in _HOPELESS:
        return None
    if waiting.reason in _HOPELESS | _IMAGE:
        kind = FailureKind.IMAGE_NAME if waiting.reason in _HOPELESS else explain.image_kind(waiting)
        return _verdict(kind, explain.image_trouble(pod, name, waiting))
    if waiting.reason == "CreateContainerConfigError":
        return _verdict(FailureKind.NOT_CONFIGURED, explain.not_configured(name, waiting))
    if waiting.reason in _CREATE:
        return _verdict(FailureKind.NOT_CREATED, explain.not_created(name, waiting))
    return None
