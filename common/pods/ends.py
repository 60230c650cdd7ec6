"""Why a pod's containers ended or cannot start, and verdicts on that. Pure."""

import re
from collections.abc import Mapping

from msgspec import Struct, structs

from common.cluster.objects import ContainerState, Pod, Terminated
from common.failures import SECRET_MISSING_EXIT, UNPREPARED_EXIT, UNWRITTEN, Failure, FailureKind
from common.pods import explain
from common.pods.containers import INIT, SIDECAR, SOURCE
from common.pods.explain import unix_seconds
from common.pods.scripts import NOT_PREPARED

OUT_OF_MEMORY, UNKNOWN_STATUS = "OOMKilled", "ContainerStatusUnknown"
NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
KILLED, TERMINATED, _SIGNALLED = 137, 143, 128
_MEMORY_WORDS = re.compile(r"OutOfMemory|MemoryError|OOMKilled|out of memory|cannot allocate memory", re.IGNORECASE)
# How a kubelet puts the eviction of a pod for what it wrote itself; a node that is low on disk is not the pod's fault.
# https://github.com/kubernetes/kubernetes/blob/v1.33.0/pkg/kubelet/eviction/helpers.go
_CONTAINER_DISK = re.compile(r'Container (\S+) exceeded its local ephemeral storage limit "([^"]*)"')
_VOLUME_DISK = re.compile(r'Usage of EmptyDir volume "([^"]*)" exceeds the limit "([^"]*)"')
_POD_DISK = re.compile(r"Pod ephemeral local storage usage exceeds the total limit of containers ([^\s.]+)")
_OURS = frozenset({INIT, SOURCE, SIDECAR})

# The ends of sidecar and init are the platform's, not the connector's.
_KILLED_KIND = {INIT: FailureKind.INIT_FAILED, SOURCE: FailureKind.SOURCE_KILLED, SIDECAR: FailureKind.SIDECAR_KILLED}
_MEMORY_KIND = {INIT: FailureKind.INIT_FAILED, SOURCE: FailureKind.OUT_OF_MEMORY, SIDECAR: FailureKind.SIDECAR_MEMORY}
_DISK_KIND = {INIT: FailureKind.INIT_FAILED, SOURCE: FailureKind.OUT_OF_DISK, SIDECAR: FailureKind.SIDECAR_DISK}
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
    own_words: str = ""
    """The source's termination message, which its sidecar does not see."""

    @property
    def reason(self) -> str:
        """What happened and what to do, in one text."""
        return self.failure.sentence


def verdict(kind: FailureKind, message: str, *, wants_log: str = "", clean_end: bool = False) -> Verdict:
    """Return the verdict of that kind."""
    return Verdict(Failure(kind, message), wants_log=wants_log, clean_end=clean_end)


def ended_well() -> Verdict:
    """Return the verdict on a pod whose containers ended in order."""
    return verdict(FailureKind.SIDECAR_FAILED, "The pod ended.", clean_end=True)


def ours(pod: Pod) -> dict[str, ContainerState]:
    """Return the states of our own containers by name, init first."""
    return {name: state for name, state in pod.states() if name in _OURS}


def started(pod: Pod) -> bool:
    """Return whether source and sidecar run, or have run, whatever becomes of injected containers."""
    states = ours(pod)
    return all((state := states.get(name)) and (state.running or state.terminated) for name in (SOURCE, SIDECAR))


def injected(pod: Pod) -> str:
    """Explain the first container that is not ours and failed, or does not start; "" if all are well.

    It is never judged, but may be why ours do not start.
    """
    strangers = (status for status in pod.statuses() if status.name not in _OURS)
    return next((text for status in strangers if (text := explain.injected(status))), "")


def ended(states: Mapping[str, ContainerState]) -> dict[str, Terminated]:
    """Return those that ended, by name."""
    return {name: state.terminated for name, state in states.items() if state.terminated}


