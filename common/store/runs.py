"""Runs of declared syncs: reads that are begun before their catalog is known, and what is known of a sync's reads."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import msgspec
from msgspec import Struct

from common.failures import Failure
from common.store.database import Database, Row
from common.store.encoding import as_json, clean
from common.store.tasks import Task, TaskState, task_of

BEGUN = "run"
"""The request hash of a run whose request is not made yet."""
_MANY = 500
SHOWN = 10
"""Of a sync's reads, the newest ones, in a list of syncs."""


class LastRuns(Struct, frozen=True):
    """What is known of a sync's reads; "" and None where there is nothing."""

    task_id: str = ""
    state: TaskState | None = None
    reason: str = ""
    success_id: str = ""
    success_at: datetime | None = None
    """When the last success ended."""
    moment: datetime | None = None
    """The newest one of the schedule that a run was begun for."""

    @property
    def active(self) -> bool:
        """Whether a read goes on."""
        return self.state is not None and not self.state.final

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of last_runs."""
        state = row["state"] and TaskState(row["state"])
        texts = {name: row[name] or "" for name in ("task_id", "reason", "success_id")}
        return cls(state=state, success_at=row["success_at"], moment=row["moment"], **texts)


class Wanted(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a run was asked for; a repeated request asks for the same."""

    sync: str
    """The document's name."""
    streams: tuple[str, ...] = ()
    """Of those that it selects; all of them if empty."""
    full_sync: bool = False


class WaitingRun(Struct, frozen=True):
    """A run that is not handed to a pod yet, and the discovery that it waits for."""

    task: Task
    state: TaskState
    request_hash: str
    wanted: Wanted
    awaits: str
    begun_seconds: float
    """Since its request was made, or it was begun."""
    found_state: TaskState | None
    """Of the discovery; None if that was not started yet."""
    found_reason: str
    found_failure: dict[str, Any] | None
    found_key: str
    found_seconds: float | None
    """Since the discovery ended."""

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of waiting_runs."""
        return cls(
            task=task_of(row),
            state=TaskState(row["state"]),
            request_hash=row["request_hash"],
            wanted=msgspec.json.decode(row["wanted"], type=Wanted),
            awaits=row["awaits"],
            begun_seconds=row["begun_seconds"],
            found_state=row["found_state"] and TaskState(row["found_state"]),
            found_reason=row["found_reason"] or "",
            found_failure=row["found_failure"] and msgspec.json.decode(row["found_failure"]),
            found_key=row["found_key"] or "",
            found_seconds=row["found_seconds"],
        )

    @property
    def discovery_failure(self) -> Failure | None:
        """Why the discovery failed."""
        return msgspec.convert(self.found_failure, Failure) if self.found_failure else None


class Discovered(Struct, frozen=True):
    """What a discovery has found, and what the sync's run before it was made from, if that was another one."""

    found: bytes
    before: bytes | None


class StreamRuns(Struct, frozen=True):
    """What the last reads of a sync tell of a stream."""

    stream: str
    status: str | None
    rows: int | None
    """Stored by the newest read that had the stream."""
    bytes: int | None
    """Sent by it."""
    last_record: datetime | None
    """When the newest read that stored rows of it ended, or last reported."""


def last(db: Database, sync_ids: Sequence[str]) -> dict[str, LastRuns]:
    """Return what is known of the reads of these syncs, by id, in one statement."""
    return {row.pop("sync_id"): LastRuns.of(row) for row in db.run("last_runs", sync_ids=sync_ids)}


def begun(db: Database, task_ids: Collection[str]) -> set[str]:
    """Return which of these tasks exist."""
    return {row["task_id"] for row in db.run("known_tasks", task_ids=list(task_ids))} if task_ids else set()


def discovery(db: Database, package: str, version: str, storage_key: str, hours: int) -> str | None:
    """Return the newest discovery that is not too old, else the one that goes on."""
    rows = db.run("discovery_of", package=package, version=version, storage_key=storage_key, hours=hours)
    return str(rows[0]["task_id"]) if rows else None


