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

from embedded.pods.launch import MARKER
from embedded.pods.pod_dir import PodFolder, write

_PR_SET_CHILD_SUBREAPER = 36
_START_TOLERANCE_SECONDS = 1.0  # psutil derives start times from a clock that may be adjusted meanwhile
_PATIENCE_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Identity(msgspec.Struct, frozen=True):
    """A process, told from any later one with the same pid."""

    pid: int
    created: float


def identify(pid: int) -> Identity:
    """The identity of a process that is known to exist."""
    return Identity(pid, psutil.Process(pid).create_time())


def become_subreaper() -> None:
    """Makes orphans among this process's descendants its children, also those that call setsid."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """All processes below `pid`; those that ended but were not waited for may be among them."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def kill(pids: Iterable[int]) -> None:
    """SIGKILL to each."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_descendants(spare: Set[int] = frozenset()) -> None:
    """Ends all that this process ever started, and waits for it; a child in `spare` keeps its whole tree.

    Only with nothing spared the kernel itself confirms that nothing is left.
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
    """Waits for ended children except `main`, whose exit code is another's to collect."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid == main:
                return
            os.waitpid(ended.si_pid, 0)


def memory_bytes(pids: Iterable[int], limit: int) -> int:
    """The memory that processes use together.

    Resident sizes count shared pages once per process (and forked workers share most of theirs), so what
    looks like too much is counted again by proportional size, which costs more.
    """
    processes = []
    for pid in pids:
        with suppress(psutil.Error):
            processes.append(psutil.Process(pid))
    resident = sum(_resident(process) for process in processes)
    return resident if resident <= limit else sum(_proportional(process) for process in processes)


def record(folder: PodFolder, identities: Iterable[Identity]) -> None:
    """Notes the pod's processes for a clean-up after a crash."""
    write(folder.processes, msgspec.json.encode(list(identities)))


def clean_up(folder: PodFolder, uid: str, patience_seconds: float = 2.0) -> None:
    """Ends what is left of a pod whose runner is gone, and returns when it is.

    Supervisors end their containers themselves when the runner dies; killing them earlier would set free
    whatever they look after, so they get `patience_seconds` first.
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
    """A process's children, from its own files where the kernel lists them: no walk over all processes."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []


def _reap(spare: Set[int]) -> bool:
    """Waits for children that ended; False once there are no children at all."""
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
