"""A pod's status in the shape that Kubernetes gives it. Times are RFC 3339, UTC."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from embedded.pods.manifest import Container, PodSpec

State = dict[str, Any]


class Phase(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Waiting(StrEnum):
    """Why a container has not started."""

    CREATING = "ContainerCreating"
    INITIALIZING = "PodInitializing"
    CONFIG_ERROR = "CreateContainerConfigError"
    INVALID_IMAGE = "InvalidImageName"
    NEVER_PULL = "ErrImageNeverPull"
    PULL_FAILED = "ErrImagePull"
    PULL_BACK_OFF = "ImagePullBackOff"


class Ending(StrEnum):
    """How a container ended."""

    COMPLETED = "Completed"
    ERROR = "Error"
    OUT_OF_MEMORY = "OOMKilled"
    START_ERROR = "StartError"


TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED})
NODE_LOST = "NodeLost"


def now() -> str:
    """Return the present time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: Waiting, message: str = "") -> State:
    """Return the state of a container that has not started."""
    return {"waiting": {"reason": str(reason), **({"message": message} if message else {})}}


def terminated(code: int, reason: Ending, started: str, *, signal: int = 0, message: str = "") -> State:
    """Return the state of a container that has just ended."""
    state = {"exitCode": code, "reason": str(reason), "startedAt": started, "finishedAt": now()}
    return {"terminated": state | ({"signal": signal} if signal else {}) | ({"message": message} if message else {})}


def lost(message: str, started: str | None) -> State:
    """Return the status of a pod whose runner is gone: nothing is known of its containers."""
    return {"phase": str(Phase.FAILED), "reason": NODE_LOST, "message": message} | (
        {"startTime": started} if started else {}
    )


class PodStatus:
    """The status of one pod while it runs; the phase follows from the containers' states."""

    def __init__(self, spec: PodSpec) -> None:
        self._spec = spec
        self._states: dict[str, State] = {one.name: waiting(Waiting.INITIALIZING) for one in spec.every}
        self._start = now()
        self._ended: dict[str, str] = {}

    def set(self, container: str, state: State) -> None:
        """Set a container's state."""
        self._states[container] = state

    def end(self, reason: str, message: str) -> None:
        """Note that the pod was ended from outside; without effect if its containers all succeed."""
        self._ended = {"reason": reason, "message": message}

    def exit_code(self, container: str) -> int | None:
        """Return a container's exit code, once it ended."""
        ended = self._states[container].get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def phase(self) -> Phase:
        """Return the phase as a kubelet computes it for restartPolicy Never."""
        if any(self.exit_code(one.name) for one in self._spec.init_containers):
            return Phase.FAILED
        states = [self._states[one.name] for one in self._spec.containers]
        codes = [self.exit_code(one.name) for one in self._spec.containers]
        if all(code == 0 for code in codes):
            return Phase.SUCCEEDED
        if all(code is not None for code in codes):
            return Phase.FAILED
        return Phase.PENDING if any("waiting" in state for state in states) else Phase.RUNNING

    def as_dict(self, *, final: bool = False) -> State:
        """Return the status; it is terminal only if `final`: nothing of the pod is left then."""
        phase = self.phase()
        if final and self._ended and phase is not Phase.SUCCEEDED:
            phase = Phase.FAILED
        elif not final and phase in TERMINAL:
            phase = Phase.RUNNING
        initialized = all(self.exit_code(one.name) == 0 for one in self._spec.init_containers)
        return {
            "phase": str(phase),
            **(self._ended if phase is Phase.FAILED else {}),
            "startTime": self._start,
            "conditions": [
                _condition("PodScheduled", holds=True),
                _condition("Initialized", holds=initialized),
                _condition("Ready", holds=phase is Phase.RUNNING),
            ],
            "initContainerStatuses": [self._container(one) for one in self._spec.init_containers],
            "containerStatuses": [self._container(one) for one in self._spec.containers],
        }

    def _container(self, container: Container) -> State:
        state = self._states[container.name]
        return {
            "name": container.name,
            "image": container.image,
            "imageID": "",
            "ready": "running" in state,
            "restartCount": 0,
            "state": state,
            "lastState": {},
        }


def _condition(kind: str, *, holds: bool) -> State:
    return {"type": kind, "status": "True" if holds else "False"}
