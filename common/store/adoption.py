"""Reads that another controller has started: known from their rows in the caller's table, and adopted from there.

An adopted read has a row in syncctl_task like any other, with the request hash "".
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from common.failures import Failure, FailureKind
from common.protocol.commands import Command
from common.store.database import Database
from common.store.encoding import as_json
from common.store.tasks import Task

_CONCLUDED = Failure(FailureKind.SOURCE_ERROR, "Another controller concluded the task; its reason is the task's.")


class ReadElsewhere(Struct, frozen=True):
    """A read whose row says RUNNING, and of which nothing is known here; `idle_seconds` since that row was touched."""

    task: Task
    idle_seconds: int


def adopt(db: Database, pods: Mapping[str, str | None], data_plane: str) -> None:
    """Adopt reads by taskId, with the names of their pods if they are known; those without a row are left out."""
    failure = as_json(_CONCLUDED.as_json())
    db.run(
        "adopt_reads", task_ids=list(pods), pod_names=list(pods.values()), data_plane=data_plane, failure=failure
    )  # fmt: skip


def follow(db: Database, task_ids: Sequence[str]) -> None:
    """Conclude those of these adopted reads whose rows in the caller's table have ended, and touch the other rows."""
    db.run("follow_callers_rows", task_ids=task_ids, failure=as_json(_CONCLUDED.as_json()))
    db.run("touch_adopted", task_ids=task_ids)


def elsewhere(db: Database, sync_id: str = "", *, idle_seconds: int = 0) -> list[ReadElsewhere]:
    """Return the reads of one sync, or of all, that run under another controller and were not touched for so long."""
    found = db.run("reads_elsewhere", sync_id=sync_id, idle_seconds=idle_seconds)
    idle = [int(row.pop("idle_seconds")) for row in found]
    return [ReadElsewhere(Task(Command.READ, **row), seconds) for row, seconds in zip(found, idle, strict=True)]


def fail_results(db: Database, reason: str, idle_seconds: int) -> int:
    """Conclude the callers' rows that wait so long for a catalog or a specification that no task here seeks."""
    return int(db.run("fail_abandoned_results", reason=reason, idle_seconds=idle_seconds)[0]["ended"])
