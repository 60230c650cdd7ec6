"""The processes that run pods, one each, and the threads that wait for their ends."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import IO

from common.errors import ClusterUnavailable
from embedded.pods import recovery
from embedded.pods.launch import MARKER
from embedded.pods.pod_dir import PodFolder

_DISK_PAUSE_SECONDS = 2.0
_CLOSE_PATIENCE_SECONDS = 15.0
_STOPPED = "The embedded edition was stopped while this task ran."
_CRASHED = "The process that ran this pod was killed (no memory left, or by hand)."

_log = logging.getLogger(__name__)


class Runners:
    """Start runners and give them orders; the caller holds `lock` for both.

    `settle` is called, with the lock, once a pod's runner has ended; then `on_end`, without it.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        lock: Lock,
        settle: Callable[[PodFolder, str], None],
        on_end: Callable[[], None],
    ) -> None:
        self._environment, self._lock, self._settle, self._on_end = dict(environment), lock, settle, on_end
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._watchers: dict[str, Thread] = {}
        self._closed = False

    def start(self, name: str, folder: PodFolder) -> None:
        """Start a pod's runner; raise ClusterUnavailable, without the folder, if it cannot be."""
        uid = json.loads(folder.pod.read_bytes())["metadata"]["uid"]
        try:
            process = self._spawn(folder.root, folder.runner_log, uid)
        except OSError as exc:
            folder.remove()
            raise ClusterUnavailable(f"The pod {name} could not be started: {exc.strerror}.") from exc
        watcher = Thread(target=self._watch, args=(name, uid, folder, process), name=f"pod {name}", daemon=True)
        self._processes[name], self._watchers[name] = process, watcher
        watcher.start()

    def end(self, name: str, grace_seconds: float) -> bool:
        """Order a runner to end its pod within a time; return False if the pod has none."""
        if name not in self._processes:
            return False
        _order(self._processes[name], grace=grace_seconds)
        return True

    def close(self, grace_seconds: float) -> None:
        """End all pods, as when a node shuts down, and wait for it; without the lock."""
        with self._lock:
            self._closed = True
            processes, watchers = list(self._processes.values()), list(self._watchers.values())
            for process in processes:
                _order(process, grace=grace_seconds, reason="NodeShutdown", message=_STOPPED)
        deadline = time.monotonic() + grace_seconds + _CLOSE_PATIENCE_SECONDS
        for process, watcher in zip(processes, watchers, strict=True):
            watcher.join(max(0.0, deadline - time.monotonic()))
            if watcher.is_alive():
                process.kill()
                watcher.join()

    def _spawn(self, root: Path, log_file: Path, uid: str) -> "subprocess.Popen[bytes]":
        with log_file.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "embedded.pods.runner", str(root)],
                # An empty place to import from: the owner's folder may hold anything.
                cwd=root,
                env=self._environment | {MARKER: uid},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _watch(self, name: str, uid: str, folder: PodFolder, process: "subprocess.Popen[bytes]") -> None:
        """Wait for a runner's end, and conclude its pod if it could not."""
        code = process.wait()
        try:
            if code != 0:
                _log.warning("the runner of pod %s ended with exit code %d", name, code)
                self._conclude(folder, uid)
        finally:
            with self._lock:
                del self._processes[name], self._watchers[name]
                with suppress(OSError):
                    _line(process).close()
                self._settle(folder, uid)
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


def _order(process: "subprocess.Popen[bytes]", *, grace: float, reason: str = "", message: str = "") -> None:
    line = _line(process)
    with suppress(OSError):  # it has just ended
        line.write(json.dumps({"grace": grace, "reason": reason, "message": message}).encode() + b"\n")
        line.flush()


def _line(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdin is not None  # noqa: S101 - asked for with PIPE
    return process.stdin
