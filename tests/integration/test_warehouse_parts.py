"""Wide rows are stored part by part: as if at once, or not at all."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb  # noqa: TID251 - tests look past the product's own store
import pytest

from embedded.warehouse import load, load_parts, spool
from embedded.warehouse.bulk_request import BulkMode, BulkRequest, SchemaField
from embedded.warehouse.warehouse import Warehouse
from tests.support.warehouse import Running, running_warehouse

_LIMIT_BYTES = 600_000_000
_WIDE = """
import json, sys
from pathlib import Path
from embedded.warehouse.warehouse import Warehouse
from embedded.warehouse.bulk_request import BulkMode, BulkRequest
warehouse = Warehouse(Path(sys.argv[1]), "")
rows = (json.dumps({"id": n, "text": "words " * 150_000}).encode() + b"\\n" for n in range(600))
warehouse._save(BulkRequest("t", BulkMode(sys.argv[2]), tuple(sys.argv[3:])), lambda _: next(rows, b""))
warehouse.close()
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0])
"""
_CRASH = """
import os, sys
from pathlib import Path
from embedded.warehouse import load, load_parts, spool
from embedded.warehouse.warehouse import Warehouse
from tests.integration.test_warehouse_parts import save
spool._UNIT_BYTES = 1
insert, finish, left = load.insert, load.finish, int(sys.argv[2])
def crash(*_): os._exit(9)
def insert_some(*given):
    global left
    insert(*given)
    left -= 1
    if left == 0: crash()
load.insert, load.finish = insert_some, crash
save(Warehouse(Path(sys.argv[1]), ""), sys.argv[3], 1000)
"""


def _rows(first: int, count: int = 1000) -> list[dict[str, Any]]:
    """Of a kilobyte each; every third one comes twice, the second time with more."""
    rows: list[dict[str, Any]] = [{"id": n, "text": "words " * 150} for n in range(first, first + count)]
    again = [row | {"more": {"n": row["id"]}, "Text": None} for row in rows[::3]]
    return [*rows, *again, {"text": "no key"}, {"id": None, "text": "nor here"}]


def save(warehouse: Warehouse, mode: str, first: int, keys: tuple[str, ...] = ("id",), **more: Any) -> None:
    body = io.BytesIO(b"".join(json.dumps(row).encode() + b"\n" for row in _rows(first)))
    result = warehouse._save(BulkRequest("t", BulkMode(mode), keys, **more), body.read)
    assert result.stored == result.processed == len(_rows(first))


def _content(path: Path) -> list[Any]:
    with contextlib.closing(duckdb.connect(str(path), read_only=True)) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        types = connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't' ORDER BY column_index"
        ).fetchall()
        return [tables, types, connection.execute("SELECT * FROM t ORDER BY ALL").fetchall()]


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Each block of a request is a part; gives how many parts each request had."""
    monkeypatch.setattr(spool, "_UNIT_BYTES", 1)
    counts: list[int] = []
    store = load_parts.store

    def counted(file: Any, request: Any, paths: Any, layout: Any) -> None:
        counts.append(len(paths))
        store(file, request, paths, layout)

    monkeypatch.setattr(load_parts, "store", counted)
    yield counts
    assert all(count > 2 for count in counts)


@pytest.mark.fault(436)
@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
@pytest.mark.parametrize("given", [["replace_table"], ["batch", "id"]])
def test_one_request_of_wide_rows_does_not_come_into_memory_whole(tmp_path: Path, given: list[str]) -> None:
    """600 rows of 900 KB, without a state between them."""
    command = [sys.executable, "-c", _WIDE, str(tmp_path / "w.duckdb"), *given]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert int(done.stdout.split()[-1]) * 1024 < _LIMIT_BYTES
    with contextlib.closing(duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True)) as connection:
        assert connection.execute("SELECT count(*), sum(length(text)) FROM t").fetchall() == [(600, 600 * 900_000)]


_WISHES: list[dict[str, Any]] = [
    {},
    {"keys": ()},
    {"keys": ("id", "absent")},
    {"schema": (SchemaField("extra", 5), SchemaField("text", 4))},
]


@pytest.mark.fault(436)
@pytest.mark.parametrize("wish", _WISHES)
@pytest.mark.parametrize(
    "modes", [["replace_table"], ["batch"], ["replace_table", "batch", "stream"], ["batch", "replace_table"]]
)
def test_parts_come_to_the_same_as_a_whole(
    tmp_path: Path, modes: list[str], wish: dict[str, Any], monkeypatch: pytest.MonkeyPatch, in_parts: list[int]
) -> None:
    """Of rows that are merged by key, within the request and with those before it, and of those without a key."""
    for name in ("parts", "whole"):
        if name == "whole":
            monkeypatch.undo()
        warehouse = Warehouse(tmp_path / name, "")
        for number, mode in enumerate(modes):
            save(warehouse, mode, number * 500, **wish)
        warehouse.close()
    assert len(in_parts) == len(modes)
    assert _content(tmp_path / "parts") == _content(tmp_path / "whole")


