"""Sentences about pods for users: what happened and where. What to do about it is in common.failures. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime

from common.cluster.objects import Condition, ContainerStatus, Pod, Terminated, Waiting
from common.failures import FailureKind

NO_NODE = "no node takes it"
UNREPORTED = (
    "sidecar: it does not report. If it cannot reach Postgres (on a cluster: SYNCCTL_SIDECAR_DATABASE_URL), it waits "
    "for some minutes, and then gives up"
)
BEING_MADE = frozenset({"", "PodInitializing", "ContainerCreating"})
"""Reasons of a container that waits without any trouble."""
# By what the text of a registry or runtime says; the first match counts.
_IMAGE_TROUBLE = (
    (r"toomanyrequests|too many requests|rate limit", FailureKind.IMAGE_PULL),
    # Not 401 and 403 alone: tags and digests have such digits.
    (r"unauthorized|denied|forbidden|status(?: code)?:? 40[13]", FailureKind.IMAGE_ACCESS),
    (r"no such host|i/o timeout|connection refused|unreachable", FailureKind.IMAGE_PULL),
    (r"not found|manifest unknown|does not exist|parse|invalid reference", FailureKind.IMAGE_NAME),
)


def unix_seconds(stamp: str | None, default: float) -> float:
    """Return an RFC 3339 time as Unix seconds, or `default` if it is missing or unreadable."""
    try:
        return datetime.fromisoformat(stamp or "").timestamp()
    except ValueError:
        return default


def span(seconds: float) -> str:
    """Return a length of time in its largest unit, such as `1.5 h`."""
    hours, minutes = seconds / 3600, seconds / 60
    if hours >= 1:
        return f"{round(hours, 1):g} h"
    return f"{round(minutes, 1):g} min" if minutes >= 1 else f"{round(seconds):g} s"


def both(state: Waiting | Terminated) -> str:
    """Return a state's reason and message, as far as there are any."""
    return ": ".join(part for part in (state.reason.strip(), state.message.strip()) if part) or "no reason given"


def platform(pod: Pod, reason: str, message: str) -> str:
    """Explain that the node or the control plane ended the pod."""
    reason = "evicted" if reason == "Evicted" else reason or "no reason given"
    return f"The platform ended the pod{_on(pod)} ({reason}): {(message or 'no message').rstrip('.')}."


def disruption(pod: Pod, target: Condition) -> str:
    """Explain the pod's DisruptionTarget condition."""
    return platform(pod, f"DisruptionTarget, {target.reason}", target.message)


def node_lost(pod: Pod) -> str:
    return f"The node{_name(pod)} of the pod is lost (node lost): it no longer answers for the pod."


def lost_track(pod: Pod, name: str) -> str:
    return f"The node{_name(pod)} lost track of {name}, as after a restart of the node."


def no_reason(pod: Pod) -> str:
    where = pod.spec.node_name or "unknown"
    return f"The pod failed on node {where} and Kubernetes gave no reason; nothing of it ran to its end."


def too_long(seconds: float) -> str:
    return f"The task ran longer than {span(seconds)} and was stopped."


def silent(seconds: float) -> str:
    return (
        f"sidecar has not reported for {span(seconds)} and was stopped: it hangs, or cannot reach Postgres "
        f"(on a cluster: SYNCCTL_SIDECAR_DATABASE_URL)."
    )


def out_of_memory(pod: Pod, name: str, end: Terminated) -> str:
    """Explain the end of a container for want of memory; another sign than SIGKILL is named too."""
    other = "" if end.exit_code == 137 else f" ({end.reason or 'no reason'}, with exit code {end.exit_code})"
    return f"{name} ran out of memory at {_memory_limit(pod, name)}{other}{_said(end)}."


def out_of_disk(pod: Pod, name: str, limit: str) -> str:
    """Explain that the node's kubelet evicted the pod, as a container of it wrote too much."""
    return f"{name} used more disk than its limit of {limit}, and the pod was evicted{_on(pod)}."


def volume_full(pod: Pod, volume: str, limit: str) -> str:
    return (
        f"The volume {volume} of the pod grew over {limit}, its fixed size, and the pod was evicted{_on(pod)}: source "
        "has to write its files elsewhere, such as to /tmp."
    )


def pod_out_of_disk(pod: Pod, limit: str) -> str:
    return (
        f"source, sidecar and the pod's volumes together used more disk than the limits of all containers, {limit}, "
        f"and the pod was evicted{_on(pod)}."
    )


def killed(pod: Pod, name: str, end: Terminated) -> str:
    return f"{name} was killed (signal 9; often memory: limit {_memory_limit(pod, name)}){_said(end)}."


def exit_code(name: str, end: Terminated) -> str:
    return f"{name} ended with exit code {end.exit_code}{_said(end)}."


