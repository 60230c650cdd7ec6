"""Tables that their user has changed: rows go in, or the answer says in words what is in their way."""

import duckdb  # noqa: TID251 - tests look past the product's own store
import pytest

from tests.support.warehouse import Running, running_warehouse


@pytest.fixture
def warehouse(tmp_path):
    with running_warehouse(tmp_path / "w.duckdb") as running:
        running.bulk("beds", [{"id": 1, "n": 1}], "batch", pk=["id"])
        yield running


def _change(warehouse: Running, *statements: str) -> None:
    warehouse.warehouse.close()
    with duckdb.connect(str(warehouse.warehouse.path)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statements", "row", "named"),
    [
        (["CREATE INDEX i ON beds (id)"], {"id": 2, "n": 2.5}, ['the index "i"']),
        (["CREATE UNIQUE INDEX i ON beds (n)"], {"id": 2, "n": 1}, ['the index "i"']),
        (["ALTER TABLE beds ALTER n SET NOT NULL"], {"id": 2}, ["NOT NULL of n", "beds.n"]),
        (["ALTER TABLE beds ADD PRIMARY KEY (n)"], {"id": 2, "n": 1}, ["PRIMARY KEY(n)"]),
        (["ALTER TABLE beds RENAME TO b", "CREATE TABLE beds (id BIGINT, n BIGINT CHECK (n < 3))"], {"id": 2, "n": 5}, ["CHECK((n < 3))"]),
        (
            ["DROP TABLE beds", "CREATE TABLE beds (id BIGINT, n BIGINT, g BIGINT GENERATED ALWAYS AS (n * 2))"],
            {"id": 2, "n": 2.5},
            ['the generated column or default "g"'],
        ),
        (
            ["DROP TABLE beds", "CREATE TABLE beds (id BIGINT, n BIGINT, g BIGINT GENERATED ALWAYS AS (n * 2))"],
            {"id": 2, "g": 5},
            ['the generated column or default "g"', "generated column"],
        ),
        (
            ["CREATE TABLE plots (id BIGINT PRIMARY KEY)", "DROP TABLE beds", "CREATE TABLE beds (id BIGINT REFERENCES plots (id))"],
            {"id": 77001},
            ["FOREIGN KEY (id) REFERENCES plots(id)"],
        ),
    ],
)  # fmt: skip
@pytest.mark.fault(127)
def test_what_is_in_the_way_is_named(warehouse: Running, statements, row, named):
    """A refusal of the destination, for good; the table is as it was, and no value of the row is shown."""
    _change(warehouse, *statements)
    before = warehouse.sql("FROM beds ORDER BY ALL")
    status, answer = warehouse.try_bulk("beds", [row], "batch", pk=["id"])
    assert status == 422, answer
    for words in ('the table "beds"', *named, "start the task again"):
        assert words in answer["error"]
    assert "77001" not in answer["error"]
    assert warehouse.sql("FROM beds ORDER BY ALL") == before


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE INDEX i ON beds (id)"],
        ["CREATE UNIQUE INDEX i ON beds (id)"],
        ["CREATE VIEW v AS SELECT * FROM beds"],
        ["ALTER TABLE beds ALTER n SET DEFAULT 7"],
        ["ALTER TABLE beds ADD PRIMARY KEY (id)"],
        ["ALTER TABLE beds ALTER n TYPE DECIMAL(9, 2)"],
        ["DROP TABLE beds", "CREATE TABLE beds (id BIGINT, n BIGINT, g BIGINT GENERATED ALWAYS AS (n * 2))"],
    ],
)
def test_what_is_not_in_the_way_changes_nothing(warehouse: Running, statements):
    """Rows of the same types, and a new column, go in, and merge."""
    _change(warehouse, *statements)
    warehouse.bulk("beds", [{"id": 1, "n": 3, "m": 1}, {"id": 2, "n": 4}], "batch", pk=["id"])
    rows = warehouse.sql("SELECT id, CAST(n AS DOUBLE) FROM beds ORDER BY id")
    assert rows[-2:] == [(1, 3.0), (2, 4.0)]


