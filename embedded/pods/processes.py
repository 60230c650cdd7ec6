"""Finding and ending processes: whole trees, and what an earlier crash left behind.

Pids are reused, so a pid from a file is only trusted together with the process's start time.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Set
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from embedded import files
from embedded.pods.launch import MARKER
from embedded.pods.pod_dir import PodFolder

_PR_SET_CHILD_SUBREAPER = 36
_START_TOLERANCE_SECONDS = 1.0  # psutil derives start times from a clock that may be adjusted meanwhile
_PATIENCE_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Identity(msgspec.Struct, frozen=True):
    """Tells a process from any later one with the same pid."""

    pid: int
    created: float


def identify(pid: int) -> Identity:
    """Return the identity of a process that exists."""
    return Identity(pid, psutil.Process(pid).create_time())


def become_subreaper() -> None:
    """Adopt orphans among this process's descendants, also those that call setsid."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Return all processes below `pid`, zombies included."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_descendants(spare: Set[int] = frozenset()) -> None:
    """Kill all that this process ever started, and wait for it; a child in `spare` keeps its whole tree.

    Without `spare` the kernel confirms that nothing is left.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        children = [pid for pid in _children(os.getpid()) if pid not in spare]
        kill(children + [pid for child in children for pid in descendants(child)])
        if spare and not children:
            return
        if not _reap(spare):
            return
        time.sleep(0.005)
    _log.warning("some processes of a pod do not end, although they were killed")


def reap_orphans(main: int) -> None:
    """Reap ended children except `main`, whose exit code is another's to collect."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid == main:
                return
            os.waitpid(ended.si_pid, 0)


def memory_bytes(pids: Iterable[int], limit: int) -> int:
    """Return the memory that processes use together.

    Resident sizes count shared pages once per process (and forked workers share most of theirs), so a sum above
    `limit` is counted again by proportional size, which costs more.
    """
    processes = []
    for pid in pids:
        with suppress(psutil.Error):
            processes.append(psutil.Process(pid))
    resident = sum(_resident(process) for process in processes)
    return resident if resident <= limit else sum(_proportional(process) for process in processes)


def record(folder: PodFolder, identities: Iterable[Identity]) -> None:
    """Keep the pod's processes for a clean-up after a crash."""
    files.write_atomic(folder.processes, msgspec.json.encode(list(identities)))


def clean_up(folder: PodFolder, uid: str, patience_seconds: float = 2.0) -> None:
    """End what is left of a pod whose runner is gone, and wait for it.

    Supervisors end their containers themselves when the runner dies; killing them earlier would set free the
    processes that they own, so they get `patience_seconds` first.
    """
    start = time.monotonic()
    while victims := _left_of(folder, uid):
        waited = time.monotonic() - start
        if waited > patience_seconds:
            kill(victims)
        if waited > patience_seconds + _PATIENCE_SECONDS:
            _log.warning("processes of an earlier pod do not end: %s", sorted(victims))
            return
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    """Return a process's children, on Linux without a walk over all processes."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []


def _reap(spare: Set[int]) -> bool:
    """Reap children that ended; return False once there are no children at all."""
    try:
        if not spare:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            return True
        for pid in _children(os.getpid()):
            if pid not in spare:
                os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return bool(spare)
    return True


def _left_of(folder: PodFolder, uid: str) -> set[int]:
    try:
        recorded = msgspec.json.decode(folder.processes.read_bytes(), type=list[Identity])
    except (FileNotFoundError, msgspec.DecodeError):
        recorded = []
    roots = {identity.pid for identity in recorded if _is_alive(identity)} | _marked(uid)
    return roots | {pid for root in roots for pid in descendants(root)}


def _is_alive(identity: Identity) -> bool:
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.created) < _START_TOLERANCE_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _marked(uid: str) -> set[int]:
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == uid:
                found.add(process.pid)
    return found


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _proportional(process: psutil.Process) -> int:
    with suppress(psutil.Error, AttributeError):
        return int(process.memory_full_info().pss)
    return _resident(process)
