"""What a database URL asks for is in effect, behind poolers and over TLS, or refused by name before anything is made."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from typer.testing import CliRunner

from common.errors import LoginRefused, SettingsError, StoreRefused, StoreUnavailable, SyncError
from common.settings import Settings
from common.store import Database
from common.tasks.query import list_tasks
from common.tasks.requests import TaskQuery
from common.tasks.start import start
from syncctl.cli import app
from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_bulker import FakeBulker
from tests.support.fake_kubernetes import FakeKubernetes, fake_kubernetes
from tests.support.local_system import read_task
from tests.support.logins import login
from tests.support.odd_servers import odd_server
from tests.support.poolers import dropping, pgbouncer
from tests.support.sidecar_process import SidecarProcess

_ESCAPED, _BACKSLASHED = re.compile(r"([\\\s])"), r"\\\1"
POOLED = CASES / "postgres-pooler-that-drops-the-schema"
_IGNORE = "ignore_startup_parameters = search_path, options"

Pooler = Callable[[str], AbstractContextManager[str]]


def _schemas(database: TestDatabase) -> dict[str, str]:
    """By table of the caller's side: its schemas."""
    rows = database.rows(
        "SELECT table_name AS name, string_agg(table_schema, ',') AS schemas FROM information_schema.tables "
        "WHERE table_name LIKE 'source_%' OR table_name = 'task_log' GROUP BY 1"
    )
    return {row["name"]: row["schemas"] for row in rows}


def _plain(database: TestDatabase) -> str:
    """The database's URL without a word about its schema."""
    return database.url.replace("search_path=newjitsu&", "")


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    """A stand-in for the Kubernetes API."""
    with fake_kubernetes() as running:
        yield running


@pytest.fixture(params=["drops", "refuses", "pgbouncer", "pgbouncer refuses"])
def pooler(request: pytest.FixtureRequest, tmp_path: Path) -> Pooler:
    """A pooler before a URL: what it does with start-up parameters."""
    folder = tmp_path / "pooler"
    folder.mkdir()
    poolers: dict[str, Pooler] = {
        "drops": dropping,
        "refuses": partial(dropping, refuses=True),
        "pgbouncer": lambda url: pgbouncer(url, folder, _IGNORE),
        "pgbouncer refuses": lambda url: pgbouncer(url, folder),
    }
    return poolers[request.param]


@pytest.mark.fault(94)
def test_postgres_pooler_that_drops_the_schema(
    empty_database: TestDatabase, bulker: FakeBulker, api: FakeKubernetes, pooler: Pooler, tmp_path: Path
) -> None:
    """Functions and sidecar write where the URL says, and nowhere else."""
    with pooler(empty_database.url) as url:
        start(read_task(), Settings.load(environment(url, api)))
        sidecar = SidecarProcess(tmp_path, empty_database, bulker.url)
        sidecar.environment["DATABASE_URL"] = url
        sidecar.give(catalog=(POOLED / "catalog.json").read_bytes())
        assert sidecar.play((POOLED / "read.jsonl").read_bytes()) == 0, sidecar.output
        assert len(list_tasks(Settings.load(environment(url, api)), TaskQuery())["tasks"]) == 1
    assert (sidecar.task["status"], sidecar.states) == ("SUCCESS", {"beds": {"last": 1}})
    assert set(_schemas(empty_database).values()) == {"newjitsu"}


@pytest.mark.fault(94)
@pytest.mark.parametrize(
    "option",
    [
        "options=-c%20search_path%3Dnewjitsu",
        "options=--search-path%3Dnewjitsu",
        "schema=newjitsu",
        "SEARCH_PATH=newjitsu",
    ],
)
def test_the_schema_is_that_of_the_url_however_it_is_written(empty_database: TestDatabase, option: str) -> None:
    """As libpq's options, and as consoles write it."""
    with dropping(_plain(empty_database)) as url, Database(f"{url}&{option}") as db:
        db.install()
    assert set(_schemas(empty_database).values()) == {"newjitsu"}


