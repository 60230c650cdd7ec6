"""A pod's status to a verdict: finished or not, and if so why, in words that say what to do. Pure.

Only our own containers are judged (meshes inject others), but others may be why ours do not start. The order matters:
what the node did to the pod comes before what its containers look like, and a container that was killed before one that
merely failed.
"""

from collections.abc import Mapping

from msgspec import Struct

from common.cluster.objects import ContainerState, Pod, Terminated, Waiting
from common.failures import UNPREPARED_EXIT, Failure, FailureKind
from common.pods import ends, explain, waiting
from common.pods.containers import INIT, SIDECAR, SOURCE
from common.pods.ends import Verdict, verdict
from common.pods.explain import unix_seconds

GRACE_SECONDS = 60.0
"""How long a trouble that may pass (a pull, a Secret that is just being made) is left alone."""
DRAIN_SECONDS = 120.0
"""How long a sidecar may go on in silence after its source ended, before it counts as stuck."""
UNHEARD_SECONDS = 30.0
"""How long after its source's end a sidecar may report that nothing has come: it waits 10 s for an exit code."""
STUCK_SECONDS = 120.0
"""How long after its time a pod that is being deleted may still be there, before its node counts as lost."""
_CREATE = frozenset({"CreateContainerError", "RunContainerError"})

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
    found = _diagnose(pod, clock, limits)
    return found and ends.with_memory(pod, found)


def _diagnose(pod: Pod, clock: Clock, limits: Limits) -> Verdict | None:
    phase = pod.status.phase
    if phase == "Succeeded":
        return ends.broken(pod, ends.ended(ends.ours(pod))) or ends.ended_well()
    if phase == "Failed":
        return _failed(pod)
    if phase == "Unknown":
        return verdict(FailureKind.NODE_LOST, explain.node_lost(pod))
    if pod.is_ending:  # it has its grace; then its node should have confirmed
        due = unix_seconds(pod.metadata.deletion_timestamp, clock.now)
        return verdict(FailureKind.NODE_LOST, explain.node_lost(pod)) if clock.now - due > STUCK_SECONDS else None
    age = clock.now - unix_seconds(pod.metadata.creation_timestamp, clock.now)
    age = age if clock.row_age is None else min(age, clock.row_age)
    if max(age, clock.task_age or 0) > limits.task_seconds:
        return verdict(FailureKind.TASK_TIMEOUT, explain.too_long(limits.task_seconds))
    if phase == "Running" or ends.started(pod):
        return _running(pod, clock, limits)
    return _pending(pod, clock, age, limits)


def disruption_of(pod: Pod) -> Failure | None:
    """Return why the platform ends a pod that is still in its grace period; None for any other pod."""
    return _disruption(pod) if pod.is_ending else None


def _disruption(pod: Pod) -> Failure | None:
    target = pod.condition("DisruptionTarget", "True")
    if target is None:
        return None
    if failure := ends.out_of_disk(pod, target.message):
        return failure
    return Failure(_DISRUPTION.get(target.reason, FailureKind.EVICTED), explain.disruption(pod, target))


def _failed(pod: Pod) -> Verdict:
    reason, message = pod.status.reason, pod.status.message.strip()
    if reason == "DeadlineExceeded":
        return verdict(FailureKind.TASK_TIMEOUT, "The pod passed its deadline and was stopped by Kubernetes.")
    if failure := ends.out_of_disk(pod, message):
        return Verdict(failure)
    if reason == "NodeLost" and not message:
        return verdict(FailureKind.NODE_LOST, explain.node_lost(pod))
    if reason or message:
        return verdict(_PLATFORM.get(reason, FailureKind.NODE_REFUSED), explain.platform(pod, reason, message))
    if failure := _disruption(pod):
        return Verdict(failure)
    ended = ends.ended(ends.ours(pod))
    codes = [ended[name].exit_code for name in (SOURCE, SIDECAR) if name in ended]
    if pod.is_ending and not {ends.KILLED, ends.TERMINATED}.isdisjoint(codes):
        return verdict(FailureKind.DELETED, "The pod was deleted from outside while the task ran.")
    if found := ends.broken(pod, ended):
        return found
    if codes == [0, 0]:
        return ends.ended_well()
    text = ends.injected(pod)
    return verdict(FailureKind.INJECTED, f"{text}.") if text else verdict(FailureKind.NO_REASON, explain.no_reason(pod))


def _running(pod: Pod, clock: Clock, limits: Limits) -> Verdict | None:
    """A running pod is over if its two containers ended, or one did and the other cannot go on."""
    ended = ends.ended(ends.ours(pod))
    if SOURCE in ended and SIDECAR in ended:
        return ends.broken(pod, ended) or ends.ended_well()  # something injected goes on
    if SIDECAR in ended:
        return _without_sidecar(pod, ended)
    if SOURCE in ended:
        return _draining(pod, ended[SOURCE], clock)
    if 0 < limits.silence_seconds < (clock.silence or 0):
        return verdict(FailureKind.SIDECAR_SILENT, explain.silent(clock.silence or 0), wants_log=SIDECAR)
    return None


