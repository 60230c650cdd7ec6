"""Installs a connector, as a kubelet pulls an image, and tells permanent trouble from passing one."""

import json
import sys
from collections.abc import Callable

from common.cluster.objects import ContainerState
from common.errors import BadRequest, Refused, SyncError
from embedded.pods import images, logs
from embedded.pods.event_loop import EventLoop
from embedded.pods.installer import Exit
from embedded.pods.launch import Launch
from embedded.pods.pod_dir import Parameters, PodFolder
from embedded.pods.status import WaitingReason, waiting

_INSTALLER = "installer"
_LONGEST_PAUSE_SECONDS = 300.0
_LOOK_SECONDS = 0.25


class Puller:
    """Installs images while the pod stays responsive; `show` takes the waiting container's state."""

    def __init__(self, folder: PodFolder, parameters: Parameters, loop: EventLoop) -> None:
        self._folder = folder
        self._parameters = parameters
        self._loop = loop

    def entry_point(self, image: str, show: Callable[[ContainerState], None]) -> str:
        """Return the image's command line. Wait while it cannot be installed, until Stopped is raised."""
        try:
            if not images.is_reference(image):
                raise BadRequest(f"Failed to apply default image tag {image!r}: couldn't parse image name")
            resolver = images.resolver(self._parameters.images)
            if not resolver.is_ready(image):
                self._install_until_ready(image, show)
            return resolver.command(image)
        except SyncError as exc:
            show(waiting(_permanent(exc), exc.message))
            self._loop.wait(lambda: False)
            raise

    def _install_until_ready(self, image: str, show: Callable[[ContainerState], None]) -> None:
        first, pause = "", self._parameters.install_pause_seconds
        show(waiting(WaitingReason.CREATING, f"installing {image}"))
        while trouble := self._install(image, (lambda _: None) if first else show):
            # The first message names the cause; later ones often only say that it is still so.
            first = first or trouble
            show(waiting(WaitingReason.PULL_FAILED, first))
            self._loop.wait_seconds(min(1.0, pause / 2))
            show(waiting(WaitingReason.PULL_BACK_OFF, f"{first} (next try within {pause:g} s)"))
            self._loop.wait_seconds(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _install(self, image: str, show: Callable[[ContainerState], None]) -> str:
        """Try once; return the passing trouble, or "". Raise Refused or BadRequest for a lasting one."""
        folder = self._folder
        folder.installation.unlink(missing_ok=True)
        arguments = [sys.executable, "-m", "embedded.pods.installer"]
        files = [str(folder.parameters), image, str(folder.installation)]
        log, work = folder.log(_INSTALLER), folder.work(_INSTALLER)
        container = self._loop.start(Launch(_INSTALLER, [*arguments, *files], work, log))

        def ended() -> bool:
            if report := self._outcome("report"):
                show(waiting(WaitingReason.CREATING, report))
            return container.ended

        self._loop.wait(ended, pause_seconds=_LOOK_SECONDS)
        code = container.state.terminated.exit_code if container.state and container.state.terminated else None
        trouble = self._outcome("trouble") or f"installing {image} failed: {self._last_words()}"
        if code == Exit.REFUSED:
            raise Refused(trouble)
        if code == Exit.INVALID:
            raise BadRequest(trouble)
        return "" if code == Exit.READY else trouble

    def _outcome(self, key: str) -> str:
        try:
            return str(json.loads(self._folder.installation.read_bytes()).get(key, ""))
        except FileNotFoundError:
            return ""

    def _last_words(self) -> str:
        return logs.tail(self._folder.log(_INSTALLER), 1).decode(errors="replace").strip() or "it printed nothing"


def _permanent(error: SyncError) -> WaitingReason:
    if isinstance(error, BadRequest):
        return WaitingReason.INVALID_IMAGE
    return WaitingReason.NEVER_PULL if isinstance(error, Refused) else WaitingReason.PULL_FAILED
