"""The file: shared with its user, and safe when the process dies."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb  # noqa: TID251 - tests look past the product's own store
import psutil
import pytest

from embedded.warehouse.warehouse import Warehouse
from tests.support.warehouse import TOKEN, Running, bulk_head, chunk, running_warehouse

_SERVE = """
import sys
from pathlib import Path
from embedded.warehouse.server import WarehouseServer
from embedded.warehouse.warehouse import Warehouse
with WarehouseServer(Warehouse(Path(sys.argv[1]), sys.argv[2])) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""
_HOLD = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print(connection.execute("SELECT count(*) FROM t").fetchall()[0][0], flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def _program(code: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def warehouse(tmp_path):
    with running_warehouse(tmp_path / "it's [a] w*.duckdb", patience_seconds=1) as running:
        yield running


def test_the_user_can_open_the_file_while_the_edition_runs(warehouse: Running):
    """A moment after the last request another program reads it; the next request takes it back."""
    warehouse.bulk("t", [{"id": 1}])
    deadline = time.monotonic() + 20
    while _is_held(warehouse.warehouse.path):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with _program(_HOLD, str(warehouse.warehouse.path)) as reader:
        assert _line(reader) == "1"
    warehouse.bulk("t", [{"id": 2}], "batch")
    assert warehouse.warehouse.count("t") == 2


def _is_held(path: Path) -> bool:
    return any(Path(file.path) == path for file in psutil.Process().open_files())


def test_a_file_that_another_program_holds_is_waited_for(warehouse: Running, caplog: pytest.LogCaptureFixture):
    """A line in the log at once; 500 with a sentence that says what to do, then 200 when it is free again; the table keeps its rows meanwhile."""
    warehouse.bulk("t", [{"id": 1}])
    warehouse.warehouse.close()
    with _program(_HOLD, str(warehouse.warehouse.path)) as reader:
        assert _line(reader) == "1"
        status, answer = warehouse.try_bulk("t", [{"id": 2}])
        assert status == 500
        assert answer["error"].startswith("stream complete error: The warehouse file ")
        assert "was open in another program for 1 seconds; close it there" in answer["error"]
        assert "then start the task again" in answer["error"]
        logged = [record.getMessage() for record in caplog.records]
        assert len([line for line in logged if "writing waits until it is closed there" in line]) == 1
    warehouse.bulk("t", [{"id": 3}], "batch")
    assert warehouse.sql("FROM t ORDER BY ALL") == [(1,), (3,)]


@pytest.mark.fault(85)
def test_a_process_that_dies_leaves_the_table_as_it_was(tmp_path):
    """Killed in the middle of a request; what it left beside the file is gone at the next start."""
    path = tmp_path / "w.duckdb"
    with running_warehouse(path) as running:
        running.bulk("t", [{"id": 1}])
    with (
        _program(_SERVE, str(path), TOKEN) as server,
        socket.create_connection(("127.0.0.1", int(_line(server))), timeout=30) as connection,
    ):
        connection.sendall(bulk_head("t", "replace_table") + chunk(b'{"id":2}\n' * 1000))
        deadline = time.monotonic() + 20
        while not list(path.with_name("w.duckdb.spool").glob("*.rows")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.kill()
        server.wait()
    assert list(path.with_name("w.duckdb.spool").iterdir())
    warehouse = Warehouse(path, TOKEN)
    assert not list(path.with_name("w.duckdb.spool").iterdir())
    assert warehouse.count("t") == 1
    warehouse.close()


@pytest.mark.fault(85)
def test_a_process_that_dies_while_it_commits_leaves_the_old_rows_or_the_new(tmp_path):
    """Never a mixture, never none, and the file opens again."""
    path = tmp_path / "w.duckdb"
    with running_warehouse(path) as running:
        running.bulk("t", [{"id": 1}])
    with (
        _program(_SERVE, str(path), TOKEN) as server,
        socket.create_connection(("127.0.0.1", int(_line(server))), timeout=30) as connection,
    ):
        rows = b"".join(b'{"id":%d,"text":"some words %d"}\n' % (n, n) for n in range(150_000))
        connection.sendall(bulk_head("t", "replace_table") + chunk(rows) + b"0\r\n\r\n")
        watched = psutil.Process(server.pid)
        deadline = time.monotonic() + 60
        while not any(Path(file.path) == path for file in watched.open_files()):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        server.kill()
        server.wait()
    warehouse = Warehouse(path, TOKEN)
    assert warehouse.count("t") in {1, 150_000}
    warehouse.close()


def test_tables_made_by_hand_are_tables_too(warehouse: Running):
    """They are counted and added to; types the warehouse does not give become text when rows come."""
    with contextlib.closing(duckdb.connect(str(warehouse.warehouse.path))) as connection:
        connection.execute('CREATE TABLE "Mine" (id INTEGER, day DATE)')
        connection.execute("""INSERT INTO "Mine" VALUES (1, '2026-09-02')""")
        connection.execute('CREATE VIEW "seen" AS FROM "Mine"')
    assert warehouse.warehouse.tables() == ["Mine"]
    warehouse.bulk("Mine", [{"id": 2, "day": "2026-09-03"}], "batch")
    warehouse.bulk("mine", [{"id": 3}])
    warehouse.bulk("seen", [{"id": 4}])
    assert warehouse.sql('FROM "Mine" ORDER BY ALL') == [("1", "2026-09-02"), ("2", "2026-09-03")]
    assert [warehouse.warehouse.count(name) for name in ("Mine", "mine", "seen")] == [2, 1, 1]


def test_a_table_that_the_user_dropped_is_made_again(warehouse: Running):
    """So is a column."""
    warehouse.bulk("t", [{"id": 1, "a": 1}])
    warehouse.warehouse.close()
    with contextlib.closing(duckdb.connect(str(warehouse.warehouse.path))) as connection:
        connection.execute("ALTER TABLE t DROP COLUMN a")
    warehouse.bulk("t", [{"id": 2, "a": 2}], "batch")
    assert warehouse.sql("FROM t ORDER BY ALL") == [(1, None), (2, 2)]
    with contextlib.closing(duckdb.connect(str(warehouse.warehouse.path))) as connection:
        connection.execute("DROP TABLE t")
    assert warehouse.warehouse.count("t") is None
    warehouse.bulk("t", [{"id": 3}], "batch")
    assert warehouse.warehouse.count("t") == 1


def test_nothing_is_made_before_the_first_rows(tmp_path):
    """Counting a warehouse that holds nothing makes no file."""
    warehouse = Warehouse(tmp_path / "new" / "w.duckdb", TOKEN)
    assert (warehouse.tables(), warehouse.count("t")) == ([], None)
    assert not warehouse.path.exists()
    warehouse.close()
