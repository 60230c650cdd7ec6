"""Starts a read again that the platform, the destination or a passing trouble ended: the next attempt of the same task.

What the connector was given is in the ended pod's Secret alone, and goes with that pod. So the next attempt's pod and
Secret are made from it at once, while the old pod is there; the new pod then waits for one more Secret, which holds the
state to go on from, and which comes when the pause is over and nothing of the old attempt runs any more.

Every step may be repeated, by several sweepers at once: names are the task's and the attempt's, and the row goes from
one attempt to the next by a conditional UPDATE. Whoever dies in between: the next sweep goes on from there.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct, structs

from common.cluster import Cluster, data_plane
from common.cluster.objects import Pod
from common.errors import Conflict, SyncError, TooLarge
from common.failures import Failure, FailureKind
from common.pods import diagnosis, manifest
from common.pods.diagnosis import Clock, Limits
from common.pods.manifest import Payload
from common.protocol import catalogs, resume
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Task, TaskState, states, tasks
from common.store.database import Row
from common.tasks.start import MAY_PASS, WAITS, ensure_pod, pod_settings

_log = logging.getLogger(__name__)

_CANNOT = "The read was to be started again, and cannot be"


def key_of_row(row: Row) -> Task:
    """The task of a row, at its present attempt."""
    names = ("task_id", "package", "version", "sync_id", "storage_key", "started_by", "started_at", "attempt")
    return Task(command=Command(row["command"]), **{name: row[name] for name in names})


class Next(Struct, frozen=True):
    """The pod and Secret of an attempt after `key`'s are there: the row goes on to it."""

    key: Task
    failure: Failure


class Released(Struct, frozen=True):
    """An attempt that may begin: its pod, and what its Secret holds (None: no Secret, so that it cannot start)."""

    key: Task
    pod: Pod
    first: Payload | None


