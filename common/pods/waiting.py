"""What a pod that has not started waits for, and whether its sidecar reports: what its row shows meanwhile. Pure."""

from common.cluster.objects import ContainerState, Pod, Waiting
from common.pods import ends, explain
from common.pods.containers import INIT, SIDECAR, SOURCE
from common.pods.explain import unix_seconds
from common.store.waiting import Waits, WaitsFor

UNREPORTED_SECONDS = 30.0
"""How long a sidecar may run without a report, of which it sends one every 3 s, before its row says so."""
HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
IMAGE = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", "SignatureValidationFailed"}
)


def waits_of(pod: Pod) -> Waits | None:
    """Return what a pod that has not started waits for; None if nothing is known.

    The text on a container's trouble begins with its name and a colon, that on the lack of a node with NO_NODE.
    """
    if found := trouble_of(pod):
        return found
    ours = ends.ours(pod)
    waiting = [name for name, state in ours.items() if state.waiting]
    # Its state is the same until the container runs: of all that the kubelet does meanwhile, the pull takes time. The
    # sidecar is the first in the list; where init is, that is.
    first = ours.get(SIDECAR, ContainerState())
    made = INIT in ends.ended(ours) or (INIT not in ours and (first.running or first.terminated))
    return Waits(WaitsFor.IMAGE, explain.being_pulled(waiting)) if waiting and made else None


def trouble_of(pod: Pod) -> Waits | None:
    """Return what keeps a pod from starting; None if there is no trouble that is known."""
    ours = ends.ours(pod)
    for name, state in ours.items():
        if state.waiting and (state.waiting.reason not in explain.BEING_MADE or state.waiting.message):
            return Waits(_waits_for(name, state.waiting), f"{name}: {explain.both(state.waiting)}")
    if text := explain.unschedulable(pod):
        return Waits(WaitsFor.NODE, text)
    text = ends.injected(pod)
    return Waits(WaitsFor.CONTAINER, text) if text else None


def _waits_for(name: str, waiting: Waiting) -> WaitsFor:
    made = waiting.reason in explain.BEING_MADE and name == SOURCE  # the first one itself waits for its Secret
    return WaitsFor.IMAGE if made or waiting.reason in HOPELESS | IMAGE else WaitsFor.CONTAINER


def is_unreported(pod: Pod, now: float, silence: float | None) -> bool:
    """Return whether the sidecar has been running for some time without a report; `silence` as in Clock.

    It reports once its source has begun, whose image may be pulled for long while the sidecar runs.
    """
    states = dict(pod.states())
    sidecar, source = (states.get(name, ContainerState()).running for name in (SIDECAR, SOURCE))
    begun = unix_seconds(source.started_at, 0) if source else 0.0
    since = now - max(unix_seconds(sidecar.started_at, now), begun) if sidecar else 0.0
    return min(since, since if silence is None else silence) > UNREPORTED_SECONDS
