"""Values and keys: whatever came can be read back."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.nesting import MAX_DEPTH
from tests.support.warehouse import Running, running_warehouse


@pytest.fixture
def warehouse(tmp_path):
    with running_warehouse(tmp_path / "w.duckdb") as running:
        yield running


def test_every_key_is_a_column_of_its_own(warehouse: Running):
    """Keys that DuckDB's names cannot distinguish, or cannot be, are readable all the same, and never run."""
    long = "k" * 79
    keys = ["Age", "age", "Credit_rating", "credit-rating", "order", "default", "group", 'x"; drop table people; --']
    keys += ["two words", "", f"{long}a", f"{long}b", "名前", "rowid", "n", "c0", "a'b", "%s", "\x01"]
    rows = [{"id": n, **{key: f"{key} {n}" for key in keys}} for n in (1, 2)]
    warehouse.bulk("people", rows)
    columns = dict(warehouse.sql("SELECT key, column_name FROM _columns WHERE table_name = 'people'"))
    assert set(columns) == {"id", *keys}
    for row in rows:
        names = ", ".join('"' + columns[key].replace('"', '""') + '"' for key in row)
        assert warehouse.sql(f"SELECT {names} FROM people WHERE id = ?", row["id"]) == [tuple(row.values())]


@pytest.mark.parametrize("mode", ["replace_table", "batch"])
def test_a_key_keeps_its_column_from_request_to_request(warehouse: Running, mode):
    """Whichever twin comes first the next time."""
    warehouse.bulk("t", [{"Age": "big", "age": "small"}], mode)
    warehouse.bulk("t", [{"age": "small", "AGE": "bigger", "Age": "big"}], mode)
    rows = warehouse.sql('SELECT "Age", age_2 FROM t')
    assert set(rows) == {("big", "small")}


@pytest.mark.parametrize(
    "name", ["People", "people", 'a"; DROP TABLE people; --', "two words", "_tables", "表", "winners", "a.b"]
)
def test_a_table_may_be_called_anything(warehouse: Running, name):
    """Twins in case, quotes, our own tables' names: each is a table of its own, counted by its name."""
    warehouse.bulk("PEOPLE", [{"id": 0}])
    warehouse.bulk(name, [{"id": 1}, {"id": 1}, {"id": 2}], "batch", pk=["id"])
    warehouse.bulk(name, [{"id": 2}, {"id": 3}], "batch", pk=["id"])
    assert warehouse.warehouse.count(name) == 3
    assert warehouse.warehouse.tables() == sorted({"PEOPLE", name})
    assert warehouse.warehouse.count("PEOPLE") == 1


def test_the_last_of_a_repeated_key_counts(warehouse: Running):
    """At the top one column; deeper down the text stays as it came."""
    body = b'{"id":1,"size":10,"meta":{"a":1}}\n{"id":2,"size":9798,"meta":{"a":1,"a":2},"size":3266}\n{"id":3,"size":30}\n'
    assert warehouse.bulk("files", body)["successfulRows"] == 3
    assert warehouse.sql("SELECT id, size, CAST(meta AS VARCHAR) FROM files ORDER BY id") == [
        (1, 10, '{"a":1}'),
        (2, 3266, '{"a":1,"a":2}'),
        (3, 30, None),
    ]


def test_a_row_that_cannot_be_stored_is_refused_alone(warehouse: Running, caplog):
    """Its neighbours are stored, the counts show it, and the log says which row and why, without its data."""
    less, deep = (
        b'{"id":%d,"tree":' % number + b'{"a":' * levels + b"1" + b"}" * levels + b"}"
        for number, levels in ((2, MAX_DEPTH - 1), (3, MAX_DEPTH))
    )
    body = b"\n".join([b'{"id":1,"tree":{"a":1}}', less, deep, b'{"id":4,"tree":null}', b'{"id":5,"secret":"\xff"}'])
    state = warehouse.bulk("trees", body)
    assert (state["processedRows"], state["successfulRows"], state["refusedRows"]) == (5, 3, 2)
    assert state["refusal"] == "row 3 of the request: it is nested deeper than 1,000 levels"
    assert warehouse.sql("SELECT id FROM trees ORDER BY id") == [(1,), (2,), (4,)]
    assert "Row 3 of a request for the table 'trees' is refused: it is nested deeper than 1,000 levels." in caplog.text
    assert "Row 5" in caplog.text
    assert "secret" not in caplog.text