class Retries:
    """What is done about attempts in one sweep.

    What asks the cluster (`begin`, `adopt`, `release`, `give`) may run in several threads; what reads and writes rows
    (`go_on`, `later`, `let_go`) takes everything of a page at once.
    """

    def __init__(self, where: Cluster, settings: Settings, limits: Limits, now: float) -> None:
        self._where, self._settings, self._limits, self._now = where, settings, limits, now

    def begin(self, row: Row, failure: Failure) -> Next | None:
        """Makes the next attempt's pod. None where the task may have none, or what it needs is gone."""
        if not self._may(row, failure):
            return None
        try:
            return self._begin(key_of_row(row), row["table_name_prefix"], failure)
        except MAY_PASS as error:
            if row["idle_seconds"] < self._limits.init_seconds:
                raise  # the ended pod stays, and with it what the next attempt needs
            _log.warning("A task is not started again: %s", error, extra=_about(row))
        except SyncError as error:
            _log.warning("A task cannot be started again: %s", error, extra=_about(row))
        return None

    def lacks_secret(self, row: Row, failure: Failure) -> bool:
        """Whether a task that may be started again has nothing (yet) to do it with."""
        return self._may(row, failure) and self._where.read_secret(manifest.secret_name(row["pod_name"])) is None

    def adopt(self, row: Row, failure: Failure) -> Next | None:
        """The pod of the next attempt where it is there already, made by a sweeper that then died."""
        if not self._may(row, failure, anyway=True):
            return None
        key = key_of_row(row)
        pod = self._where.get_pod(manifest.pod_name(_next(key)))
        return None if pod is None else Next(key, failure)

    def go_on(self, db: Database, some: Sequence[Next]) -> int:
        """Makes the next attempts the current ones, of those tasks that are not over and that nobody else moved on."""
        ordered = sorted(some, key=lambda one: one.key.task_id)  # so that two sweepers never wait for each other
        moved = db.transact(lambda db: [one for one in ordered if self._take_over(db, one)])
        for one in moved:
            known = {"kind": str(one.failure.kind), "origin": str(one.failure.rule.origin)}
            about = {"action": "retry", "task_id": one.key.task_id, "attempt": one.key.attempt + 1}
            _log.info("Task is started again.", extra=about | known)
        return len(moved)

    def release(self, row: Row, pod: Pod) -> Released | None:
        """A waiting attempt, once its pause is over and nothing of the attempt before it runs."""
        key = key_of_row(row)
        if row["waits_seconds"] > 0 or not self._is_over(structs.replace(key, attempt=key.attempt - 1)):
            return None
        values = self._where.read_secret(manifest.secret_name(row["pod_name"]))
        return Released(key, pod, manifest.payload_of_secret(values) if values is not None else None)

    def later(self, db: Database, some: Sequence[Released]) -> list[Payload | Failure]:
        """What each of them goes on from, or why it cannot."""
        return db.transact(lambda db: [_later(db, one.key, one.first) for one in some])

    def give(self, released: Released, later: Payload) -> bool:
        """Gives an attempt its state, which its pod waits for. True, however often."""
        with suppress(Conflict):
            secret = manifest.resume_secret(released.key, later, pod_settings(self._settings), released.pod.uid)
            self._where.create_secret(secret)
        return True

    def let_go(self, db: Database, some: Sequence[Released]) -> None:
        """From now on their pods are judged like any other."""
        if not some:
            return
        ids, attempts = [one.key.task_id for one in some], [one.key.attempt for one in some]
        db.transact(lambda db: db.run("release_attempts", task_ids=ids, attempts=attempts))

    def _may(self, row: Row, failure: Failure, *, anyway: bool = False) -> bool:
        if TaskState(row["state"]).final or row["command"] != Command.READ:
            return False
        in_time = row["age_seconds"] < self._limits.task_seconds
        return in_time and row["attempt"] <= self._settings.task_retries and (anyway or failure.rule.retry)

    def _begin(self, key: Task, prefix: str, failure: Failure) -> Next | None:
        values = self._where.read_secret(manifest.secret_name(manifest.pod_name(key)))
        if values is None:
            return None
        # Addresses and credentials are those of now: they may have changed since the task was accepted.
        ensure_pod(self._where, _next(key), manifest.payload_of_secret(values), pod_settings(self._settings), prefix)
        return Next(key, failure)

    def _take_over(self, db: Database, one: Next) -> bool:
        following = _next(one.key)
        of = f"attempt {following.attempt} of {self._settings.task_retries + 1}"
        return tasks.begin_attempt(
            db,
            one.key,
            one.failure,
            pod_name=manifest.pod_name(following),
            place=data_plane.of(self._settings),
            reason=f"{WAITS}{of}, after: {one.failure.message}",
            pause=self._settings.task_retry_pause_seconds * 2 ** (one.key.attempt - 1),
        )

    def _is_over(self, key: Task) -> bool:
        """Whether nothing of an attempt runs any more, as far as anybody can know: a lost node does not tell."""
        pod = self._where.get_pod(manifest.pod_name(key))
        if pod is None or pod.has_ended:
            return True
        verdict = diagnosis.diagnose(pod, Clock(self._now), self._limits)
        return verdict is not None and verdict.failure.kind is FailureKind.NODE_LOST


def _later(db: Database, key: Task, first: Payload | None) -> Payload | Failure:
    """What the attempts so far have saved, over what the first one was given."""
    if first is None:
        return Failure(FailureKind.NOT_CONFIGURED, f"{_CANNOT}: its Secret is gone.")
    saved = states.of_task(db, key.sync_id, key.task_id)
    catalog = catalogs.decode_catalog(first.catalog or b'{"streams":[]}')
    state = resume.later_states(catalog, first.state, saved) or b"{}"
    later = Payload(config=states.changed_config(db, key.package, first.config or b""), state=state)
    try:
        manifest.check_size(later)
    except TooLarge as error:  # a state grows
        return Failure(FailureKind.NOT_CONFIGURED, f"{_CANNOT}: {error.message}")
    return later


def _next(key: Task) -> Task:
    return structs.replace(key, attempt=key.attempt + 1)


def _about(row: Row) -> dict[str, Any]:
    return {"action": "retry", "task_id": row["task_id"]}