def test_a_full_refresh_keeps_the_indexes(warehouse: Running):
    """On the new rows, whatever types they have."""
    _change(warehouse, 'CREATE UNIQUE INDEX "an index" ON beds (id, n)', "CREATE INDEX j ON main.beds (n)")
    warehouse.bulk("beds", [{"id": "x", "n": 2.5}])
    assert warehouse.sql("SELECT index_name FROM duckdb_indexes() ORDER BY 1") == [("an index",), ("j",)]
    assert warehouse.sql("FROM beds") == [("x", 2.5)]


@pytest.mark.parametrize(
    ("rows", "words"), [([{"id": 1, "n": 1}, {"id": 2, "n": 1}], 'the index "i"'), ([{"id": 1}], 'the index "i"')]
)
def test_a_full_refresh_that_cannot_keep_an_index_is_refused(warehouse: Running, rows, words):
    """Its column is gone, or its rows are not unique: the old table stays."""
    _change(warehouse, "CREATE UNIQUE INDEX i ON beds (n)")
    status, answer = warehouse.try_bulk("beds", rows)
    assert (status, words in answer["error"]) == (422, True), answer
    assert warehouse.sql("FROM beds") == [(1, 1)]


def test_a_full_refresh_says_what_it_drops(warehouse: Running, caplog: pytest.LogCaptureFixture):
    """Constraints and defaults go with the table that has them; the log names them."""
    _change(warehouse, "ALTER TABLE beds ADD PRIMARY KEY (id)", "CREATE INDEX i ON beds (n)")
    warehouse.bulk("beds", [{"id": 1, "n": 2}, {"id": 1, "n": 3}])
    [line] = [record.getMessage() for record in caplog.records if "replaced" in record.getMessage()]
    assert ("PRIMARY KEY(id)" in line, '"i"' in line) == (True, False)
    assert warehouse.sql("SELECT n FROM beds ORDER BY n") == [(2,), (3,)]


def test_a_fault_of_the_warehouse_s_own_is_not_the_user_s(warehouse: Running):
    """Where the table is as it was made, the same error stays one of the server."""
    _change(warehouse, "DROP TABLE _columns", "CREATE TABLE _columns (x BIGINT)")
    status, answer = warehouse.try_bulk("beds", [{"id": 2, "n": 2}], "batch")
    assert (status, "start the task again" in answer["error"]) == (500, False)


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE beds RENAME TO b", 'ALTER TABLE b RENAME TO "Beds"'],
        ["ALTER TABLE beds RENAME n TO m", 'ALTER TABLE beds RENAME m TO "N"'],
        ["ALTER TABLE beds RENAME id TO m", 'ALTER TABLE beds RENAME m TO "ID"'],
    ],
    ids=["table", "column", "key"],
)
def test_a_name_in_other_capitals_is_still_the_same(warehouse: Running, statements):
    """DuckDB's names ignore case: rows are added to the table, not put in its place."""
    _change(warehouse, *statements)
    assert warehouse.bulk("beds", [{"id": 2, "n": 2}], "batch", pk=["id"])["successfulRows"] == 1
    assert warehouse.bulk("beds", [{"id": 2, "n": 3.5}], "batch", pk=["id"])["successfulRows"] == 1
    assert warehouse.sql("FROM beds ORDER BY ALL") == [(1, 1), (2, 3.5)]


@pytest.mark.parametrize("mode", ["batch", "replace_table"])
def test_a_view_in_the_tables_place_is_named(warehouse: Running, mode):
    """It cannot be altered or replaced, and trying again does not help."""
    _change(warehouse, "ALTER TABLE beds RENAME TO old", "CREATE VIEW beds AS FROM old")
    status, answer = warehouse.try_bulk("beds", [{"id": 2, "n": 2.5}], mode, pk=["id"])
    assert status == 422
    assert 'the view "beds"' in answer["error"]
    assert warehouse.sql("FROM old") == [(1, 1)]