def test_a_table_stays_where_no_row_can_be_stored(warehouse: Running):
    """A replacement of which nothing is left does not empty the table."""
    warehouse.bulk("t", [{"id": 1}])
    state = warehouse.bulk("t", b'{"id":"\xff"}\n')
    assert (state["processedRows"], state["successfulRows"]) == (1, 0)
    assert warehouse.sql("FROM t") == [(1,)]


def test_types_follow_the_values(warehouse: Running):
    """Where no schema says more."""
    warehouse.bulk(
        "t",
        b'{"bool":true,"int":9223372036854775807,"huge":9223372036854775808,"real":0.1,"mixed":1,"text":"x",'
        b'"json":[1,{"a":null}],"nothing":null,"odd":1E400,"digits":0.12345678901234567890}\n{"mixed":1.5}\n',
    )
    assert warehouse.types("t") == {
        "bool": "BOOLEAN",
        "int": "BIGINT",
        "huge": "HUGEINT",
        "real": "DOUBLE",
        "mixed": "DOUBLE",
        "text": "VARCHAR",
        "json": "JSON",
        "nothing": "VARCHAR",
        "odd": "VARCHAR",
        "digits": "VARCHAR",
    }
    assert warehouse.sql("SELECT int, huge, odd, digits FROM t WHERE int IS NOT NULL") == [
        (9223372036854775807, 9223372036854775808, "1E400", "0.12345678901234567890")
    ]


def test_types_follow_the_schema_where_it_fits(warehouse: Running):
    """Declared columns exist even where no row has them; a date-time that does not parse makes its column text."""
    schema = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 5, "g": 6, "h": 0, "none": 3}
    row = {"a": None, "b": 1, "c": 1, "d": 1, "e": "2026-09-02T10:00:00.5+02:00", "f": "soon", "g": "x", "h": 1}
    warehouse.bulk("t", [row], schema=schema)
    assert warehouse.types("t") == {
        "a": "BOOLEAN",
        "b": "BIGINT",
        "c": "DOUBLE",
        "d": "VARCHAR",
        "e": "TIMESTAMP WITH TIME ZONE",
        "f": "VARCHAR",
        "g": "JSON",
        "h": "BIGINT",
        "none": "DOUBLE",
    }
    assert warehouse.sql("SELECT b, c, d, CAST(e AS VARCHAR), f, g->>'$' FROM t") == [
        (1, 1.0, "1", "2026-09-02 08:00:00.5+00", "soon", "x")
    ]


@pytest.mark.parametrize(
    ("first", "then", "kind", "read"),
    [
        (b"1", b"1.5", "DOUBLE", [1.0, 1.5]),
        (b"9007199254740993", b"1.5", "VARCHAR", ["9007199254740993", "1.5"]),
        (b"1", b"9223372036854775808", "HUGEINT", [1, 9223372036854775808]),
        (b"1.5", b"9223372036854775807", "VARCHAR", ["1.5", "9223372036854775807"]),
        (b"100.0", b"1E400", "VARCHAR", ["100", "1E400"]),
        (b"true", b'"x"', "VARCHAR", ["true", "x"]),
        (b'"x"', b"1", "VARCHAR", ["x", "1"]),
        (b'{"a":1}', b'"x"', "JSON", ['{"a":1}', '"x"']),
        (b"null", b"1", "BIGINT", [None, 1]),
        (b"1", b"null", "BIGINT", [1, None]),
    ],
)
def test_a_column_widens_rather_than_lose_a_value(warehouse: Running, first, then, kind, read):
    """Integer to number to text, with all its old values; a column of nothing but nulls becomes what comes."""
    warehouse.bulk("t", b'{"n":1,"v":%b}\n' % first, "batch")
    warehouse.bulk("t", b'{"n":2,"v":%b}\n' % then, "batch")
    assert warehouse.types("t")["v"] == kind
    assert [value for (value,) in warehouse.sql("SELECT v FROM t ORDER BY n")] == read