def _without_sidecar(pod: Pod, ended: Mapping[str, Terminated]) -> Verdict:
    """The sidecar ended first, and what the source does now nobody reads."""
    text = "sidecar ended while the source was still running."
    return ends.broken(pod, ended) or verdict(FailureKind.SIDECAR_FAILED, text, wants_log=SIDECAR)


def _draining(pod: Pod, source: Terminated, clock: Clock) -> Verdict | None:
    """The source ended and the sidecar, which sees its pipes alone, goes on: it still saves and counts its rows."""
    why = ends.why(pod, SOURCE, source)
    if source.reason in {ends.UNKNOWN_STATUS, *ends.NEVER_RAN} or ends.gave_up(source):
        return why  # what the sidecar would wait for in vain
    if not _is_stuck(clock.now - unix_seconds(source.finished_at, clock.now), clock):
        return None
    if source.exit_code or source.reason == ends.OUT_OF_MEMORY:
        return why
    text = f"sidecar did not finish within {explain.span(DRAIN_SECONDS)} after the source had ended."
    return verdict(FailureKind.SIDECAR_SILENT, text, wants_log=SIDECAR)


def _is_stuck(waited: float, clock: Clock) -> bool:
    """Whether a sidecar will not end any more, so long after its source did."""
    if clock.silence is None:
        return waited > DRAIN_SECONDS
    if not clock.heard and waited - clock.silence > UNHEARD_SECONDS:
        # Killed before the first line of its script: the sidecar waits for that as for a source that starts slowly.
        return True
    return min(waited, clock.silence) > DRAIN_SECONDS  # it reports, so it works: a warehouse may take its time


def _pending(pod: Pod, clock: Clock, age: float, limits: Limits) -> Verdict | None:
    if not explain.has_node(pod):
        waited_long = age > limits.node_seconds
        return _late(FailureKind.UNSCHEDULABLE, explain.no_node(pod, limits.node_seconds)) if waited_long else None
    ours = ends.ours(pod)
    ended = ends.ended(ours)
    if SIDECAR in ended and SOURCE not in ended:  # whose image is still pulled
        return _without_sidecar(pod, ended)
    if found := ends.broken(pod, _without_patience(ours, ended)):
        return found
    since = _pull_began(pod, ours)
    patient = (clock.now - since if since else age) <= GRACE_SECONDS
    for name, state in ours.items():
        if state.waiting and (found := _waiting(pod, name, state.waiting, patient=patient)):
            return found
    if min(age, clock.now - explain.has_node_since(pod, 0)) <= limits.init_seconds:
        return None
    if not pod.status.start_time and not ours:
        return _late(FailureKind.NODE_LOST, explain.not_begun(pod, limits.init_seconds))
    trouble = waiting.trouble_of(pod)
    waits = trouble.text if trouble else ""
    kind = FailureKind.INJECTED if waits and waits == ends.injected(pod) else FailureKind.NOT_STARTED
    return _late(kind, explain.not_started(pod, limits.init_seconds, waits))


def _without_patience(ours: Mapping[str, ContainerState], ended: Mapping[str, Terminated]) -> Mapping[str, Terminated]:
    """Leave out a source that waited in vain for a sidecar that does not start: why, that one's state tells."""
    if INIT in ours or SIDECAR in ended or SOURCE not in ended or ended[SOURCE].exit_code != UNPREPARED_EXIT:
        return ended
    return {name: end for name, end in ended.items() if name != SOURCE}


def _pull_began(pod: Pod, ours: Mapping[str, ContainerState]) -> float:
    """Return when the kubelet came to the containers that do not run yet; 0 if that is not known.

    The node's own begin, not the pod's: it may have waited long for a node.
    """
    init, sidecar = (ours.get(name, ContainerState()) for name in (INIT, SIDECAR))
    stamps = (
        pod.status.start_time,
        init.terminated and init.terminated.finished_at,
        sidecar.running and sidecar.running.started_at,
    )
    return max(unix_seconds(stamp or "", 0) for stamp in stamps)


def _late(kind: FailureKind, message: str) -> Verdict:
    return Verdict(Failure(kind, message), prefix="INIT_TIMEOUT")


def _waiting(pod: Pod, name: str, state: Waiting, *, patient: bool) -> Verdict | None:
    """A container that cannot start; most troubles may pass while there is patience."""
    if patient and state.reason not in waiting.HOPELESS:
        return None
    if state.reason in waiting.HOPELESS | waiting.IMAGE:
        kind = FailureKind.IMAGE_NAME if state.reason in waiting.HOPELESS else explain.image_kind(state)
        return verdict(kind, explain.image_trouble(pod, name, state))
    if state.reason == "CreateContainerConfigError":
        kind = FailureKind.SECRET_MISSING if explain.other_secret(pod, state) else FailureKind.NOT_CONFIGURED
        return verdict(kind, explain.not_configured(name, state))
    if state.reason in _CREATE:
        return verdict(FailureKind.NOT_CREATED, explain.not_created(name, state))
    return None