@pytest.mark.fault(94)
def test_settings_of_the_url_hold_in_each_transaction_and_for_nobody_else(
    database: TestDatabase, tmp_path: Path
) -> None:
    """Several clients share two sessions of the server, each with settings of its own, one of them with none."""
    asked: dict[str, dict[str, str]] = {
        name: {"search_path": name, "statement_timeout": f"{n}s", "timezone": f"Etc/GMT-{n}", "work_mem": f"{n}MB"}
        for n, name in enumerate(["newjitsu", "beds", '"it\'s \\ x"'], 1)
    }
    wrong: list[Any] = []

    def ask(url: str, expected: dict[str, str]) -> None:
        words = " ".join(f"-c {name}={_ESCAPED.sub(_BACKSLASHED, value)}" for name, value in expected.items())
        with Database(f"{url}&options={quote(words)}&application_name=mine") as db:
            for _ in range(20):
                shown = {name: db.transact(partial(_show, name)) for name in (*expected, "application_name")}
                if shown != expected | {"application_name": "mine"}:
                    wrong.append(shown)

    with pgbouncer(_plain(database), tmp_path, _IGNORE) as url:
        threads = [threading.Thread(target=ask, args=(url, expected)) for expected in asked.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with Database(url) as other:
            assert other.transact(partial(_show, "search_path")) == '"$user", public'
            assert other.transact(partial(_show, "statement_timeout")) == "0"
    assert wrong == []


def _show(name: str, db: Database) -> Any:
    return db.execute("SELECT current_setting(:name) AS value", name=name)[0]["value"]


@pytest.mark.fault(94)
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("timezone=Mars/Base", 'invalid value for parameter "TimeZone": "Mars/Base"'),
        ("options=-c%20sesame%3D1", 'unrecognized configuration parameter "sesame"'),
        ("options=-c%20jit_debugging_support%3Don", 'parameter "jit_debugging_support" cannot be set'),
        ("options=-c%20shared_buffers%3D1GB", 'parameter "shared_buffers" cannot be changed'),
        ("options=endpoint%3Dep-1", "endpoint=ep-1"),
    ],
)
def test_a_setting_that_cannot_be_in_effect_is_refused_by_name(
    empty_database: TestDatabase, api: FakeKubernetes, option: str, words: str
) -> None:
    """By the server's own words, and nothing is made."""
    settings = Settings.load(environment(f"{empty_database.url}&{option}", api))
    with pytest.raises(SettingsError) as caught:
        start(read_task(), settings)
    assert words in str(caught.value)
    assert "change or remove that option of the database URL" in str(caught.value)
    assert (_schemas(empty_database), api.pods) == ({}, {})


@pytest.mark.fault(95)
@pytest.mark.parametrize("variable", ["SYNCCTL_DATABASE_URL", "SYNCCTL_SIDECAR_DATABASE_URL"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:planted@h:1,g:2/d", "several hosts: write one"),
        ("postgresql://u:planted@h/d?currentSchema=x", "write search_path="),
        ("postgresql://u:planted@h/d?sslmode=require&sslrootcert=system", "sslmode=verify-full alone"),
    ],
)
def test_a_url_that_cannot_work_is_refused_before_anything_is_made(
    database: TestDatabase, api: FakeKubernetes, variable: str, url: str, words: str
) -> None:
    """By the function, for the sidecar too: with the same sentence, and no pod that would find out."""
    settings = Settings.load(environment(database.url, api) | {variable: url})
    with pytest.raises(SettingsError) as caught:
        start(read_task(), settings)
    assert words in str(caught.value)
    assert "planted" not in str(caught.value)
    assert (database.rows("SELECT * FROM syncctl_task"), api.pods) == ([], {})


