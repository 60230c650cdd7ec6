"""Sockets to Postgres: closed by us, at once, however a connection ends; and what is agreed on before the first words."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import StoreRefused, StoreUnavailable, SyncError, TimedOut
from common.store import Database
from tests.support.certificates import server_context
from tests.support.databases import TestDatabase
from tests.support.odd_servers import odd_server
from tests.support.poolers import tls_relay
from tests.support.sockets import no_socket_is_left

_SSL_REQUEST_BYTES = 8


def _ask(url: str) -> SyncError | None:
    """One question; what was raised, with all that hangs on its traceback."""
    database = Database(url)
    try:
        database.transact(lambda db: db.run("database_now"))
    except SyncError as error:
        return error
    finally:
        database.close()
    return None


def test_a_connection_that_is_closed_leaves_no_socket(database: TestDatabase) -> None:
    """At once, though somebody still holds it."""
    with no_socket_is_left():
        kept = Database(database.url)
        kept.transact(lambda db: db.run("database_now"))
        connection = kept._connection
        kept.close()
        assert connection is not None


def test_a_connection_that_the_server_ends_leaves_no_socket(database: TestDatabase) -> None:
    """Its goodbye arrives nowhere."""
    with no_socket_is_left():
        cut = Database(database.url)
        cut.transact(lambda db: db.run("database_now"))
        database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sync-functions' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(StoreUnavailable) as caught:
            cut.transact(lambda db: db.run("database_now"))
        assert caught.value.__traceback__


@pytest.mark.parametrize("change", [("sync:", "nobody:"), ("/test_", "/no_"), ("disable", "disable&port=1")])
def test_a_connection_that_is_refused_leaves_no_socket(database: TestDatabase, change: tuple[str, str]) -> None:
    """A wrong login, a database that is not there, nobody who listens."""
    with no_socket_is_left():
        assert isinstance(_ask(database.url.replace(*change)), StoreUnavailable | StoreRefused)


def _hang_up(_: socket.socket) -> None:
    return


def _say(*words: bytes) -> Callable[[socket.socket], None]:
    def handler(connection: socket.socket) -> None:
        for word in words:
            connection.recv(_SSL_REQUEST_BYTES)
            connection.sendall(word)
        while connection.recv(1024):
            pass

    return handler


@pytest.mark.parametrize(
    ("mode", "handler", "error"),
    [
        pytest.param("disable", _hang_up, StoreUnavailable, id="hangs up"),
        pytest.param("prefer", _hang_up, StoreUnavailable, id="hangs up at the question for TLS"),
        pytest.param("require", _say(b"N"), StoreUnavailable, id="has no TLS"),
        pytest.param("prefer", _say(b"S", b"no hello"), StoreUnavailable, id="speaks no TLS"),
        pytest.param("prefer", _say(), TimedOut, id="is silent at the question for TLS"),
        pytest.param("disable", _say(), TimedOut, id="is silent"),
    ],
)
def test_a_connection_that_fails_in_its_first_words_leaves_no_socket(
    mode: str, handler: Callable[[socket.socket], None], error: type[SyncError]
) -> None:
    """Whatever the server does instead of going on."""
    with no_socket_is_left(), odd_server(handler) as url:
        address = url.replace("http://", "postgresql://u:p@")
        assert isinstance(_ask(f"{address}/d?sslmode={mode}&connect_timeout=0.5"), error)


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full"])
def test_a_query_over_tls_is_answered(database: TestDatabase, tmp_path: Path, mode: str) -> None:
    """Where the server has it; and `verify-full` takes no certificate but one of the authority that it is given."""
    context, authority = server_context(tmp_path)
    with no_socket_is_left(), tls_relay(database.url, context) as url:
        secured = url.replace("sslmode=disable", f"sslmode={mode}")
        assert _ask(f"{secured}&sslrootcert={authority}" if mode == "verify-full" else secured) is None
        if mode == "verify-full":
            assert isinstance(_ask(secured), StoreUnavailable)


def test_a_unix_socket_is_closed_too(tmp_path: Path) -> None:
    """Where nobody listens."""
    with no_socket_is_left():
        assert isinstance(_ask(f"postgresql://u@/d?host={tmp_path}&sslmode=disable"), StoreUnavailable)


@pytest.mark.fault(264)
def test_a_unix_socket_that_is_not_there_is_told_from_a_server_that_is_away(tmp_path: Path) -> None:
    """A task pod sees its own files alone, and no others are mounted there."""
    error = _ask(f"postgresql://u:planted@/d?host={tmp_path}")
    assert isinstance(error, StoreUnavailable)
    assert "no Unix socket" in error.message
    assert "SYNCCTL_SIDECAR_DATABASE_URL with a host" in error.message
    assert "planted" not in error.message
