"""What a run's read is given, once a discovery tells what its source offers."""

from datetime import UTC, datetime

import msgspec
from msgspec import Struct, structs

from common.errors import Refused
from common.pods import manifest
from common.pods.manifest import Payload
from common.protocol import catalogs, messages
from common.protocol.states import refuse_shared
from common.runs import catalog, changes, request
from common.runs.changes import SchemaChanges
from common.runs.declared import Declared
from common.store import Database, Task, runs, states, task_log
from common.store.encryption import Keys
from common.store.runs import BEGUN, WaitingRun
from common.store.task_log import LogLines
from common.tasks import full_sync
from common.tasks.requests import NewTask
from common.tasks.start import given

_LOGGER = "jitsu"
"""Of lines that no connector has printed (contract.md D)."""


class Ready(Struct, frozen=True):
    """A run whose request is made."""

    task: Task
    new: NewTask
    payload: Payload


def prepare(db: Database, waiting: WaitingRun, one: Declared, keys: Keys) -> Ready | None:
    """Decide in one transaction what a run's read is given, and write it into the row.

    Return None if the run waits no more. Raise NotOffered, Refused or TooLarge if it can never read. A repetition,
    whose pod may be there already, writes nothing.
    """
    hashed = runs.lock(db, waiting)
    if hashed is None:
        return None
    found = runs.discovered(db, waiting)
    if found is None:
        raise Refused(f"What the discovery {waiting.awaits} has found is gone; run the sync again.")
    new = _request(db, waiting, one, found.found)
    task = structs.replace(waiting.task, package=new.package, version=new.version)
    payload = given(db, new, keys)
    asked = Payload(new.config, new.catalog, new.state, new.options, new.resolve)
    digest = manifest.request_hash(task, asked, new.table_name_prefix, full_sync=new.full_sync, forget=new.forget)
    if hashed not in {BEGUN, digest}:  # a pod may be there that was given something else
        raise Refused("The sync was changed while its run began; run it again.")
    if hashed == BEGUN:
        if new.full_sync:
            full_sync.forget(db, new)
        changed = found.before and changes.compare(found.before, found.found, _keys(new.catalog))
        _write(db, task, new, digest, changed or None)
    return Ready(task, new, payload)


def _request(db: Database, waiting: WaitingRun, one: Declared, found: bytes) -> NewTask:
    """Return the read of a run: of all streams where they have one state, else of those that are wanted."""
    wanted, forget = waiting.wanted, tuple[str, ...]()
    configured = catalog.configure(found, one.spec.streams, wanted.streams)
    if wanted.streams and (key := states.shared_key(db, one.sync_id)):
        if not wanted.full_sync:
            raise Refused(
                f"streams: this sync has one saved state for all of its streams ({key}), so they are read together; "
                "leave streams out, or add fullSync (`--full-sync`) to begin these from nothing while the others go on."
            )
        forget = tuple(sorted(_keys(configured)))
        configured = catalog.configure(found, one.spec.streams)
    refuse_shared(catalogs.decode_catalog(configured), one.spec.prefix or "")
    return request.read(one, waiting, configured, forget)


def _keys(configured: bytes | None) -> set[str]:
    return {stream.id.key for stream in catalogs.decode_catalog(configured or b'{"streams":[]}').streams}


def _write(db: Database, task: Task, new: NewTask, digest: str, changed: SchemaChanges | None) -> None:
    runs.prepare(
        db,
        task,
        msgspec.to_builtins(changed) if changed else None,
        pod_name=manifest.pod_name(task),
        request_hash=digest,
        given_hash=messages.config_hash(new.config or b"{}"),
        table_name_prefix=new.table_name_prefix,
    )
    if changed:
        now = datetime.now(UTC)
        parts = [LogLines(_LOGGER, now, "INFO", line) for line in changed.lines()]
        task_log.add(db, task, task_log.document(parts, task_log.first_id()))