def _made(path: Path, statement: str = "") -> list[Any]:
    with contextlib.closing(Warehouse(path, "")) as warehouse:
        save(warehouse, "batch", 500)
    if statement:
        with contextlib.closing(duckdb.connect(str(path))) as connection:
            connection.execute(statement)
    return _content(path)


@pytest.mark.fault(437)
@pytest.mark.parametrize("mode", ["replace_table", "batch"])
@pytest.mark.parametrize("at", ["first part", "last part", "end"])
@pytest.mark.parametrize("error", [duckdb.OutOfMemoryException, KeyboardInterrupt])
def test_a_failure_in_between_leaves_the_table_as_it_was(
    tmp_path: Path, mode: str, at: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch, in_parts: list[int]
) -> None:
    """The next request works, and finds nothing of it."""
    path = tmp_path / "w.duckdb"
    before = _made(path)
    in_parts.clear()
    calls, insert, finish = [0], load.insert, load.finish

    def fail(*given: Any) -> None:
        calls[0] += 1
        if at == "end" or (at == "first part") == (calls[0] == 1):
            raise error("no room")
        insert(*given)

    with contextlib.closing(Warehouse(path, "")) as warehouse:
        with monkeypatch.context() as patch:
            patch.setattr(load, "finish" if at == "end" else "insert", fail)
            with pytest.raises(BaseException, match=r"no room|unchanged"):
                save(warehouse, mode, 1000)
        assert (load.insert, load.finish) == (insert, finish)
        assert warehouse.count("t") == len(before[2])
        assert set(warehouse.tables()) == {"t"}
        save(warehouse, "batch", 500)
    after = _content(path)
    assert [name for _, name in after[0]] == [name for _, name in before[0]]
    keyed = [row for row in before[2] if row[0] is not None]
    assert [row for row in after[2] if row[0] is not None] == keyed


@pytest.mark.fault(437)
@pytest.mark.parametrize("mode", ["replace_table", "batch"])
@pytest.mark.parametrize("parts", [1, 3, 100])
def test_a_crash_in_between_leaves_the_table_as_it_was(tmp_path: Path, mode: str, parts: int) -> None:
    """What is stored of the request is taken back when the file is opened again; 100: the end does not come."""
    path = tmp_path / "w.duckdb"
    before = _made(path)
    done = subprocess.run([sys.executable, "-c", _CRASH, str(path), str(parts), mode], check=False)
    assert done.returncode == 9
    with contextlib.closing(Warehouse(path, "")) as warehouse:
        assert warehouse.count("t") == len(before[2])
        assert set(warehouse.tables()) == {"t"}
    assert _content(path) == before


@pytest.mark.parametrize("mode", ["replace_table", "batch"])
@pytest.mark.parametrize(
    "statement", ["CREATE UNIQUE INDEX mine ON t (id)", "ALTER TABLE t ALTER text SET DEFAULT 'x'"]
)
def test_what_the_user_added_stays(tmp_path: Path, mode: str, statement: str, in_parts: list[int]) -> None:
    """A unique index would refuse the new row of a key beside its old one."""
    path = tmp_path / "w.duckdb"
    _made(path, statement)
    with contextlib.closing(Warehouse(path, "")) as warehouse:
        save(warehouse, mode, 500)
    with contextlib.closing(duckdb.connect(str(path), read_only=True)) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT id) FROM t WHERE id IS NOT NULL").fetchall() == [
            (1000, 1000)
        ]
        indexes = connection.execute("SELECT index_name FROM duckdb_indexes()").fetchall()
    assert indexes == ([("mine",)] if "INDEX" in statement else [])


def test_rows_that_were_deleted_before_do_not_shift_what_is_taken_back(tmp_path: Path, in_parts: list[int]) -> None:
    """Numbers of rows change when DuckDB drops those that are deleted."""
    path = tmp_path / "w.duckdb"
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS id, 'old' AS text FROM range(400000)")
        connection.execute("DELETE FROM t WHERE id < 399000")
    done = subprocess.run([sys.executable, "-c", _CRASH, str(path), "3", "batch"], check=False)
    assert done.returncode == 9
    with contextlib.closing(Warehouse(path, "")) as warehouse:
        assert warehouse.count("t") == 1000
    with contextlib.closing(duckdb.connect(str(path), read_only=True)) as connection:
        assert connection.execute("SELECT min(id), max(id), count(*) FROM t").fetchall() == [(399000, 399999, 1000)]


def test_a_view_in_the_tables_place_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a request that is stored at once."""
    monkeypatch.setattr(spool, "_UNIT_BYTES", 1)
    path = tmp_path / "w.duckdb"
    with running_warehouse(path) as running:
        _refused_for_a_view(running, path)


def _refused_for_a_view(running: Running, path: Path) -> None:
    running.bulk("t", _rows(0), "batch")
    running.warehouse.close()
    with contextlib.closing(duckdb.connect(str(path))) as connection:
        connection.execute("ALTER TABLE t RENAME TO mine")
        connection.execute("CREATE VIEW t AS FROM mine")
    for mode in ("batch", "replace_table"):
        status, answer = running.try_bulk("t", _rows(0), mode)
        assert (status, 'the view "t" in its place' in answer["error"]) == (422, True), answer
