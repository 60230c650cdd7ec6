"""What other warehouses lost or refused, replayed into the real one by the real sidecar."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb  # noqa: TID251 - tests look past the product's own code
import pytest

from embedded.warehouse.server import WarehouseServer
from embedded.warehouse.warehouse import Warehouse
from tests.reports.conftest import CASES
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.sidecar_process import SidecarProcess, state


class Into:
    """Plays a case and looks at the table afterwards."""

    def __init__(self, sidecar: SidecarProcess, warehouse: Warehouse, file: Path) -> None:
        self.rig, self._warehouse, self._file = sidecar, warehouse, file

    def play(self, case: str, output: bytes | None = None) -> SidecarProcess:
        folder = CASES / case
        for name in ("catalog", "state"):
            if (file := folder / f"{name}.json").exists():
                self.rig.give(**{name: file.read_bytes()})
        self.rig.give(config={})
        assert self.rig.play(output or (folder / "read.jsonl").read_bytes()) == 0, self.rig.output
        self._warehouse.close()
        return self.rig

    def change(self, sql: str) -> None:
        """What the user does to the file while nothing runs."""
        with duckdb.connect(str(self._file)) as connection:
            connection.execute(sql)

    def again(self, given: Any) -> None:
        """Another read, which goes on from this state."""
        for table in ("syncctl_task", "source_task"):
            self.rig.database.rows(f"DELETE FROM {table}")
        self.rig.announce()
        self.rig.give(state=[given])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self._file), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def into(tmp_path: Path, database: TestDatabase) -> Iterator[Into]:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", canaries.BULKER)
    with WarehouseServer(warehouse) as server:
        sidecar = SidecarProcess(tmp_path, database, server.url)
        sidecar.announce()
        yield Into(sidecar, warehouse, tmp_path / "warehouse.duckdb")
    warehouse.close()


def test_warehouse_column_names(into: Into) -> None:
    """Every value can be read back from a column of its own, whatever its key looks like."""
    sidecar = into.play("warehouse-column-names")
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    messages = map(json.loads, (CASES / "warehouse-column-names/read.jsonl").read_bytes().splitlines())
    given = [message["record"]["data"] for message in messages if message["type"] == "RECORD"]
    rows = into.query("SELECT * FROM people ORDER BY id")
    assert len(rows) == 2
    for row, data in zip(rows, given, strict=True):
        assert sorted(map(str, row)) == sorted(map(str, data.values()))


def test_warehouse_duplicate_keys(into: Into) -> None:
    """The last one wins; neighbours are stored."""
    sidecar = into.play("warehouse-duplicate-keys")
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert into.query("SELECT id, size FROM files ORDER BY id") == [(1, 10), (2, 3266), (3, 30)]


def test_catalog_null_in_a_key_part(into: Into) -> None:
    """Rows with a null in their key are all stored: null equals nothing."""
    sidecar = into.play("catalog-null-in-a-key-part")
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert into.query("SELECT amount FROM spend ORDER BY amount") == [(1.25,), (3.5,), (7.75,)]


def test_catalog_nested_and_composite_keys(into: Into) -> None:
    """One nested key deduplicates by itself, two key columns together."""
    sidecar = into.play("catalog-nested-and-composite-keys")
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    assert into.query("SELECT name FROM plants ORDER BY name") == [("new",), ("x",)]
    assert into.query("SELECT region, name FROM beds ORDER BY region") == [("n", "new"), ("s", "x")]


def test_protocol_deep_nesting(into: Into) -> None:
    """What the sidecar lets through, the warehouse stores."""
    sidecar = into.play("protocol-deep-nesting")
    assert into.query("SELECT id FROM trees ORDER BY id") == [(1,), (2,), (4,)]
    assert sidecar.task["status"] == "PARTIAL"


@pytest.mark.fault(67)
def test_protocol_nan_and_infinity(into: Into) -> None:
    """Both neighbours of the NaN record and the other stream are in their tables."""
    into.play("protocol-nan-and-infinity")
    assert into.query("SELECT id FROM beds ORDER BY id") == [(1,), (3,)]
    assert into.query("SELECT id, name FROM plants ORDER BY id") == [(1, "fern"), (2, "NaN")]


@pytest.mark.fault(46)
def test_postgres_nul_in_state_and_log(into: Into) -> None:
    """A NUL in a row's text does not cost the row."""
    into.play("postgres-nul-in-state-and-log")
    assert [row[0] for row in into.query("SELECT id FROM codes ORDER BY id")] == [1, 2]


@pytest.mark.fault(109)
def test_catalog_nested_key_beside_its_twin(into: Into) -> None:
    """The key is found by its path, the field keeps its name, and the key still merges in the next run."""
    case = "catalog-nested-key-beside-its-twin"
    assert into.play(case).task["status"] == "SUCCESS"
    assert into.query("SELECT id, meta_id FROM beds ORDER BY id") == [(1, "X"), (2, "X"), (3, "Y")]
    again = (CASES / case / "read.jsonl").read_bytes().replace(b'"X"', b'"Z"').replace(b'"c"', b'"d"')
    assert into.play(case, again).task["status"] == "SUCCESS"
    assert into.query("SELECT id, meta_id FROM beds ORDER BY ALL") == [(1, "Z"), (2, "Z"), (3, "Y"), (3, "Y")]
    [[column]] = into.query('SELECT column_name FROM _columns WHERE key = \'["meta", "id"]\'')
    assert into.query(f"SELECT {column} FROM beds ORDER BY 1") == [("a",), ("b",), ("c",), ("d",)]


@pytest.mark.fault(127)
def test_warehouse_index_of_the_user(into: Into, tmp_path: Path) -> None:
    """A column that must be widened under an index: refused in words that name both; without the index it works."""
    case = "warehouse-index-of-the-user"
    assert into.play(case).task["status"] == "SUCCESS"
    into.change((CASES / case / "between.sql").read_text())
    into.again(state("beds", {"last": 1})["state"])
    rig = into.play(case, (CASES / case / "then.jsonl").read_bytes())
    assert (rig.ours["state"], rig.ours["failure"]["kind"]) == ("FAILED", "bulker_refused")
    assert (rig.ours["failure"]["origin"], rig.ours["failure"]["retryable"]) == ("destination", False)
    for words in ('the table "beds"', 'the index "beds_id"', "depend", "DROP INDEX", "start the task again"):
        assert words in rig.ours["reason"], rig.ours["reason"]
    assert into.query("SELECT id, n FROM beds") == [(1, 1)]
    into.change("DROP INDEX beds_id")
    into.again(state("beds", {"last": 1})["state"])
    assert into.play(case, (CASES / case / "then.jsonl").read_bytes()).task["status"] == "SUCCESS"
    assert into.query("SELECT id, n FROM beds ORDER BY id") == [(1, 1.0), (3, 3.5)]
