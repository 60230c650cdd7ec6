"""docs/reference/events.md, its schema and the examples against the code."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.outbox.data import SkippedData, TaskData
from common.outbox.event import Event, EventType
from common.outbox.sink import message
from common.store.events import StoredEvent
from common.store.task_list import TaskDetails
from tests.support.docs import ROOT, read, rows, section
from tools import events

PAGE = read("docs/reference/events.md")
LEFT_OUT = frozenset({"waiting", "progress"})
"""Of GET /tasks/<taskId>, besides logs and result: what only makes sense at the moment of the question."""
TASK: dict[str, Any] = {
    "taskId": "t/1", "command": "read", "syncId": "s 1", "storageKey": "", "package": "airbyte/source-garden",
    "version": "1", "state": "FAILED", "reason": "it ended", "createdAt": "2026-11-30T00:00:00.000Z", "startedAt": None,
    "updatedAt": "2026-11-30T00:00:00.000Z", "finishedAt": None, "startedBy": "", "streams": {},
    "failure": {"kind": "source_exit", "message": "it ended"}, "attempt": 1, "attempts": [], "dataPlane": "a/b",
    "schemaChanges": None,
}  # fmt: skip


def event(kind: EventType = EventType.FAILED) -> Event:
    data = {"syncId": "s 1", "sync": "s", "moments": []} if kind is EventType.SKIPPED else TASK
    text = msgspec.json.encode(data).decode()
    stored = StoredEvent(1, "t/1/1/failed", kind, "t/1", "s 1", "a/b", datetime(2026, 11, 30, tzinfo=UTC), "", text, 1)
    return Event.of(stored)


def test_the_schema_is_current() -> None:
    """`python -m tools.events` writes it, `make check` compares; every type has its data in it."""
    assert events.FILE.read_text(encoding="utf-8") == events.text()
    assert set(events.schema()["$defs"]) >= {str(kind) for kind in EventType}


def test_the_data_is_that_of_a_task() -> None:
    """Under the names of GET /tasks/<taskId>: who reads one reads the other."""
    shown = set(TaskDetails.__struct_encode_fields__) - LEFT_OUT
    assert set(TaskData.__struct_encode_fields__) == shown | {"schemaChanges", "totals"}
    named = set(re.findall(r"`(\w+)`", section(PAGE, "Data")))
    assert named >= {*SkippedData.__struct_encode_fields__, "schemaChanges", "totals", "logs", "result"}


def test_each_type_is_described_and_has_its_event_type() -> None:
    """On the page and in knative/examples, which `kn eventtype list` shows."""
    assert [row[0].strip("`") for row in rows(section(PAGE, "Types"))] == list(EventType)
    found = list(yaml.safe_load_all(read("knative/examples/eventtypes.yaml")))
    assert [one["spec"]["type"] for one in found] == [one["metadata"]["name"] for one in found] == list(EventType)


@pytest.mark.parametrize("kind", list(EventType))
def test_attributes_are_the_documented_ones(kind: EventType) -> None:
    """And their values are what a header can hold."""
    headers, _ = message(event(kind), {"team": "garden ä"})
    found = {name.removeprefix("ce-") for name in headers} - {"content-type", "specversion", "team"}
    named = {row[0].strip("`") for row in rows(section(PAGE, "Attributes"))} | {"type"}
    of_tasks = set() if kind is not EventType.SKIPPED else {"command", "state", "failurekind", "image"}
    assert found | {"datacontenttype"} == named - of_tasks
    assert headers["ce-team"] == "garden%20%C3%A4"
    assert headers["ce-syncid"] == "s%201"
    assert headers["ce-source"] == "/sync-functions/a%252Fb"
    assert all(value.isascii() and value.isprintable() for value in headers.values())


def test_the_examples_filter_by_what_there_is() -> None:
    """Types and extensions of the Triggers; and the subject of the SinkBinding is the function that sends."""
    found = [one for file in (ROOT / "knative/examples").glob("*.yaml") for one in yaml.safe_load_all(file.read_text())]
    [trigger] = [one for one in found if one["kind"] == "Trigger"]
    attributes = trigger["spec"]["filter"]["attributes"]
    assert attributes.pop("type") in list(EventType)
    assert attributes.keys() <= event().extensions.keys()
    [binding] = [one for one in found if one["kind"] == "SinkBinding"]
    service = yaml.safe_load(read("knative/functions/sweeper.yaml"))
    assert binding["spec"]["subject"] == {
        "apiVersion": service["apiVersion"], "kind": service["kind"], "name": service["metadata"]["name"],
    }  # fmt: skip
