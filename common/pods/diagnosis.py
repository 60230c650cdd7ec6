"""A pod's status to a verdict: finished or not, and if so why, in words that say what to do. Pure.

Only our own containers are judged (meshes inject others). The order matters: what the node did to the pod
comes before what its containers look like, and a container that was killed before one that merely failed.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from common.pods.containers import INIT, SIDECAR, SOURCE

Status = Mapping[str, Any]

_GRACE_SECONDS = 60.0
"""How long a trouble that may pass (a pull, a Secret that is just being made) is left alone."""
_DRAIN_SECONDS = 120.0
"""How long a sidecar may go on after its source ended, before it counts as stuck."""
_OUT_OF_MEMORY, _KILLED = "OOMKilled", 137
_UNPULLABLE = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ErrImageNeverPull"})
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerError", "RunContainerError"})


class Origin(StrEnum):
    """Whose fault it is."""

    SOURCE = "source"
    DESTINATION = "destination"
    PLATFORM = "platform"
    USER = "user"


class Verdict(Struct, frozen=True):
    """What a sweep concludes about a pod that is over, or has to be."""

    reason: str
    origin: Origin = Origin.PLATFORM
    prefix: str = "FAILED"
    """The first word of the caller's description: FAILED or INIT_TIMEOUT (contract.md B)."""
    wants_log: str = ""
    """The container whose log explains more."""
    clean_end: bool = False
    """The containers ended in order: the sidecar has written its own, better row."""


class Limits(Struct, frozen=True):
    """Time limits in seconds."""

    init_seconds: float
    task_seconds: float


def judge(pod: Status, now: float, limits: Limits) -> Verdict | None:
    """The verdict on a pod at `now` (Unix seconds, the database's clock); None while it may go on."""
    status = pod.get("status") or {}
    phase = status.get("phase") or "Pending"
    containers = {str(c.get("name")): c for c in _statuses(status)}
    if phase == "Succeeded":
        return Verdict("The pod ended.", clean_end=True)
    if phase in {"Failed", "Unknown"}:
        return _failed(pod, status, containers)
    age = now - unix_seconds(pod.get("metadata", {}).get("creationTimestamp"), now)
    if age > limits.task_seconds:
        return Verdict(
            f"The task ran longer than {_span(limits.task_seconds)} and was stopped; raise "
            "SYNCCTL_TASK_TIMEOUT_HOURS, or read fewer streams at once.",
            Origin.USER,
        )
    if phase == "Running":
        return _running(pod, containers, now)
    return _pending(status, containers, age, limits)


def describe_waiting(pod: Status) -> str:
    """What a pod that has not started is waiting for; "" where nothing is known."""
    status = pod.get("status") or {}
    for name, container in ((str(c.get("name")), c) for c in _statuses(status)):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in {None, "PodInitializing", "ContainerCreating"} or waiting.get("message"):
            return f"{name}: {_words(waiting)}"
    return _unschedulable(status)


def _statuses(status: Status) -> Iterator[Status]:
    ours = {INIT, SOURCE, SIDECAR}
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from (c for c in status.get(kind) or () if c.get("name") in ours)


def _failed(pod: Status, status: Status, containers: Mapping[str, Status]) -> Verdict:
    node = str(pod.get("spec", {}).get("nodeName") or "")
    said = str(status.get("message") or "").strip()
    reason = str(status.get("reason") or "")
    if reason == "DeadlineExceeded":
        return Verdict("The pod passed its deadline and was stopped by Kubernetes.", Origin.USER)
    if reason or said:
        where = f" on node {node}" if node else ""
        return Verdict(
            f"The platform ended the pod{where} ({reason or 'no reason given'}): {said or 'no message'}".replace(
                "(Evicted)", "(evicted)"
            )
        )
    if verdict := _ended(pod, containers):
        return verdict
    return Verdict(
        f"The pod failed on node {node or 'unknown'} and Kubernetes gave no reason; nothing of it ran to its end. "
        "Start the task again."
    )


