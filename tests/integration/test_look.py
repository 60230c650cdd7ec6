"""What a pod sees of a real Postgres, and of HTTP servers that stand where Bulker should."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest

from common.store import queries
from sidecar.look import LINE, Looked, LookSettings, Place, look
from tests.support import canaries, docs
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.http_server import HttpServer
from tests.support.logins import login, user_of

ROLES = {Place.FUNCTIONS: "sync_functions", Place.TASKS: "sync_tasks"}


def grants(role: str) -> list[str]:
    """The statements of operate.md that grant something to this role."""
    blocks = [code for code in docs.code(docs.read("docs/how-to/operate.md"), "sql") if f"TO {role};" in code]
    return [one.strip() for block in blocks for one in block.split(";") if one.strip()]


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """An HTTP server that answers each POST in its own way."""
    handler = type("Handler", (BaseHTTPRequestHandler,), {"do_POST": answer, "log_message": lambda *_: None})
    running = HttpServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


@pytest.mark.parametrize("place", Place)
def test_a_user_with_the_listed_grants_lacks_nothing(database: TestDatabase, place: Place) -> None:
    """Those of operate.md are enough; nothing is changed by looking."""
    with login(database, grants(ROLES[place]), ROLES[place]) as url:
        found = look(LookSettings(database_url=url), place).postgres
        name = user_of(url)
    assert found is not None
    assert (found.error, found.lacking, found.missing, found.user_name) == ("", [], [], name)
    newest = max(queries.migrations())
    assert (found.ours, found.newest, found.schema) == (True, newest, "syncctl")
    assert found.applied == (newest if place is Place.FUNCTIONS else None)
    assert 0 < found.taken < found.seats
    assert abs(found.clock - found.seen_at) < 60
    assert found.number >= 140000


@pytest.mark.fault(641)
@pytest.mark.parametrize(
    ("place", "broken", "words"),
    [
        (Place.FUNCTIONS, "REVOKE DELETE ON newjitsu.source_state FROM {}", "table source_state (DELETE)"),
        (Place.FUNCTIONS, "REVOKE DELETE ON newjitsu.task_log FROM {}", "table task_log (DELETE)"),
        (Place.FUNCTIONS, "REVOKE INSERT ON newjitsu.task_log FROM {}", "table task_log (INSERT)"),
        (Place.FUNCTIONS, "REVOKE UPDATE ON syncctl.syncctl_sweep FROM {}", "table syncctl_sweep (UPDATE)"),
        (Place.FUNCTIONS, "REVOKE USAGE ON SEQUENCE syncctl.syncctl_sweep_number FROM {}", "sweep_number (USAGE)"),
        (Place.FUNCTIONS, "REVOKE USAGE ON SCHEMA newjitsu FROM {}", "schema newjitsu (USAGE)"),
        (Place.FUNCTIONS, "REVOKE USAGE ON SCHEMA syncctl FROM {}", "schema syncctl"),
        (Place.TASKS, "REVOKE INSERT ON newjitsu.task_log FROM {}", "table task_log (INSERT)"),
        (Place.TASKS, "REVOKE UPDATE ON newjitsu.source_catalog FROM {}", "table source_catalog (UPDATE)"),
        (Place.FUNCTIONS, "DROP TABLE newjitsu.source_check", "source_check"),
        (Place.TASKS, "ALTER ROLE {} PASSWORD 'another'", "refuses our login"),
    ],
)
def test_what_is_broken_is_seen(database: TestDatabase, place: Place, broken: str, words: str) -> None:
    """A right, a table or a password that is gone, in Postgres's words."""
    with login(database, grants(ROLES[place]), ROLES[place]) as url:
        database.rows(broken.format(user_of(url)))
        found = look(LookSettings(database_url=url), place).postgres
    assert found is not None
    assert words in " ".join([found.error, *found.lacking, *found.missing])


def test_older_tables_show_their_version(database: TestDatabase, empty_database: TestDatabase) -> None:
    """And a database that nobody has used yet shows that it has none."""
    database.rows("DELETE FROM syncctl.syncctl_migration WHERE version > 11")
    found = look(LookSettings(database_url=database.url), Place.FUNCTIONS).postgres
    assert found is not None
    assert (found.error, found.applied) == ("", 11)
    found = look(LookSettings(database_url=empty_database.url), Place.FUNCTIONS).postgres
    assert found is not None
    assert (found.error, found.ours, found.applied, len(found.missing)) == ("", False, None, 6)


def test_bulker_is_asked_without_writing(bulker: FakeBulker) -> None:
    """An empty request, and a large one that begins with the word for taking back; both with the token."""
    found = look(LookSettings(bulker_url=bulker.url, bulker_auth_token=canaries.BULKER), Place.TASKS).bulker
    assert found is not None
    assert (found.empty.status, found.large.status) == (200, 400)
    assert [(bulk.lines, bulk.aborted) for bulk in bulker.requests] == [([], False), ([], True)]
    assert {bulk.headers["Authorization"] for bulk in bulker.requests} == {f"Bearer {canaries.BULKER}"}
    bulker.answer = lambda _: (401, {"error": f"not {canaries.BULKER}"})
    found = look(LookSettings(bulker_url=bulker.url, bulker_auth_token=canaries.BULKER), Place.TASKS).bulker
    assert found is not None
    assert found.empty.status == 401
    canaries.refuse("what was seen", found.empty.error)


@pytest.mark.fault(642)
def test_a_limit_of_size_is_seen() -> None:
    """As a proxy has that takes a whole body before it passes it on."""

    def limited(handler: BaseHTTPRequestHandler) -> None:
        total = 0
        while size := int(handler.rfile.readline(), 16):
            handler.rfile.read(size + 2)
            total += size
            if total > 8_000_000:
                break
        handler.send_response(413 if total > 8_000_000 else 404)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        handler.close_connection = True

    with server(limited) as url:
        found = look(LookSettings(bulker_url=url), Place.TASKS).bulker
    assert found is not None
    assert (found.empty.status, found.large.status) == (404, 413)


def test_the_program_prints_one_line_and_stays_reachable(database: TestDatabase, bulker: FakeBulker) -> None:
    """As in a task pod; an address that answers is reached, one where nobody listens is not."""
    with socket.create_server(("127.0.0.1", 0)) as busy, socket.create_server(("127.0.0.1", 0)) as free:
        reached, silent, port = (f"127.0.0.1:{one.getsockname()[1]}" for one in (busy, busy, free))
        free.close()
        silent = f"127.0.0.1:{_unused()}"
        environment = {
            "DATABASE_URL": _without_user(database.url), "BULKER_URL": bulker.url, "LOOK_AS": "tasks",
            "LOOK_AT": f"{reached} {silent}", "LOOK_PORT": port.rpartition(":")[2], "PATH": os.defpath,
        }  # fmt: skip
        command = [sys.executable, "-m", "sidecar.look"]
        with subprocess.Popen(command, env=environment, cwd=docs.ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            with socket.create_connection(("127.0.0.1", int(environment["LOOK_PORT"])), timeout=10):
                process.kill()
    found = msgspec.json.decode(line.removeprefix(LINE), type=Looked)
    assert found.reached == {reached: True, silent: False}
    assert found.postgres is not None
    assert re.search("login|password", found.postgres.error)


def _unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"nobody:x@{parts.netloc.rpartition('@')[2]}"))
