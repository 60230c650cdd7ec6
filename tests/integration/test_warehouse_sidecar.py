"""The sidecar's own client against the warehouse."""

import pytest

from common.errors import BulkerError
from sidecar.bulker.client import Bulker, BulkRequest, Target, WriteMode
from tests.support.warehouse import TOKEN, Running, running_warehouse


@pytest.fixture
def warehouse(tmp_path):
    with running_warehouse(tmp_path / "w.duckdb") as running:
        yield running


def test_the_sidecars_rows_arrive(warehouse: Running):
    """Blocks of lines, keys and a schema; the acknowledgement counts what was refused."""
    schema = '{"name":"t","fields":[{"name":"id","type":2},{"name":"\\u540d","type":4}]}'
    request = Bulker(warehouse.server.url, TOKEN, "a sync/1").open(Target("t", WriteMode.BATCH, ("id",), schema))
    request.send([b'{"id":1}', b'{"id":2,"x":"\xff"}'], 2)
    request.send([b'{"id":1,"\xe5\x90\x8d":"n"}'], 1)
    ack = request.finish()
    assert (ack.processed, ack.stored) == (3, 2)
    assert warehouse.sql("FROM t") == [(1, "n")]


def test_the_sidecar_learns_why_it_is_refused(warehouse: Running):
    """In the middle of its rows, and by a wrong token, in the warehouse's words."""
    request = Bulker(warehouse.server.url, TOKEN, "s").open(Target("t", WriteMode.REPLACE_TABLE))
    with pytest.raises(BulkerError, match="answered 400: unmarhsal error: line 2 is not a JSON object"):
        _send_for_long(request, [b'{"id":1}', b"no json", b" " * 100_000])
    with pytest.raises(BulkerError, match="answered 401: Invalid token"):
        Bulker(warehouse.server.url, "wrong", "s").open(Target("t", WriteMode.REPLACE_TABLE)).finish()


def _send_for_long(request: BulkRequest, lines: list[bytes]) -> None:
    for _ in range(2000):
        request.send(lines, len(lines))


@pytest.mark.fault(60)
def test_what_the_sidecar_takes_back_is_not_stored(warehouse: Running):
    """The table stays as it was, and the next request finds the warehouse ready."""
    warehouse.bulk("t", [{"id": 1}])
    request = Bulker(warehouse.server.url, TOKEN, "s").open(Target("t", WriteMode.REPLACE_TABLE))
    request.send([b'{"id":2}'], 1)
    request.abort()
    warehouse.bulk("t", [{"id": 3}], "batch")
    assert warehouse.sql("FROM t ORDER BY ALL") == [(1,), (3,)]
