"""Where a pod's files are."""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from common.cluster.objects import Pod, Status
from embedded import files
from embedded.pods.images import Images

_log = logging.getLogger(__name__)
_POD, _STATUS = msgspec.json.Decoder(Pod), msgspec.json.Decoder(Status)


class Parameters(Struct, frozen=True):
    """What a runner needs to know besides its pod; a 0600 file in the pod's folder."""

    images: Images
    sidecar_image: str
    secrets: str
    credentials: str
    """Where the user's own Secrets are."""
    environment: dict[str, str]
    """The first variables of every container."""
    path_variables: tuple[str, ...]
    """Those that hold a path below a mount: the module that knows them would be most of what a runner imports."""
    install_pause_seconds: float


class PodFolder:
    """One pod's folder, named like the pod."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pod = root / "pod.json"
        """The pod as created; only LocalCluster writes it."""
        self.status = root / "status.json"
        """The pod's status; only the runner writes it, or LocalCluster once the runner is gone."""
        self.processes = root / "processes.json"
        """The pod's main processes, for a clean-up after a crash."""
        self.parameters = root / "parameters.json"
        self.runner_log = root / "runner.log"
        self.installation = root / "installation.json"

    def volume(self, name: str) -> Path:
        """What a container sees at the volume's mount path."""
        return self.root / "volumes" / name

    def container(self, name: str) -> Path:
        """A container's own files: its log, and its working, home and temporary folders."""
        return self.root / "containers" / name

    def log(self, container: str) -> Path:
        """What a container printed."""
        return self.container(container) / "log"

    def work(self, container: str) -> Path:
        """A container's working directory, empty at its start."""
        return self.container(container) / "work"

    def read(self) -> Pod | None:
        """Return the pod with its status; None if it is gone (or just going)."""
        try:
            pod = _POD.decode(self.pod.read_bytes())
            return structs.replace(pod, status=_STATUS.decode(self.status.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (msgspec.MsgspecError, ValueError):
            # A machine's crash or a full disk may leave half a file; one pod must not stop all others.
            _log.error("the files of pod %s cannot be read; it counts as gone", self.root.name)
            return None

    def write_status(self, status: Status) -> None:
        """Replace the pod's status."""
        files.write_atomic(self.status, msgspec.json.encode(status))

    def remove(self) -> None:
        """Take the folder away at once (by renaming it), then delete it."""
        doomed = self.root.with_name(f".gone-{os.urandom(8).hex()}")
        try:
            self.root.rename(doomed)
        except FileNotFoundError:
            return
        delete_tree(doomed)


def pods(root: Path) -> Iterator[PodFolder]:
    """Yield the folders of all pods; names with a dot in front are half made or half deleted."""
    for path in sorted(root.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            yield PodFolder(path)


def write_json(path: Path, value: object) -> None:
    """Replace a file by a JSON value."""
    files.write_atomic(path, json.dumps(value).encode())


def delete_tree(path: Path) -> None:
    """Delete a folder even if a connector left folders in it that nobody may write to."""
    try:
        shutil.rmtree(path)
    except PermissionError:
        for parent, names, _ in os.walk(path):
            for child in (Path(parent, name) for name in names):
                if not child.is_symlink():
                    child.chmod(0o700)
        shutil.rmtree(path)
