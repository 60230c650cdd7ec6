"""What of a task an event has: as much as every intermediary forwards."""

from typing import Any

import msgspec

from common.outbox.data import MOST_BYTES, TaskData, sendable
from tests.support.webhooks import event

MOST = 64 * 1024
COLUMN = {"stream": "a" * 60, "column": "b" * 150, "was": "string", "now": "integer or string"}


def data(**fields: Any) -> TaskData:
    """A read's, which has failed."""
    made = event(**fields).data
    assert isinstance(made, TaskData)
    return made


def test_many_changes_of_a_schema_are_counted() -> None:
    """A source that was rebuilt changes 200 columns and more: the task has the list of them."""
    changes = {"streamsAdded": ["new"], "columns": [COLUMN] * 200, "more": 20}
    whole = data(schema_changes=changes, streams={"plants": {"status": "SUCCESS", "stored": 3}})
    size = len(msgspec.json.encode(whole))
    sent = sendable(whole, size)
    assert size > MOST_BYTES
    assert len(msgspec.json.encode(sent)) < MOST
    assert (sent.schema_changes, sent.streams, sent.totals.stored) == ({"more": 221}, None, 3)


def test_a_few_changes_are_all_there() -> None:
    """Also where the streams' accounts are left out."""
    changes = {"columns": [COLUMN] * 3}
    sent = sendable(data(schema_changes=changes), MOST)
    assert (sent.schema_changes, sent.streams) == (changes, None)
