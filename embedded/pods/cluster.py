"""The seven verbs of `common.cluster.Cluster` over local processes."""

import json
import logging
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any

import msgspec

from common.cluster import Manifest
from common.cluster.objects import Pod
from common.errors import ClusterUnavailable, Conflict, Refused, SettingsError
from embedded import files
from embedded.pods import logs, manifest, pod_dir, recovery
from embedded.pods.images import Images
from embedded.pods.launch import MARKER
from embedded.pods.pod_dir import Parameters, PodFolder, delete_tree, write_json
from embedded.pods.secrets import SecretFiles
from embedded.pods.status import PodStatus, now

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PASSED_ON = re.compile(r"PATH|LANG|LC_[A-Z]+|TZ")
"""What containers get of the owner's environment. HOME and TMPDIR are a container's own."""
_CLOSE_GRACE_SECONDS = 5.0
_DISK_PAUSE_SECONDS = 2.0
_CLOSE_PATIENCE_SECONDS = 15.0
_STOPPED = "The embedded edition was stopped while this task ran."
_CRASHED = "The process that ran this pod was killed (no memory left, or by hand)."

_log = logging.getLogger(__name__)


class LocalCluster:
    """A `Cluster` on this machine. One at a time per folder; `close` it to end its pods in order.

    Pods that it leaves are Failed, so that a sweep can conclude them. `environment` is that of the runners, and so of
    installations. `on_end` is called, by a thread of its own, whenever a pod has ended.
    """

    def __init__(
        self,
        folder: Path,
        images: Images,
        sidecar_image: str,
        environment: Mapping[str, str],
        *,
        install_pause_seconds: float = 10.0,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._pods, secrets = folder / "pods", folder / "secrets"
        for path in (folder, self._pods, secrets):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
        self._claim = ExitStack()
        try:
            # A second owner would end the pods of this one, as if left by a crash.
            self._claim.enter_context(files.lock(folder / "lock"))
        except BlockingIOError as exc:
            raise SettingsError(
                f"Another process runs pods in {folder} already; stop it, or choose another folder."
            ) from exc
        self._secrets = SecretFiles(secrets.resolve())
        self._pods = self._pods.resolve()
        self._environment = dict(environment)
        self._parameters = Parameters(
            images=images,
            sidecar_image=sidecar_image,
            secrets=str(self._secrets.root),
            environment={"PATH": os.defpath}
            | {key: value for key, value in environment.items() if _PASSED_ON.fullmatch(key)},
            install_pause_seconds=install_pause_seconds,
        )
        self._lock = Lock()
        self._runners: dict[str, subprocess.Popen[bytes]] = {}
        self._watchers: dict[str, Thread] = {}
        self._on_end = on_end
        self._closed = False
        recovery.repair(self._pods, self._secrets)

    def create_pod(self, pod: Manifest) -> Pod:
        """See Cluster; returns while the pod is Pending."""
        name = str(pod["metadata"]["name"])
        if not _NAME.fullmatch(name):
            raise Refused(f"{name!r} is not a name for a pod; use lower-case letters, digits, '-' and '.'.")
        with self._lock:
            if self._closed:
                raise ClusterUnavailable("The embedded edition is stopping; start the task again when it is up.")
            folder = self._make_folder(name, pod)
            self._start_runner(name, folder)
        created = folder.read()
        if created is None:
            raise ClusterUnavailable(f"The pod {name} was deleted while it was being created.")
        return created

    def create_secret(self, secret: Manifest) -> None:
        """See Cluster. A Secret whose owner is gone is not kept: a garbage collector would delete it."""
        owners = secret["metadata"].get("ownerReferences") or ()
        with self._lock:
            if not owners or any(self._exists(owner["name"], owner["uid"]) for owner in owners):
                try:
                    self._secrets.create(secret)
                except OSError as exc:
                    raise ClusterUnavailable(f"The task's Secret could not be written: {exc.strerror}.") from exc

    def read_secret(self, name: str) -> dict[str, bytes] | None:
        """See Cluster."""
        return self._secrets.read(name)

    def get_pod(self, name: str) -> Pod | None:
        """See Cluster."""
        return PodFolder(self._pods / name).read() if _NAME.fullmatch(name) else None

    def list_pods(self) -> Iterator[Pod]:
        """See Cluster."""
        return (pod for folder in pod_dir.pods(self._pods) if (pod := folder.read()) is not None and pod.is_ours)

    def delete_pod(self, name: str, uid: str, grace_seconds: int) -> None:
        """See Cluster. A second call can only shorten the grace period."""
        with self._lock:
            pod = self.get_pod(name)
            if pod is None or pod.uid != uid:
                return
            folder = PodFolder(self._pods / name)
            whole = json.loads(folder.pod.read_bytes())
            whole["metadata"].setdefault("deletionTimestamp", now())
            whole["metadata"]["deletionGracePeriodSeconds"] = grace_seconds
            write_json(folder.pod, whole)
            if name in self._runners:
                _order(self._runners[name], grace=grace_seconds)
            else:
                self._remove(folder, uid)

    def read_log(self, name: str, container: str, tail_lines: int) -> bytes:
        """See Cluster; init containers too."""
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(container):
            return b""
        return logs.tail(PodFolder(self._pods / name).log(container), tail_lines)

    def close(self, grace_seconds: float = _CLOSE_GRACE_SECONDS) -> None:
        """End all pods (SIGTERM, then SIGKILL after the grace period) and wait for it; idempotent."""
        with self._lock:
            self._closed = True
            runners, watchers = list(self._runners.values()), list(self._watchers.values())
            for runner in runners:
                _order(runner, grace=grace_seconds, reason="NodeShutdown", message=_STOPPED)
        deadline = time.monotonic() + grace_seconds + _CLOSE_PATIENCE_SECONDS
        for runner, watcher in zip(runners, watchers, strict=True):
            watcher.join(max(0.0, deadline - time.monotonic()))
            if watcher.is_alive():
                runner.kill()
                watcher.join()
        self._forget_payloads()
        self._claim.close()

    def _forget_payloads(self) -> None:
        """Delete the pods' own copies of what they were given, and the Secrets of those that succeeded.

        The others are for the next sweep: a read that was stopped is started again from its Secret.
        """
        unfinished: set[str] = set()
        for folder in pod_dir.pods(self._pods):
            with suppress(OSError):
                delete_tree(folder.root / "volumes")
            pod = folder.read()
            if pod is not None and not pod.is_ending and pod.status.phase != "Succeeded":
                unfinished.add(pod.uid)
        self._secrets.remove_orphans(unfinished)

    def _exists(self, name: str, uid: str) -> bool:
        pod = self.get_pod(name)
        return pod is not None and pod.uid == uid

    def _make_folder(self, name: str, pod: Manifest) -> PodFolder:
        """Make a folder that appears under the pod's name whole, or not at all."""
        made: dict[str, Any] = json.loads(json.dumps(pod))
        made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        half = PodFolder(self._pods / f".new-{made['metadata']['uid']}")
        try:
            half.root.mkdir(mode=0o700)
            write_json(half.pod, made)
            half.write_status(PodStatus(manifest.parse(made).spec).status())
            files.write_atomic(half.parameters, msgspec.json.encode(self._parameters))
            return PodFolder(half.root.rename(self._pods / name))
        except OSError as exc:
            with suppress(FileNotFoundError):
                delete_tree(half.root)
            if not (self._pods / name).exists():
                raise ClusterUnavailable(f"The pod {name} could not be created: {exc.strerror}.") from exc
            raise Conflict(f"A pod named {name} exists already, or is still ending.") from exc

    def _start_runner(self, name: str, folder: PodFolder) -> None:
        uid = json.loads(folder.pod.read_bytes())["metadata"]["uid"]
        try:
            with folder.runner_log.open("ab") as log:
                runner = subprocess.Popen(
                    [sys.executable, "-m", "embedded.pods.runner", str(folder.root)],
                    # An empty place to import from: the owner's folder may hold anything.
                    cwd=folder.root,
                    env=self._environment | {MARKER: uid},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as exc:
            folder.remove()
            raise ClusterUnavailable(f"The pod {name} could not be started: {exc.strerror}.") from exc
        watcher = Thread(target=self._watch, args=(name, uid, folder, runner), name=f"pod {name}", daemon=True)
        self._runners[name], self._watchers[name] = runner, watcher
        watcher.start()

    def _watch(self, name: str, uid: str, folder: PodFolder, runner: subprocess.Popen[bytes]) -> None:
        """Wait for a runner's end, and conclude its pod if it could not."""
        code = runner.wait()
        try:
            if code != 0:
                _log.warning("the runner of pod %s ended with exit code %d", name, code)
                self._conclude(folder, uid)
        finally:
            with self._lock:
                del self._runners[name], self._watchers[name]
                with suppress(OSError):
                    _line(runner).close()
                pod = folder.read()
                if pod is not None and pod.is_ending:
                    self._remove(folder, uid)
            self._on_end()

    def _conclude(self, folder: PodFolder, uid: str) -> None:
        """Try until it works: while the disk is full, the pod would count as running."""
        while True:
            try:
                recovery.conclude(folder, uid, _CRASHED)
            except OSError as exc:
                _log.warning("a pod's end cannot be written yet: %s", exc.strerror)
                if self._closed:
                    return
                time.sleep(_DISK_PAUSE_SECONDS)
            else:
                return

    def _remove(self, folder: PodFolder, uid: str) -> None:
        self._secrets.remove_owned_by(uid)
        folder.remove()


def _order(runner: subprocess.Popen[bytes], *, grace: float, reason: str = "", message: str = "") -> None:
    line = _line(runner)
    with suppress(OSError):  # it has just ended
        line.write(json.dumps({"grace": grace, "reason": reason, "message": message}).encode() + b"\n")
        line.flush()


def _line(runner: subprocess.Popen[bytes]) -> IO[bytes]:
    assert runner.stdin is not None  # noqa: S101 - asked for with PIPE
    return runner.stdin