def test_a_date_time_column_becomes_text_when_one_does_not_parse(warehouse: Running):
    """The old ones stay as ISO 8601 text."""
    warehouse.bulk("t", [{"n": 1, "v": "2026-09-02T10:00:00Z"}], "batch", schema={"v": 5})
    warehouse.bulk("t", [{"n": 2, "v": "2026-13-02T10:00:00Z"}], "batch", schema={"v": 5})
    assert warehouse.sql("SELECT v FROM t ORDER BY n") == [("2026-09-02T10:00:00Z",), ("2026-13-02T10:00:00Z",)]


def test_a_replaced_table_has_the_new_shape_alone(warehouse: Running):
    """Old columns and old types are gone."""
    warehouse.bulk("t", [{"old": 1, "both": "x"}])
    warehouse.bulk("t", [{"both": 2, "new": 3}])
    assert warehouse.types("t") == {"both": "BIGINT", "new": "BIGINT"}
    assert warehouse.sql("SELECT key FROM _columns ORDER BY ALL") == [("both",), ("new",)]


def test_rows_of_any_shape_meet_in_one_table(warehouse: Running):
    """Keys missing, in another order, new in the middle; rows without any key count as rows."""
    rows: list[dict[str, Any]] = [{}, {"a": 1, "b": 2}, {"b": 3, "a": 4}, {"c": 5}, {}, {"a": 6, "b": 7}]
    warehouse.bulk("t", rows)
    assert warehouse.sql("SELECT a, b, c FROM t") == [tuple(row.get(key) for key in "abc") for row in rows]
    warehouse.bulk("nothing", [{}, {}])
    assert warehouse.warehouse.count("nothing") == 2


def test_wide_rows_are_stored(warehouse: Running):
    """500 columns, then 100 more; a row that would make more than 5,000 columns is refused alone."""
    warehouse.bulk("wide", [{f"k{n}": n + row for n in range(500)} for row in range(50)], "batch")
    state = warehouse.bulk("wide", [{f"k{n}": n for n in range(9000)}, {f"k{n}": n for n in range(600)}], "batch")
    assert (state["processedRows"], state["successfulRows"]) == (2, 1)
    assert warehouse.sql("SELECT count(*), sum(k499), sum(k599) FROM wide") == [(51, sum(range(499, 549)) + 499, 599)]


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**130), 2**130)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_values = _scalars | st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


def _same(given: Any, found: Any, kind: str) -> bool:
    if given is None or isinstance(given, bool | str | list | dict):
        text = given if isinstance(given, str) and kind != "JSON" else json.dumps(given)
        return bool(found == (None if given is None else given if kind == "BOOLEAN" else text))
    return Decimal(str(given)) == Decimal(str(found))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.lists(_values, max_size=3), min_size=1, max_size=3))
def test_any_json_value_reads_back(warehouse: Running, requests):
    """Whatever comes in one column, in one request or several, is there afterwards with the same value."""
    warehouse.bulk("t", [{"n": 0, "v": None}])
    for number, values in enumerate(requests):
        warehouse.bulk("t", [{"n": number * 10 + at, "v": value} for at, value in enumerate(values, 1)], "batch")
    kind = warehouse.types("t")["v"]
    found = dict(warehouse.sql("SELECT n, v FROM t"))
    for number, values in enumerate(requests):
        for at, value in enumerate(values, 1):
            assert _same(value, found[number * 10 + at], kind), (value, found[number * 10 + at], kind)
