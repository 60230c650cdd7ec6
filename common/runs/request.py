"""The tasks of a run as requests: what a caller would have sent to POST /discover and POST /read. Pure."""

from typing import Any

import msgspec

from common.pods import options
from common.protocol.commands import Command
from common.runs.declared import Declared
from common.runs.due import Start, stamp
from common.store.runs import WaitingRun
from common.syncs.validate import references
from common.tasks.requests import NewTask


def discover(one: Declared, task_id: str) -> NewTask:
    """Return the discovery of a sync's image and configuration."""
    return NewTask(Command.DISCOVER, task_id=task_id, storage_key=one.storage_key, **_source(one))


def read(one: Declared, run: WaitingRun, catalog: bytes, forget: tuple[str, ...] = ()) -> NewTask:
    """Return a run's read; `forget`: the streams that a full sync is of, if not of all in the catalog."""
    return NewTask(
        Command.READ,
        sync_id=run.task.sync_id,
        task_id=run.task.task_id,
        table_name_prefix=one.spec.prefix or "",
        started_by=run.task.started_by,
        full_sync=run.wanted.full_sync,
        forget=forget,
        catalog=catalog,
        **_source(one),
    )


def started_by(one: Declared, start: Start) -> str:
    """Return what has started a run, as JSON."""
    known: dict[str, Any] = {"trigger": str(start.trigger), "sync": one.name}
    if start.moment is not None:
        known["moment"] = stamp(start.moment)
    if start.after:
        known["after"] = start.after
    if start.skipped:
        known["skipped"] = [stamp(moment) for moment in start.skipped]
    return msgspec.json.encode(known).decode()


def _source(one: Declared) -> dict[str, Any]:
    image = one.image
    return {
        "package": image.package,
        "version": image.version,
        "config": msgspec.json.encode(one.spec.connector_config),
        "options": options.of_sync(one.spec),
        "resolve": any(reference.path[:2] == ("spec", "config") for reference in references(one.sync)),
    }