def _said(end: Terminated) -> str:
    """A container's own termination message, behind a colon."""
    message = end.message.strip().rstrip(".")
    return f": {message}" if message else ""


def injected(status: ContainerStatus) -> str:
    """Explain the trouble of a container that is not ours; "" if it has none."""
    now, before = status.state, status.last_state.terminated
    end = now.terminated or before
    parts = []
    if now.waiting and (now.waiting.reason not in BEING_MADE or now.waiting.message):
        parts.append(f"does not start ({both(now.waiting).rstrip('.')})")
    if end and end.exit_code:
        parts.append(f"ended with exit code {end.exit_code}{_said(end)}")
    what = "is not one of ours (something in the cluster injects it)"
    return f"{status.name} {what} and {', and '.join(parts)}" if parts else ""


def never_ran(name: str, ended: Terminated) -> str:
    return f"{name} could not be started: {both(ended).rstrip('.')}."


def image_trouble(pod: Pod, name: str, waiting: Waiting) -> str:
    container = pod.container(name)
    image = (container and container.image) or "of unknown name"
    return f"The image {image} of {name} cannot be used: {both(waiting).rstrip('.')}."


def image_kind(waiting: Waiting) -> FailureKind:
    """Tell a wrong name and a missing right from a registry out of reach; an unknown text may pass: IMAGE_PULL."""
    text = both(waiting)
    kinds = (kind for pattern, kind in _IMAGE_TROUBLE if re.search(pattern, text, re.IGNORECASE))
    return next(kinds, FailureKind.IMAGE_PULL)


def not_configured(name: str, waiting: Waiting) -> str:
    return f"{name} could not be configured: {(waiting.message or 'no message').rstrip('.')}."


def secret_missing(end: Terminated) -> str:
    """Repeat the last words of init, which name Secret and key."""
    said = end.message.strip().splitlines()
    return f"{(said[-1] if said else 'A Secret that the sync refers to is missing').rstrip('.')}."


def other_secret(pod: Pod, waiting: Waiting) -> bool:
    """Return whether what a container waits for is a Secret that is not the task's own."""
    found = re.search(r'secret "([^"]+)" not found|in Secret (?:[^\s/]+/)?(\S+)', waiting.message)
    return found is not None and not (found[1] or found[2]).startswith(pod.name)


def not_created(name: str, waiting: Waiting) -> str:
    return f"{name} could not be created: {both(waiting).rstrip('.')}."


def not_started(pod: Pod, seconds: float, waits_for: str) -> str:
    """Explain that a pod exceeded its time to start; `waits_for` as far as it is known."""
    text = f"The pod did not start within {span(seconds)}"
    if waits_for:
        return f"{text}: {waits_for.rstrip('.')}."
    if any(state.waiting for _, state in pod.states()):
        where = pod.spec.node_name or "unknown"
        return (
            f"{text}: its containers were still being made on node {where}. An image may be large, or its Secret may "
            "be missing."
        )
    return f"{text}: Kubernetes gave no reason."


def no_node(pod: Pod, seconds: float) -> str:
    """Explain that a pod exceeded its time to find a node."""
    return f"The pod found no node within {span(seconds)}: {unschedulable(pod) or NO_NODE}."


def not_begun(pod: Pod, seconds: float) -> str:
    """Explain that the node of a pod never reported on it."""
    return f"The node{_name(pod)} took the pod and did not begin with it within {span(seconds)}."


def unschedulable(pod: Pod) -> str:
    """Explain why no node takes a pod; "" if one did, or if the scheduler gave no reason."""
    found = pod.condition("PodScheduled", "False")
    return f"{NO_NODE} ({found.message or found.reason})" if found else ""


def being_pulled(names: Sequence[str]) -> str:
    """Explain that containers wait without any trouble; no container's name comes first, as of one in trouble."""
    which = f"image of {names[0]} is" if len(names) == 1 else f"images of {' and '.join(names)} are"
    return f"the {which} being pulled"


def has_node(pod: Pod) -> bool:
    """Return whether a node has taken the pod."""
    known = pod.spec.node_name or pod.status.start_time or pod.condition("PodScheduled", "True")
    return bool(known) or any(True for _ in pod.states())


def has_node_since(pod: Pod, default: float) -> float:
    """Return since when a node has the pod, in Unix seconds; `default` if that is not known."""
    scheduled = pod.condition("PodScheduled", "True")
    return unix_seconds((scheduled and scheduled.last_transition_time) or pod.status.start_time, default)


def _name(pod: Pod) -> str:
    return f" {pod.spec.node_name}" if pod.spec.node_name else ""


def _on(pod: Pod) -> str:
    return f" on node {pod.spec.node_name}" if pod.spec.node_name else ""


def _memory_limit(pod: Pod, name: str) -> str:
    container = pod.container(name)
    return container.resources.limits.get("memory", "none") if container else "unknown"
