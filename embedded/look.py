"""What `syncctl doctor machine` looks at. Each function returns a sentence; it changes nothing.

Each raises SyncError for what keeps the edition from running, and Notice for what does not, with what to do.
"""

import os
import shutil
import stat
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from common.errors import SyncError
from common.store import Database
from embedded import files, settings
from embedded.connectors import pythons, uv
from embedded.listener import listen
from embedded.postgres import wheel
from embedded.postgres.data_dir import DATABASE, ROLE

_ROOM_BYTES = 10**9
_ANSWER_SECONDS = 10


class Notice(SyncError):
    """It works, but not as it should."""


def is_running(home: Path) -> bool:
    """Tell whether an edition runs on this home folder."""
    if not (home / "lock").exists():
        return False
    try:
        with files.lock(home / "lock"):
            return False
    except BlockingIOError:
        return True


def folder(home: Path) -> str:
    """Look at the home folder: whose it is, and how much room its disk has."""
    there = next(path for path in (home, *home.parents) if path.exists())
    if home.exists():
        files.own_folder(home)
    if not os.access(there, os.W_OK):
        raise SyncError(f"This account may not write to {there}. {files.HOME_ADVICE}")
    if (free := shutil.disk_usage(there).free) < _ROOM_BYTES:
        raise Notice(f"The disk of {there} has {free / 10**6:.0f} MB left; make room, or choose another with --home.")
    token = home / "token"
    if token.exists() and token.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Notice(f"Other accounts may read {token}; `chmod 600 {token}`, or remove it before the next start.")
    return f"{home} is this account's own." if home.exists() else f"{home} is made by the first start."


def port(home: Path, number: int) -> str:
    """Look at the port: free, or this edition's own."""
    try:
        listen(number).close()
    except SyncError:
        if is_running(home) and _answers(number):
            return f"An edition answers at port {number}."
        raise
    return f"Port {number} is free." + (" The edition that runs has another." if is_running(home) else "")


def _answers(number: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", number, timeout=_ANSWER_SECONDS)) as connection:
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False


def database(home: Path) -> str:
    """Look at Postgres: the user's own, the edition's that runs, or its data and its program."""
    url = settings.own_database_url()
    data = home / "postgres" / "data"
    if not url and is_running(home) and (data / "postmaster.pid").exists():
        address = (data / "postmaster.pid").read_text().splitlines()[3]
        password = (home / "postgres" / "password").read_text().strip()
        url = f"postgresql://{ROLE}:{password}@127.0.0.1:{address}/{DATABASE}?sslmode=disable"
    if url:
        with Database(url, settings.database_schema(), make_tables=False) as db:
            [server] = db.transact(lambda db: db.run("server"))
        return f"Postgres {server['version']} answers; {server['taken']} of {server['seats']} connections are taken."
    program = wheel.program_version()
    made = (data / "PG_VERSION").read_text().strip() if data.exists() else ""
    if made and made != program.partition(".")[0]:
        raise SyncError(
            f"The data in {data} is of Postgres {made}, and the installed program is {program}. Install the packages "
            "that made it, or move the folder away: rows of tasks and states are in it."
        )
    return f"Postgres {program} is installed" + (
        ", and its data are of that version." if made else "; it has no data yet."
    )


def warehouse(home: Path) -> str:
    """Look at the warehouse's file."""
    from embedded.warehouse import duckdb_file

    file = home / "warehouse.duckdb"
    if not file.exists():
        return "There are no rows yet."
    duckdb_file.look(file)
    return f"{file} can be read ({file.stat().st_size / 10**6:,.1f} MB)."


def connectors() -> str:
    """Look at the installed connectors: their Pythons may have gone with a change of the system."""
    cache = settings.connectors_folder()
    found = sorted(path.parent for path in cache.glob("*/ready")) if cache.exists() else []
    gone = [one.name for one in found if not (one / "bin" / "python").exists()]
    if gone:
        raise Notice(
            f"The Python of {', '.join(gone)} is gone from this machine; each is installed again when it is next asked "
            f"for, or remove its folder in {cache} now."
        )
    if found:
        files.own_folder(cache, "Choose a folder of this account's own with SYNCCTL_CONNECTORS.")
    return f"{len(found)} connectors are installed in {cache}; others are by Python {pythons.OURS} or one that fits."


def installer() -> str:
    """Look at uv, which installs connectors."""
    return f"uv is at {uv.find()}."
