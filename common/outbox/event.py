"""What is sent: an event about a task or a sync. docs/reference/events.md describes it."""

from datetime import datetime
from enum import StrEnum
from typing import Self
from urllib.parse import quote

import msgspec
from msgspec import Struct

from common.images import Image
from common.outbox.data import SkippedData, TaskData, sendable
from common.store.events import StoredEvent


class EventType(StrEnum):
    """The types of events; the names are part of the interface."""

    STARTED = "dev.sync-functions.task.started.v1"
    PROGRESSED = "dev.sync-functions.task.progressed.v1"
    RETRYING = "dev.sync-functions.task.retrying.v1"
    SUCCEEDED = "dev.sync-functions.task.succeeded.v1"
    PARTIAL = "dev.sync-functions.task.partial.v1"
    FAILED = "dev.sync-functions.task.failed.v1"
    CANCELLED = "dev.sync-functions.task.cancelled.v1"
    RECOVERED = "dev.sync-functions.sync.recovered.v1"
    SKIPPED = "dev.sync-functions.sync.skipped.v1"
    SCHEMA_CHANGED = "dev.sync-functions.sync.schemachanged.v1"

    @property
    def of_sync(self) -> bool:
        """Whether it is about a sync rather than one of its tasks."""
        return self.startswith("dev.sync-functions.sync.")


class Event(Struct, frozen=True):
    """An event; texts are "" where nothing is known."""

    id: str
    """The same for each repetition: who has seen it drops the event."""
    type: EventType
    at: datetime
    task_id: str
    sync_id: str
    data_plane: str
    previous: str
    """Of a read that has ended: the state of its sync's read before that was not cancelled."""
    data: TaskData | SkippedData

    @classmethod
    def of(cls, stored: StoredEvent) -> Self:
        """From the outbox; raise a msgspec error if it is another version's, and unreadable."""
        kind, text = EventType(stored.type), stored.data.encode()
        data: TaskData | SkippedData
        if kind is EventType.SKIPPED:
            data = msgspec.json.decode(text, type=SkippedData)
        else:
            data = sendable(msgspec.json.decode(text, type=TaskData), len(text))
        about = {"task_id": stored.task_id, "sync_id": stored.sync_id, "data_plane": stored.data_plane or ""}
        return cls(id=stored.event_id, type=kind, at=stored.at, previous=stored.previous, data=data, **about)

    @property
    def source(self) -> str:
        """The CloudEvents source: a URI reference for the data plane."""
        return f"/sync-functions/{quote(self.data_plane, safe='')}"

    @property
    def subject(self) -> str:
        """What it is about, within the source."""
        task = "" if self.type.of_sync else f"tasks/{self.task_id}"
        return "/".join(part for part in (self.sync_id and f"syncs/{self.sync_id}", task) if part)

    @property
    def extensions(self) -> dict[str, str]:
        """What a Trigger can filter on besides the type, without what is ""."""
        known = {"syncid": self.sync_id}
        if isinstance(self.data, TaskData):
            before = self.data.attempts if self.type is EventType.RETRYING else []
            failure = self.data.failure or (before[-1] if before else {})
            known["command"], known["state"] = self.data.command, str(self.data.state)
            known["failurekind"] = str(failure.get("kind", ""))
            known["image"] = str(Image(self.data.package, self.data.version))
        return {name: value for name, value in known.items() if value}
