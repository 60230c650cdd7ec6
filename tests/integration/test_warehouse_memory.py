"""What DuckDB takes of memory, and when it writes rows again that it has written before."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb  # noqa: TID251 - tests look past the product's own store
import psutil
import pytest

from embedded.warehouse import vacuum
from embedded.warehouse.warehouse import Warehouse
from tests.support.warehouse import TOKEN, Running, running_warehouse

_LIMIT_BYTES = 1_000_000_000
_WIDE = "CREATE TABLE t AS SELECT range AS id, repeat('words ', 150000) AS text FROM range(700)"
_ADD = """
import json, sys
from pathlib import Path
from embedded.warehouse.warehouse import Warehouse
from embedded.warehouse.bulk_request import BulkMode, BulkRequest
import io
warehouse = Warehouse(Path(sys.argv[1]), "")
rows = b"".join(json.dumps({"id": n, "text": "words " * 150_000}).encode() + b"\\n" for n in range(4))
for _ in range(int(sys.argv[2])):
    warehouse._save(BulkRequest("t", BulkMode.BATCH), io.BytesIO(rows).read)
    warehouse._file.close()  # as after an idle moment
print("stored", flush=True)
if sys.argv[3] == "waits":
    sys.stdin.read()
warehouse.close()
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0])
"""


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    path = tmp_path / "w.duckdb"
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute(_WIDE)
    return path


def _add(path: Path, times: int, then: str = "closes") -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _ADD, str(path), str(times), then]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.fault(241)
@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_a_few_rows_more_do_not_bring_a_wide_table_into_memory(wide: Path):
    """Rows of 900 KB, more than the log's 16 MB of them, closed after each request and at the end."""
    with _add(wide, times=6) as adding:
        output, _ = adding.communicate()
    assert adding.returncode == 0
    assert int(output.split()[-1]) * 1024 < _LIMIT_BYTES / 2
    assert not _log_of(wide).exists()
    assert _count(wide) == 700 + 24


@pytest.mark.fault(241)
def test_rows_in_the_log_survive_a_kill_and_another_program_reads_them(wide: Path):
    """They are not in the file yet: DuckDB reads both."""
    with _add(wide, times=2, then="waits") as adding:
        assert adding.stdout is not None
        assert adding.stdout.readline().strip() == "stored"
        assert _log_of(wide).stat().st_size
        adding.kill()
    assert _count(wide) == 700 + 8
    warehouse = Warehouse(wide, TOKEN)
    assert warehouse.count("t") == 700 + 8
    warehouse.close()
    assert not _log_of(wide).exists()
    assert _count(wide) == 700 + 8


def test_an_idle_moment_writes_nothing_and_a_stop_leaves_one_complete_file(tmp_path: Path):
    """Other programs read file and log in between."""
    path = tmp_path / "w.duckdb"
    with running_warehouse(path) as running:
        for n in range(3):
            running.bulk("t", [{"id": n}], "batch")
            while any(Path(file.path) == path for file in psutil.Process().open_files()):
                time.sleep(0.02)
        assert _log_of(path).exists()
        assert _count(path) == 3
    assert not _log_of(path).exists()
    assert _count(path) == 3


def test_a_log_of_some_size_goes_into_the_file(tmp_path: Path):
    """Opening the file reads all of the log."""
    path = tmp_path / "w.duckdb"
    with running_warehouse(path) as running:
        rows = [{"id": n, "text": os.urandom(50_000).hex()} for n in range(200)]
        running.bulk("t", rows, "batch")
        running.sql("FROM t LIMIT 1")
        assert not _log_of(path).exists()


def _physical_rows(running: Running) -> int:
    return int(running.sql("SELECT estimated_size FROM duckdb_tables() WHERE table_name = 't'")[0][0])


@pytest.mark.fault(242)
@pytest.mark.parametrize("room_bytes", [500_000_000, 1000])
def test_rows_that_were_replaced_give_their_space_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: int
):
    """A table that is merged by key again and again stays small; rows too wide for the memory are left alone."""
    monkeypatch.setattr(vacuum, "_ROOM_BYTES", room_bytes)
    path = tmp_path / "w.duckdb"
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS id, 'words' AS text FROM range(300000)")
    with running_warehouse(path) as running:
        running.bulk("t", [{"id": 0, "text": "new"}], "batch", pk=["id"])
        assert _physical_rows(running) == 300_001
        with contextlib.closing(duckdb.connect(str(path))) as connection:
            connection.execute("SET max_vacuum_tasks = 0")
            connection.execute("DELETE FROM t WHERE id % 100 > 0")
        running.bulk("t", [{"id": 0, "text": "newer"}], "batch", pk=["id"])
        assert (_physical_rows(running) < 10_000) == (room_bytes > 1000)
        assert running.warehouse.count("t") == 3000


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _count(path: Path) -> int:
    with contextlib.closing(duckdb.connect(str(path), read_only=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM t").fetchall()[0][0])