def broken(pod: Pod, ends: Mapping[str, Terminated]) -> Verdict | None:
    """Return the verdict on the one of our containers that explains the end, if one does.

    Memory comes first, then whichever broke down first.
    """
    candidates = [
        (
            end.reason != OUT_OF_MEMORY,
            unix_seconds(end.finished_at, 0),
            end.exit_code != KILLED,  # times are whole seconds
            order,
            name,
        )
        for order, name in enumerate((INIT, SOURCE, SIDECAR))
        if (end := ends.get(name)) and (end.exit_code or end.signal or end.reason == OUT_OF_MEMORY)
    ]
    if not candidates:
        return None
    name = min(candidates)[-1]
    return why(pod, name, ends[name])


def why(pod: Pod, name: str, end: Terminated) -> Verdict:
    """Return the verdict on one of our containers that ended badly."""
    reason, code = end.reason, end.exit_code
    if reason == OUT_OF_MEMORY or (name == SOURCE and code and _MEMORY_WORDS.search(end.message)):
        # With exit code 0 only a child of it was killed: what the sidecar reports then counts.
        return verdict(_MEMORY_KIND[name], explain.out_of_memory(pod, name, end), clean_end=code == 0)
    if reason == UNKNOWN_STATUS:
        return verdict(FailureKind.NODE_LOST, explain.lost_track(pod, name))
    if reason in NEVER_RAN:
        kind = FailureKind.IMAGE_UNUSABLE if name == SOURCE else FailureKind.NOT_CREATED
        return verdict(kind, explain.never_ran(name, end))
    if code == KILLED:
        return verdict(_KILLED_KIND[name], explain.killed(pod, name, end), wants_log=name)
    if name == SOURCE and gave_up(end):
        late = verdict(FailureKind.NOT_STARTED, end.message.strip(), wants_log=SIDECAR)
        return structs.replace(late, prefix="INIT_TIMEOUT")
    if name == INIT and code == SECRET_MISSING_EXIT:
        return verdict(FailureKind.SECRET_MISSING, explain.secret_missing(end))
    if name == SIDECAR and code in UNWRITTEN:
        unwritten, why = UNWRITTEN[code]
        return verdict(unwritten, f"sidecar could not write how the task ended: {why}.", wants_log=name)
    kind = _KILLED_KIND[name] if code > _SIGNALLED and name == SIDECAR else _EXIT_KIND[name]
    found = verdict(kind, explain.exit_code(name, end), wants_log=name, clean_end=name == SOURCE)
    return structs.replace(found, own_words=end.message.strip())


def gave_up(source: Terminated) -> bool:
    """Return whether a source waited in vain for its sidecar's pipes, by its own words: a connector has any code."""
    return source.exit_code == UNPREPARED_EXIT and source.message.strip().startswith(NOT_PREPARED)


def out_of_disk(pod: Pod, message: str) -> Failure | None:
    """Return why a pod was evicted that wrote more than it may; None for another eviction."""
    if found := _CONTAINER_DISK.search(message):
        kind = _DISK_KIND.get(found[1], FailureKind.INJECTED)
        return Failure(kind, explain.out_of_disk(pod, found[1], found[2]))
    if found := _VOLUME_DISK.search(message):
        return Failure(FailureKind.SOURCE_ERROR, explain.volume_full(pod, found[1], found[2]))
    if found := _POD_DISK.search(message):
        return Failure(FailureKind.OUT_OF_DISK, explain.pod_out_of_disk(pod, found[1]))
    return None


def with_memory(pod: Pod, found: Verdict) -> Verdict:
    """Return the verdict on a pod with the better sign in front: one of our containers was out of memory.

    The pod's own reason may only follow from that, or be another one; the text names both.
    """
    ends = ended(ours(pod))
    out = next((name for name in (SOURCE, SIDECAR, INIT) if name in ends and ends[name].reason == OUT_OF_MEMORY), None)
    if out is None or found.clean_end or found.failure.kind in _MEMORY_KIND.values():
        return found
    message = f"{explain.out_of_memory(pod, out, ends[out]).rstrip('.')}; {found.failure.message}"
    return verdict(_MEMORY_KIND[out], message)