def test_the_embedded_edition_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`syncctl serve` with such a URL ends with the sentence."""
    monkeypatch.setenv("SYNCCTL_DATABASE_URL", "postgresql://u:planted@h:1,g:2/d")
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--home", str(tmp_path)])
    assert result.exit_code != 0
    assert "several hosts: write one" in " ".join((result.stdout + result.stderr).split())
    assert "planted" not in result.stdout + result.stderr


@pytest.mark.fault(94)
def test_a_pooler_that_allows_no_transactions_is_refused_in_its_words(database: TestDatabase, tmp_path: Path) -> None:
    """pgbouncer in statement mode, which ends the connection after them."""
    with (
        pgbouncer(database.url, tmp_path, mode="statement") as url,
        Database(url) as db,
        pytest.raises(StoreUnavailable, match="not allowed in statement pooling mode"),
    ):
        db.transact(partial(_show, "search_path"))


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("XX000", "Tenant or user not found", LoginRefused),  # Supavisor's
        ("08P01", "password authentication failed", LoginRefused),
        ("08P01", 'database "d" does not exist', StoreRefused),
        ("XX000", "Control plane request failed", StoreUnavailable),
    ],
)
def test_a_pooler_s_refusal_is_what_its_words_say(code: str, words: str, kind: type[SyncError]) -> None:
    """Poolers have one code for all: neither an outage to wait for, nor an option of the URL."""

    def serve(client: socket.socket) -> None:
        client.recv(4096)
        body = f"SFATAL\0C{code}\0M{words}\0\0".encode()
        client.sendall(b"E" + struct.pack("!i", len(body) + 4) + body)

    with odd_server(serve) as address:
        url = f"postgresql://u:p@{urlsplit(address).netloc}/d?sslmode=disable"
        with Database(url) as db, pytest.raises(kind, match=words) as caught:
            db.transact(partial(_show, "search_path"))
    assert (type(caught.value), "option" in str(caught.value)) == (kind, False)


PATHS = [
    ("newjitsu,public", [], {"newjitsu"}),
    ('"$user",newjitsu', [], {"newjitsu"}),
    ("public,newjitsu", ["GRANT ALL ON SCHEMA public TO USER"], {"public"}),
]


@pytest.mark.parametrize(("path", "grants", "schemas"), PATHS)
def test_tables_are_made_in_the_schema_that_a_path_names_first(
    empty_database: TestDatabase, path: str, grants: list[str], schemas: set[str]
) -> None:
    """Postgres would make them in the first one that is there."""
    with login(empty_database, [f"GRANT CREATE ON DATABASE {empty_database.name} TO USER", *grants]) as url:
        with Database(url.replace("search_path=newjitsu", f"search_path={quote(path)}")) as db:
            db.install()
        assert set(_schemas(empty_database).values()) == schemas


def test_a_first_schema_without_a_right_is_refused(empty_database: TestDatabase) -> None:
    """No table is made in the second one, to which Postgres would pass on."""
    empty_database.rows("CREATE SCHEMA newjitsu")
    grants = [f"GRANT CREATE ON DATABASE {empty_database.name} TO USER", "GRANT ALL ON SCHEMA public TO USER"]
    with (
        login(empty_database, grants) as url,
        Database(url.replace("newjitsu&", "newjitsu,public&")) as db,
        pytest.raises(StoreRefused, match="permission denied for schema newjitsu"),
    ):
        db.install()
    assert _schemas(empty_database) == {}


def test_what_a_host_s_proxy_reads_goes_to_it(database: TestDatabase) -> None:
    """Neon finds the endpoint of a client without SNI in `options`; settings beside it are none of its business."""
    seen: list[dict[str, str]] = []
    with (
        dropping(database.url, seen=seen) as url,
        Database(f"{url}&options=endpoint%3Dep-1%20-c%20work_mem%3D5MB") as db,
    ):
        assert db.transact(partial(_show, "work_mem")) == "5MB"
    assert [parameters["options"] for parameters in seen] == ["endpoint=ep-1"]
