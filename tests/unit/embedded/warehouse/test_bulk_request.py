"""What a request's query and header ask for."""

import pytest

from common.errors import BadRequest, SyncError
from embedded.warehouse.bulk_request import BulkMode, BulkRequest, SchemaField, parse


def test_a_request_is_read_whole():
    """Table, mode, each key once, and the schema's fields; a repeated field counts by its last type."""
    schema = '{"name":"t","fields":[{"name":"a","type":2},{"name":"b"},{"name":"a","type":4}]}'
    found = parse("s", "tableName=a%20b%2Fc&mode=batch&pk=x&pk=y_z&pk=x&pk=&taskId=1", schema)
    assert found == BulkRequest("a b/c", BulkMode.BATCH, ("x", "y_z"), (SchemaField("a", 4), SchemaField("b", 0)))


def test_the_mode_is_replace_table_where_none_is_given():
    """As Bulker takes it."""
    assert parse("s", "tableName=t", "").mode is BulkMode.REPLACE_TABLE


def test_a_schema_in_utf_8_is_read():
    """A header's bytes come as Latin-1 from WSGI."""
    header = '{"fields":[{"name":"名前","type":4}]}'.encode().decode("latin-1")
    assert parse("s", "tableName=t", header).schema == (SchemaField("名前", 4),)


def test_what_is_missing_or_unknown_is_refused_in_bulkers_words():
    """A missing table and a bad schema are 400, an unknown mode is 500."""
    with pytest.raises(BadRequest, match="missing required parameter: tableName"):
        parse("s", "mode=batch", "")
    with pytest.raises(BadRequest, match="schema unmarshal error: "):
        parse("s", "tableName=t", "{")
    with pytest.raises(SyncError, match="error# s: create stream error: ") as caught:
        parse("s", "tableName=t&mode=replace_partition", "")
    assert caught.value.status == 500
