"""Merging by primary key."""

from typing import Any

import pytest

from common.nesting import MAX_DEPTH
from tests.support.warehouse import Running, running_warehouse


@pytest.fixture
def warehouse(tmp_path):
    with running_warehouse(tmp_path / "w.duckdb") as running:
        yield running


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_the_last_row_of_a_key_stays(warehouse: Running, mode):
    """Within a request and against the table; the whole row is the new one, and every row counts as stored."""
    warehouse.bulk(
        "t", [{"id": 1, "name": "a", "x": 1}, {"id": 2, "name": "b"}, {"id": 1, "name": "c"}], mode, pk=["id"]
    )
    state = warehouse.bulk(
        "t", [{"id": 2, "name": "d"}, {"id": 3, "name": "e"}, {"id": 2, "name": "f"}], mode, pk=["id"]
    )
    assert (state["processedRows"], state["successfulRows"]) == (3, 3)
    assert warehouse.sql("SELECT * FROM t ORDER BY id") == [(1, "c", None), (2, "f", None), (3, "e", None)]


def test_without_a_key_rows_are_added(warehouse: Running):
    """Equal rows included."""
    for _ in range(2):
        warehouse.bulk("t", [{"id": 1}, {"id": 1}], "batch")
    assert warehouse.warehouse.count("t") == 4


def test_a_replaced_table_has_each_key_once(warehouse: Running):
    """Keys count within a replacement as well."""
    warehouse.bulk("t", [{"id": 1, "v": "old"}], pk=["id"])
    warehouse.bulk("t", [{"id": 2, "v": "a"}, {"id": 2, "v": "b"}], pk=["id"])
    assert warehouse.sql("FROM t") == [(2, "b")]


def test_rows_without_a_part_of_the_key_are_all_kept(warehouse: Running):
    """NULL equals nothing, whether it is null or missing, in one request or over several."""
    rows = [
        {"day": "2026-09-02", "ad_id": 1, "amount": 3.5},
        {"day": "2026-09-02", "ad_id": None, "amount": 1.25},
        {"day": "2026-09-02", "amount": 7.75},
    ]
    warehouse.bulk("spend", rows, "batch", pk=["day", "ad_id"])
    assert warehouse.warehouse.count("spend") == 3
    warehouse.bulk("spend", rows, "batch", pk=["day", "ad_id"])
    assert warehouse.warehouse.count("spend") == 5
    warehouse.bulk("spend", [{"day": "2026-09-02"}, {"day": "2026-09-02"}], "batch", pk=["day", "ad_id"])
    assert warehouse.warehouse.count("spend") == 7


def test_a_composite_key_counts_as_a_whole(warehouse: Running):
    """Two rows are the same only if all parts are."""
    rows = [
        {"region": "n", "id": 1, "v": "old"},
        {"region": "s", "id": 1, "v": "x"},
        {"region": "n", "id": 1, "v": "new"},
    ]
    warehouse.bulk("beds", rows, "batch", pk=["region", "id"])
    assert warehouse.sql("FROM beds ORDER BY ALL") == [("n", 1, "new"), ("s", 1, "x")]


def test_a_nested_key_is_found_as_deep_as_a_row_may_be(warehouse: Running):
    """At the limit's last level; a row that is deeper is refused, its neighbour is not."""
    key = "_".join("x" * MAX_DEPTH)
    for levels, refused in ((MAX_DEPTH, 0), (MAX_DEPTH + 1, 1)):
        deep = b'{"x":' * levels + b"%d" % levels + b"}" * levels
        state = warehouse.bulk("t", deep + b'\n{"n":%d}\n' % levels, "batch", pk=[key])
        assert (state["processedRows"], state["successfulRows"]) == (2, 2 - refused)
        assert state.get("refusedRows", 0) == refused
    assert warehouse.sql("SELECT n FROM t ORDER BY n") == [(MAX_DEPTH,), (MAX_DEPTH + 1,), (None,)]


def test_a_nested_key_becomes_a_column_of_its_joined_name(warehouse: Running):
    """`meta_id` names `id` within `meta`; the nested object stays beside it."""
    rows = [{"meta": {"id": 7}, "name": "old"}, {"meta": {"id": 8}, "name": "x"}, {"meta": {"id": 7}, "name": "new"}]
    warehouse.bulk("plants", rows, "batch", pk=["meta_id"], schema={"meta": 6, "name": 4})
    warehouse.bulk("plants", [{"name": "newer", "meta": {"id": 8, "more": 1}}], "batch", pk=["meta_id"])
    assert warehouse.sql("SELECT meta_id, name, CAST(meta AS VARCHAR) FROM plants ORDER BY ALL") == [
        (7, "new", '{"id": 7}'),
        (8, "newer", '{"id": 8, "more": 1}'),
    ]


