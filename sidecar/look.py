"""`python -m sidecar.look`: what a pod sees of Postgres, of Bulker and of its network, as one line of JSON.

It changes nothing. `syncctl doctor` runs it in short-lived pods, and judges what it prints (syncctl/doctor/seen.py). A
pod of the functions' namespace has the functions' variables, with their prefix; a task pod's those of a sidecar.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from enum import StrEnum
from http.client import HTTPException
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from common import DATABASE_SCHEMA, redaction
from common.errors import StoreRefused, SyncError, TablesMissing
from common.protocol.commands import Command
from common.store import Database, queries
from sidecar.bulker.upload import Answer, Upload

Redact = Callable[[str], str]

LINE = "looked: "
"""What the line begins with, among others that an image may print."""
_PATH = "/bulk/syncctl-doctor?tableName=doctor&mode=batch"
"""A destination that no Bulker has, so nothing can be written."""
_LARGE_PIECES = 101
"""Megabytes: a request of the sidecar ends at the first state after 100, and a row may have one more."""
_EXCERPT = 300
_PIECE = b"%x\r\n%s\r\n" % (1_000_000, b"x" * 1_000_000)
_ABORT = b"6\r\nABORT\n\r\n"
"""Bulker's own word for a request that is to have no effect (contract.md E4)."""
_ANSWER_SECONDS = 30.0
_NETWORK_SECONDS = 3.0
_STAY_SECONDS = 60.0


class Place(StrEnum):
    """Whose view it is."""

    FUNCTIONS = "functions"
    TASKS = "tasks"


class LookSettings(Struct, frozen=True, rename="upper"):
    """Variables by the sidecar's names; in a function's pod they begin with SYNCCTL_."""

    database_url: str = ""
    database_schema: str = DATABASE_SCHEMA
    bulker_url: str = ""
    bulker_auth_token: str = ""

    @classmethod
    def load(cls, environ: Mapping[str, str], place: Place) -> "LookSettings":
        """Load the variables of that place, white space trimmed."""
        prefix = "SYNCCTL_" if place is Place.FUNCTIONS else ""
        given = {name: environ.get(prefix + name, "").strip() for name in map(str.upper, cls.__struct_fields__)}
        return msgspec.convert({name: value for name, value in given.items() if value}, cls)


class Postgres(Struct, frozen=True):
    """What one database user sees. `error` is why nothing more was seen; `clock` in Unix seconds."""

    error: str = ""
    version: str = ""
    number: int = 0
    user_name: str = ""
    standby: bool = False
    read_only: bool = False
    seats: int = 0
    taken: int = 0
    user_limit: int = -1
    database_limit: int = -1
    clock: float = 0.0
    seen_at: float = 0.0
    """This pod's clock at that moment."""
    lacking: list[str] = []
    """Rights, in Postgres's words."""
    missing: list[str] = []
    """The caller's tables that are not found."""
    schema: str = ""
    ours: bool = False
    applied: int | None = None
    """The version of our tables; None where this user may not see it, or there are none."""
    newest: int = 0
    """The version that this image knows."""


class Bulk(Struct, frozen=True):
    """An answer to a request: its status, or why there was none."""

    status: int = 0
    error: str = ""
    location: str = ""


class Bulker(Struct, frozen=True):
    """What Bulker says to an empty request, and to one as large as a read may send."""

    where: str = ""
    empty: Bulk = Bulk()
    large: Bulk = Bulk()


class Looked(Struct, frozen=True):
    """All of it. `reached`: whether each address that was to be tried took a connection."""

    place: Place
    clock: float
    postgres: Postgres | None = None
    bulker: Bulker | None = None
    reached: dict[str, bool] = {}


def main(environ: Mapping[str, str] | None = None) -> int:
    """Look, print, and stay reachable for a while if a port is to be tried; return 0."""
    environ = os.environ if environ is None else environ  # noqa: TID251 - as in settings.py
    place = Place(environ.get("LOOK_AS", Place.TASKS))
    settings = LookSettings.load(environ, place)
    with ExitStack() as stack:
        port = environ.get("LOOK_PORT", "")
        server = stack.enter_context(_listen(int(port))) if port else None
        found = look(settings, place, environ.get("LOOK_AT", "").split())
        sys.stdout.write(f"{LINE}{msgspec.json.encode(found).decode()}\n")
        sys.stdout.flush()
        if server:
            _stay(server)
    return 0