def begin(db: Database, task_id: str, wanted: Wanted, awaits: str, reason: str, moment: datetime | None) -> None:
    """Make a new row of a read that of a run."""
    text = msgspec.json.encode(wanted).decode()
    db.run("begin_run", task_id=task_id, awaits=awaits, wanted=text, reason=reason, moment=moment)


def wait_for(db: Database, task_id: str, awaits: str, reason: str) -> None:
    """Let a run wait for another discovery."""
    db.run("await_discovery", task_id=task_id, awaits=awaits, reason=reason)


def waiting(db: Database, data_plane: str, task_id: str = "") -> list[WaitingRun]:
    """Return the runs of this data plane that are not handed to a pod yet, the oldest first; or one of them."""
    rows = db.run("waiting_runs", data_plane=data_plane, task_id=task_id, limit=_MANY)
    return [WaitingRun.of(row) for row in rows]


def waiting_ids(db: Database, data_plane: str) -> list[str]:
    """Return the ids of all of them."""
    return [row["task_id"] for row in db.run("waiting_of_data_plane", data_plane=data_plane)]


def wanted(db: Database, task_id: str) -> Wanted | None:
    """Return what a run was asked for, or None if the run does not exist."""
    rows = db.run("wanted_of", task_id=task_id)
    return msgspec.json.decode(rows[0]["wanted"], type=Wanted) if rows else None


def discovered(db: Database, run: WaitingRun) -> Discovered | None:
    """Return what the discovery of a run has found; None if that is gone."""
    rows = db.run("discovered", sync_id=run.task.sync_id, task_id=run.task.task_id, discovery=run.awaits)
    if not rows:
        return None
    before = rows[0]["before"]
    return Discovered(rows[0]["found"].encode(), None if before is None else before.encode())


def lock(db: Database, run: WaitingRun) -> str | None:
    """Lock a run that still waits for its discovery, and return its request hash; None if it does not."""
    rows = db.run("lock_waiting_run", task_id=run.task.task_id, awaits=run.awaits)
    return str(rows[0]["request_hash"]) if rows else None


def prepare(db: Database, task: Task, changes: Mapping[str, Any] | None, **row: str | None) -> None:
    """Write what a run's pod will be given; `row`: pod_name, request_hash, given_hash, table_name_prefix."""
    image = {"task_id": task.task_id, "package": task.package, "version": task.version}
    known = as_json(dict(changes)) if changes else None
    db.run("prepare_run", schema_changes=known and clean(known), **image, **row)
    db.run("announce_image", **image)


def release(db: Database, task_id: str) -> None:
    """Note that a run's pod is there."""
    db.run("release_run", task_id=task_id)


def sync_ids(db: Database, limit: int, *, after: str = "") -> list[str]:
    """Return the ids of syncs that have reads, in order, those after an id."""
    return [row["sync_id"] for row in db.run("sync_ids", limit=limit, after=after)]


def newest(db: Database, sync_ids: Sequence[str], known: str = "") -> tuple[str, str | None]:
    """Return the tag of these syncs' newest reads, and the reads by syncId as JSON; None if the tag is `known`."""
    [row] = db.run("newest_reads", sync_ids=list(sync_ids), most=SHOWN, known=known)
    return row["tag"], None if row["tag"] == known else row["runs"] or "{}"


def streams(db: Database, sync_id: str, known: str = "") -> tuple[str, list[StreamRuns] | None]:
    """Return the tag of a sync's last reads, and its streams by them; None if the tag is `known`."""
    rows = db.run("streams_of_sync", sync_id=sync_id, known=known)
    tag = str(rows[0]["tag"])
    found = [StreamRuns(**row) for row in rows if row.pop("tag") and row["stream"] is not None]
    return tag, None if tag == known else found


def state_keys(db: Database, sync_id: str) -> list[tuple[str, datetime]]:
    """Return the keys of a sync's saved states, and when each was saved, the oldest first."""
    return [(row["stream"], row["timestamp"]) for row in db.run("state_keys", sync_id=sync_id)]
