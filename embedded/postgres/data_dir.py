"""The data folder of Postgres: made once, complete or not at all, and free of processes that a crash left behind.

folder/data          the cluster; made as data.new-* and renamed when complete
folder/password      of role `sync`, 0600
folder/postgres.log  the server's output since its last start; .1 is the run before
"""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import psutil

from common.errors import StoreUnavailable
from embedded import files
from embedded.postgres.binaries import STOP_SIGNALS, Programs

log = logging.getLogger(__name__)

ROLE = DATABASE = "sync"


def prepare(folder: Path, programs: Programs) -> str:
    """Leave a complete cluster that no process works on; return its password. The caller must hold the folder."""
    data, secret = folder / "data", folder / "password"
    if programs.log.exists():
        programs.log.replace(programs.log.with_suffix(".log.1"))
    for unfinished in folder.glob("data.new-*"):
        _stop_strays(unfinished)
        files.remove(unfinished)
    if (data / "postmaster.pid").exists():
        _stop_strays(data)
        # Postgres judges this file by its pid alone, which another process may have by now.
        (data / "postmaster.pid").unlink(missing_ok=True)
    if data.exists() and secret.exists():
        return secret.read_text().strip()
    password = secrets.token_hex(24)
    set_password = f"ALTER ROLE {ROLE} PASSWORD '{password}'"
    if data.exists():
        log.warning("The database's password file is gone; a new one is made.", extra={"action": "postgres"})
        programs.execute(data, set_password)
        files.write_atomic(secret, password.encode(), durable=True)
        return password
    new = Path(mkdtemp(prefix="data.new-", dir=folder))
    if programs.account:
        os.chown(new, *programs.account)
    programs.initialise(new, ROLE)
    (new / "pg_hba.conf").write_text(f"host all {ROLE} 127.0.0.1/32 scram-sha-256\n")
    programs.execute(new, set_password, f"CREATE DATABASE {DATABASE}")
    files.write_atomic(secret, password.encode(), durable=True)
    new.rename(data)
    return password


def _stop_strays(data: Path) -> None:
    """Stop the server that a dead owner left in this folder.

    A process is recognised by its name and working directory, never by a pid from a file. psutil remembers its start,
    so a process that got the pid later is not hit.
    """
    for number, seconds in STOP_SIGNALS:
        strays = list(_processes_in(data))
        if not strays:
            return
        log.warning("A Postgres without an owner is stopped.", extra={"action": "postgres"})
        pids = {stray.pid for stray in strays}
        for stray in strays:
            with suppress(psutil.NoSuchProcess):
                if stray.ppid() not in pids:  # the server itself; its children follow
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
