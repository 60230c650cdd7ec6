"""A pod's status, computed as a kubelet does. Times are RFC 3339, UTC."""

from datetime import UTC, datetime
from enum import StrEnum

from common.cluster.objects import ContainerState, ContainerStatus, Status, Terminated, Waiting
from embedded.pods.manifest import Container, PodSpec


class WaitingReason(StrEnum):
    """Why a container has not started."""

    CREATING = "ContainerCreating"
    INITIALIZING = "PodInitializing"
    CONFIG_ERROR = "CreateContainerConfigError"
    INVALID_IMAGE = "InvalidImageName"
    NEVER_PULL = "ErrImageNeverPull"
    PULL_FAILED = "ErrImagePull"
    PULL_BACK_OFF = "ImagePullBackOff"


class EndReason(StrEnum):
    """How a container ended."""

    COMPLETED = "Completed"
    ERROR = "Error"
    OUT_OF_MEMORY = "OOMKilled"
    START_ERROR = "StartError"


def now() -> str:
    """Return the present time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: WaitingReason, message: str = "") -> ContainerState:
    """Return the state of a container that has not started."""
    return ContainerState(waiting=Waiting(reason, message))


def terminated(code: int, reason: EndReason, started: str, *, signal: int = 0, message: str = "") -> ContainerState:
    """Return the state of a container that has just ended."""
    return ContainerState(terminated=Terminated(code, signal, reason, message, started_at=started, finished_at=now()))


def lost(message: str, started: str | None) -> Status:
    """Return the status of a pod whose runner is gone: nothing is known of its containers."""
    return Status("Failed", "NodeLost", message, start_time=started)


class PodStatus:
    """The status of one pod while it runs; the phase follows from the containers' states."""

    def __init__(self, spec: PodSpec) -> None:
        self._spec = spec
        self._states = {one.name: waiting(WaitingReason.INITIALIZING) for one in spec.every}
        self._start = now()
        self._reason = self._message = ""

    def set(self, container: str, state: ContainerState) -> None:
        """Set a container's state."""
        self._states[container] = state

    def end(self, reason: str, message: str) -> None:
        """Note that the pod was ended from outside; without effect if its containers all succeed."""
        self._reason, self._message = reason, message

    def exit_code(self, container: str) -> int | None:
        """Return a container's exit code, once it ended."""
        ended = self._states[container].terminated
        return None if ended is None else ended.exit_code

    def phase(self) -> str:
        """Return the phase as a kubelet computes it for restartPolicy Never."""
        if any(self.exit_code(one.name) for one in self._spec.init_containers):
            return "Failed"
        codes = [self.exit_code(one.name) for one in self._spec.containers]
        if None not in codes:
            return "Failed" if any(codes) else "Succeeded"
        return "Pending" if any(self._states[one.name].waiting for one in self._spec.containers) else "Running"

    def status(self, *, final: bool = False) -> Status:
        """Return the status; it is terminal only if `final`: nothing of the pod is left then."""
        phase = self.phase()
        if final and self._reason and phase != "Succeeded":
            phase = "Failed"
        elif not final and phase in {"Succeeded", "Failed"}:
            phase = "Running"
        failed = phase == "Failed"
        return Status(
            phase=phase,
            reason=self._reason if failed else "",
            message=self._message if failed else "",
            start_time=self._start,
            init_container_statuses=self._shown(self._spec.init_containers),
            container_statuses=self._shown(self._spec.containers),
        )

    def _shown(self, containers: tuple[Container, ...]) -> tuple[ContainerStatus, ...]:
        return tuple(ContainerStatus(one.name, self._states[one.name]) for one in containers)