def test_a_key_that_no_row_has_merges_nothing(warehouse: Running):
    """The rows are added; no column is made for it."""
    warehouse.bulk("t", [{"a": 1}, {"a": 1}], "batch", pk=["id"])
    assert warehouse.sql("FROM t") == [(1,), (1,)]


@pytest.mark.parametrize(("first", "then"), [(b"7", b'"7"'), (b"7.0", b'"7"'), (b'"7"', b"7")])
def test_a_key_is_found_after_its_column_has_widened(warehouse: Running, first, then):
    """A number that has become text is still the key it was."""
    warehouse.bulk("t", b'{"id":%b,"v":"old"}\n' % first, "batch", pk=["id"])
    warehouse.bulk("t", b'{"id":%b,"v":"new"}\n{"id":"x"}\n' % then, "batch", pk=["id"])
    assert warehouse.sql("SELECT v FROM t WHERE v IS NOT NULL") == [("new",)]


@pytest.mark.parametrize("key", ['a"b', "two words", "Ключ", "order", "n", "k0", "w"])
def test_any_key_can_be_merged_by(warehouse: Running, key):
    """Names that could be mistaken for SQL, or for our own names."""
    for value in ("old", "new"):
        warehouse.bulk("t", [{key: 1, "v": value}], "batch", pk=[key])
    assert warehouse.sql("SELECT v FROM t") == [("new",)]


@pytest.mark.parametrize(
    ("paths", "rows"),
    [
        ([["meta", "id"]], [{"meta": {"id": 1}, "meta_id": 5}, {"meta": {"id": 2}, "meta_id": 5}]),
        ([["meta", "id"]], [{"meta": {"id": 1}}, {"meta_id": 5, "meta": {"id": 2}}, {"meta_id": 1}]),
        ([["meta_id"]], [{"meta": {"id": 5}, "meta_id": 1}, {"meta": {"id": 5}, "meta_id": 2}]),
        ([["meta_id"]], [{"meta": {"id": 5}}, {"meta": {"id": 5}}]),
        ([["a", "b_c"]], [{"a": {"b_c": 1}, "a_b": {"c": 5}}, {"a": {"b_c": 2}, "a_b": {"c": 5}}]),
        ([["a_b", "c"]], [{"a": {"b_c": 5}, "a_b": {"c": 1}}, {"a": {"b_c": 5}, "a_b": {"c": 2}}]),
        ([["a", "b_c"], ["a_b", "c"]], [{"a": {"b_c": 1}, "a_b": {"c": 5}}, {"a": {"b_c": 2}, "a_b": {"c": 5}}]),
        ([["a", "b", "c"]], [{"a": {"b": {"c": 1}, "b_c": 5}}, {"a": {"b": {"c": 2}, "b_c": 5}}]),
        ([["meta", "id"]], [{"meta": 5}, {"meta": [1]}, {"meta": {"id": None}}, {}]),
        ([["Meta", "id"]], [{"Meta": {"id": 1}, "meta_ID": 5}, {"Meta": {"id": 2}, "meta_ID": 5}]),
    ],
)
@pytest.mark.fault(109)
def test_a_key_is_found_by_its_path(warehouse: Running, paths, rows):
    """Whatever other field has the same joined name: rows that differ in the key all stay, and each merges with itself."""
    for mode in ("replace_table", "batch", "batch"):
        state = warehouse.bulk("t", rows, mode, paths=paths)
        assert state["successfulRows"] == len(rows)
        keyed = sum(all(_at(row, path) is not None for path in paths) for row in rows)
        added = len(rows) - keyed
    assert warehouse.warehouse.count("t") == keyed + 3 * added
    fields = [column for row in rows for column in row]
    [[found]] = warehouse.sql("SELECT count(*) FROM _columns WHERE list_contains(?, key) AND key = column_name", fields)
    assert found == len(set(fields))


def _at(row: Any, path: list[str]) -> Any:
    for part in path:
        row = row.get(part) if isinstance(row, dict) else None
    return row


def test_a_path_that_cannot_be_read_is_refused(warehouse: Running):
    """By name, before any row."""
    status, answer = warehouse.request("POST", "/bulk/s?tableName=t&pk=a&pkPath=a", b'{"a":1}\n')
    assert (status, "pkPath" in answer["error"]) == (400, True)
