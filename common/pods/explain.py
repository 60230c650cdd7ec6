"""Sentences about pods, for users: what happened and where; what to do is in common.failures. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from common.failures import FailureKind

Status = Mapping[str, Any]

BEING_MADE = frozenset({"PodInitializing", "ContainerCreating"})
# What a registry's or runtime's text tells; the first that fits.
_IMAGE_TROUBLE = (
    (r"unauthorized|denied|forbidden|401|403", FailureKind.IMAGE_ACCESS),
    (r"no such host|i/o timeout|connection refused|unreachable", FailureKind.IMAGE_PULL),
    (r"not found|manifest unknown|does not exist|parse|invalid reference", FailureKind.IMAGE_NAME),
)


def unix_seconds(stamp: object, default: float) -> float:
    """An RFC 3339 time as Unix seconds; `default` for what is none."""
    try:
        return datetime.fromisoformat(str(stamp)).timestamp()
    except ValueError:
        return default


def span(seconds: float) -> str:
    """A length of time as people say it."""
    hours, minutes = seconds / 3600, seconds / 60
    if hours >= 1:
        return f"{round(hours, 1):g} h"
    return f"{round(minutes, 1):g} min" if minutes >= 1 else f"{round(seconds):g} s"


def both(state: Status) -> str:
    """A state's reason and message, as far as there are any."""
    parts = (str(state.get(key) or "").strip() for key in ("reason", "message"))
    return ": ".join(part for part in parts if part) or "no reason given"


def platform(pod: Status, reason: str, said: str) -> str:
    """The node, or the control plane, ended the pod."""
    where = f" on node {_node(pod)}" if _node(pod) else ""
    reason = "evicted" if reason == "Evicted" else reason or "no reason given"
    return f"The platform ended the pod{where} ({reason}): {(said or 'no message').rstrip('.')}."


def disruption(pod: Status) -> str:
    """The same, from the pod's DisruptionTarget condition; "" without one."""
    found = _condition(pod, "DisruptionTarget", "True")
    return platform(pod, f"DisruptionTarget, {found.get('reason')}", str(found.get("message") or "")) if found else ""


def disruption_reason(pod: Status) -> str:
    """Who ended the pod on the control plane's behalf: the DisruptionTarget's reason; "" without one."""
    found = _condition(pod, "DisruptionTarget", "True")
    return str(found.get("reason") or "unknown") if found else ""


def node_lost(pod: Status) -> str:
    """Nobody hears of the node any more."""
    name = f" {_node(pod)}" if _node(pod) else ""
    return f"The node{name} of the pod is lost (node lost): it no longer answers for the pod."


def lost_track(pod: Status, name: str) -> str:
    """The node came back without the container."""
    where = f" {_node(pod)}" if _node(pod) else ""
    return f"The node{where} lost track of {name}, as after a restart of the node."


def no_reason(pod: Status) -> str:
    """Failed, and that is all that is known."""
    return (
        f"The pod failed on node {_node(pod) or 'unknown'} and Kubernetes gave no reason; nothing of it ran to its end."
    )


def too_long(seconds: float) -> str:
    """Over the time limit for tasks."""
    return f"The task ran longer than {span(seconds)} and was stopped."


def silent(seconds: float) -> str:
    """A sidecar that hangs."""
    return (
        f"sidecar has not reported for {span(seconds)} and was stopped: it hangs, or cannot reach Postgres "
        f"(SYNCCTL_SIDECAR_DATABASE_URL)."
    )


def out_of_memory(pod: Status, name: str) -> str:
    """OOMKilled."""
    return f"{name} ran out of memory at {_memory_limit(pod, name)}."


def killed(pod: Status, name: str) -> str:
    """SIGKILL without a word why."""
    return f"{name} was killed (signal 9; often memory: limit {_memory_limit(pod, name)})."


def never_ran(name: str, ended: Status) -> str:
    """The runtime could not run the command."""
    return f"{name} could not be started: {both(ended).rstrip('.')}."


def image_trouble(pod: Status, name: str, waiting: Status) -> str:
    """No image, no container."""
    return f"The image {_image(pod, name)} of {name} cannot be used: {both(waiting).rstrip('.')}."


def image_kind(waiting: Status) -> FailureKind:
    """Whether the name, the right to it or the way to it is the trouble; what nobody knows may pass."""
    text = both(waiting)
    return next(
        (kind for pattern, kind in _IMAGE_TROUBLE if re.search(pattern, text, re.IGNORECASE)), FailureKind.IMAGE_PULL
    )


def not_configured(name: str, waiting: Status) -> str:
    """A Secret, or one of its keys, is missing."""
    said = str(waiting.get("message") or "no message").rstrip(".")
    return f"{name} could not be configured: {said}."


def not_created(name: str, waiting: Status) -> str:
    """The node's container runtime refused."""
    return f"{name} could not be created: {both(waiting).rstrip('.')}."


def not_started(pod: Status, seconds: float, waits_for: str) -> str:
    """Over the time limit for starting; `waits_for` as far as it is known."""
    if waits_for:
        return f"The pod did not start within {span(seconds)}: {waits_for.rstrip('.')}."
    if any(_states(pod, "waiting")):
        return (
            f"The pod did not start within {span(seconds)}: its containers were still being made on node "
            f"{_node(pod) or 'unknown'}. An image may be large, or its Secret may be missing."
        )
    return f"The pod did not start within {span(seconds)}: Kubernetes gave no reason."


def unschedulable(pod: Status) -> str:
    """Why no node takes a pod; "" where one did."""
    found = _condition(pod, "PodScheduled", "False")
    return f"no node takes it ({found.get('message') or found.get('reason')})" if found else ""


def _condition(pod: Status, kind: str, status: str) -> Status:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == kind and c.get("status") == status), {})


def _states(pod: Status, kind: str) -> Iterator[Status]:
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        if found := (container.get("state") or {}).get(kind):
            yield found


def _node(pod: Status) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _spec(pod: Status, name: str) -> Status:
    spec = pod.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return next((c for c in containers if c.get("name") == name), {})


def _image(pod: Status, name: str) -> str:
    return str(_spec(pod, name).get("image") or "of unknown name")


def _memory_limit(pod: Status, name: str) -> str:
    found = _spec(pod, name)
    return str(((found.get("resources") or {}).get("limits") or {}).get("memory") or "none") if found else "unknown"