def _ended(pod: Status, containers: Mapping[str, Status]) -> Verdict | None:
    """The container that explains the end, if one does."""
    for name in (INIT, SOURCE, SIDECAR):
        ended = (containers.get(name, {}).get("state") or {}).get("terminated") or {}
        if not ended:
            continue
        if ended.get("reason") == _OUT_OF_MEMORY:
            return Verdict(_out_of_memory(pod, name), Origin.SOURCE if name == SOURCE else Origin.PLATFORM)
        code = ended.get("exitCode", 0)
        if code == _KILLED:
            return Verdict(
                f"{name} was killed (signal 9; often memory: limit {_limit(pod, name)}).",
                Origin.SOURCE if name == SOURCE else Origin.PLATFORM,
                wants_log=name,
            )
        if code and name == INIT:
            return Verdict(f"init ended with exit code {code}: {_words(ended)}", wants_log=INIT)
        if code and name == SIDECAR:
            return Verdict(f"sidecar ended with exit code {code}.", wants_log=SIDECAR)
        if code:
            return Verdict(f"source ended with exit code {code}.", Origin.SOURCE, wants_log=SOURCE, clean_end=True)
    return None


def _running(pod: Status, containers: Mapping[str, Status], now: float) -> Verdict | None:
    """A running pod is over where one of its two containers ended and the other cannot go on."""
    ended = {name: (containers.get(name, {}).get("state") or {}).get("terminated") for name in (SOURCE, SIDECAR)}
    sidecar, source = ended[SIDECAR], ended[SOURCE]
    if sidecar and not source:
        return _ended(pod, {SIDECAR: containers[SIDECAR]}) or Verdict(
            "sidecar ended while the source was still running.", wants_log=SIDECAR
        )
    if source and not sidecar and now - unix_seconds(source.get("finishedAt"), now) > _DRAIN_SECONDS:
        return _ended(pod, {SOURCE: containers[SOURCE]}) or Verdict(
            f"sidecar did not finish within {_span(_DRAIN_SECONDS)} after the source had ended.",
            wants_log=SIDECAR,
        )
    return None


def _pending(status: Status, containers: Mapping[str, Status], age: float, limits: Limits) -> Verdict | None:
    for name, container in containers.items():
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        reason = str(waiting.get("reason") or "")
        if reason in _HOPELESS:
            return Verdict(_image_trouble(name, container, waiting), Origin.USER)
        if reason in _UNPULLABLE and age > _GRACE_SECONDS:
            return Verdict(_image_trouble(name, container, waiting), Origin.USER)
        if reason == "CreateContainerConfigError" and age > _GRACE_SECONDS:
            return Verdict(f"{name} could not be configured: {waiting.get('message') or 'no message'}.")
        if name == INIT and ended.get("exitCode"):
            return Verdict(f"init ended with exit code {ended['exitCode']}: {_words(ended)}", wants_log=INIT)
    if age > limits.init_seconds:
        waits = _unschedulable(status) or "; ".join(
            f"{name}: {_words((c.get('state') or {}).get('waiting') or {})}" for name, c in containers.items()
        )
        return Verdict(
            f"The pod did not start within {_span(limits.init_seconds)}: {waits or 'Kubernetes gave no reason'}.",
            prefix="INIT_TIMEOUT",
        )
    return None


def _unschedulable(status: Status) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"no node takes it ({condition.get('message') or condition.get('reason')})"
    return ""


def _image_trouble(name: str, container: Status, waiting: Status) -> str:
    return f"The image {container.get('image') or ''} of {name} cannot be used: {_words(waiting)}"


def _out_of_memory(pod: Status, name: str) -> str:
    return (
        f"{name} ran out of memory at {_limit(pod, name)}; raise the memory limit of {name}, or read fewer "
        "streams at once."
    )


def _limit(pod: Status, name: str) -> str:
    for container in pod.get("spec", {}).get("containers") or ():
        if container.get("name") == name:
            return str((container.get("resources") or {}).get("limits", {}).get("memory") or "none")
    return "unknown"


def _words(state: Status) -> str:
    parts = (str(state.get(key) or "").strip() for key in ("reason", "message"))
    return ": ".join(part for part in parts if part) or "no reason given"


def unix_seconds(stamp: object, default: float) -> float:
    """An RFC 3339 time as Unix seconds; `default` for what is none."""
    try:
        return datetime.fromisoformat(str(stamp)).timestamp()
    except ValueError:
        return default


def _span(seconds: float) -> str:
    hours, minutes = seconds / 3600, seconds / 60
    return f"{hours:g} h" if hours >= 1 else f"{minutes:g} min" if minutes >= 1 else f"{seconds:g} s"