def look(settings: LookSettings, place: Place, addresses: Sequence[str] = ()) -> Looked:
    """Return what is seen, without the credentials; `addresses` (HOST:PORT) are tried by a connection alone."""
    redact = redaction.of_config(b"", *filter(None, (settings.database_url, settings.bulker_auth_token))).redact
    return Looked(
        place,
        clock=time.time(),
        postgres=postgres(settings, place, redact) if settings.database_url else None,
        bulker=bulker(settings, redact) if place is Place.TASKS and settings.bulker_url else None,
        reached={one: _reaches(one) for one in addresses},
    )


def postgres(settings: LookSettings, place: Place, redact: Redact) -> Postgres:
    """Return what the database's user sees; never raises SyncError."""
    try:
        with Database(settings.database_url, settings.database_schema, make_tables=False) as db:
            return db.transact(lambda db: _postgres(db, place))
    except SyncError as error:
        return Postgres(error=redact(error.message), schema=settings.database_schema)


def _postgres(db: Database, place: Place) -> Postgres:
    [server] = db.run("server")
    seen_at = time.time()
    if place is Place.FUNCTIONS:
        rows = db.run("missing_function_rights")
    else:
        rows = [row for command in Command for row in db.run("missing_rights", command=str(command))]
    names = list(queries.load("tables.sql"))
    return Postgres(
        **server,
        seen_at=seen_at,
        lacking=list(dict.fromkeys(row["words"] for row in rows)),
        missing=[row["name"] for row in db.run("missing_tables", names=names)],
        schema=db.schema,
        ours=bool(db.run("ours_exist")[0]["ours"]),
        applied=_applied(db),
        newest=max(queries.migrations()),
    )


def _applied(db: Database) -> int | None:
    """Return the version of our tables, at the end of a transaction: a refusal ends it."""
    db.execute("SAVEPOINT applied")
    try:
        version: int | None = db.run("applied_version")[0]["version"]
    except (StoreRefused, TablesMissing):
        db.execute("ROLLBACK TO SAVEPOINT applied")
        return None
    return version


def bulker(settings: LookSettings, redact: Redact) -> Bulker:
    """Return Bulker's answers to requests that write nothing."""
    where = urlsplit(settings.bulker_url).netloc.rpartition("@")[2]
    empty, large = (_ask(settings, parts) for parts in ([], [_ABORT, *[_PIECE] * _LARGE_PIECES]))
    return Bulker(where, *(msgspec.structs.replace(one, error=redact(one.error)) for one in (empty, large)))


def _ask(settings: LookSettings, parts: list[bytes]) -> Bulk:
    headers = {"Transfer-Encoding": "chunked"}
    headers |= {"Authorization": f"Bearer {settings.bulker_auth_token}"} if settings.bulker_auth_token else {}
    try:
        upload = Upload(settings.bulker_url, _PATH, headers, lambda deadline: deadline)
        with closing(upload):
            for part in (*parts, b"0\r\n\r\n"):
                if early := upload.write((part,), _ANSWER_SECONDS):
                    return _answer(early)
            return _answer(upload.answer(_ANSWER_SECONDS))
    except (OSError, HTTPException, ValueError) as error:
        return Bulk(error=getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _answer(answer: Answer) -> Bulk:
    return Bulk(answer.status, answer.body.decode("utf-8", "replace").strip()[:_EXCERPT], answer.location)


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _reaches(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=_NETWORK_SECONDS):
        return True
    return False


def _stay(server: socket.socket) -> None:
    """Take connections until nobody can still be trying."""
    ends = time.monotonic() + _STAY_SECONDS
    while (left := ends - time.monotonic()) > 0:
        server.settimeout(left)
        with suppress(OSError):
            server.accept()[0].close()


if __name__ == "__main__":
    sys.exit(main())
