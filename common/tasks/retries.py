"""Starts a read again that the platform, the destination or a passing trouble ended: the next attempt of the same task.

What the connector was given is in the ended pod's Secret alone, and goes with that pod. So the next attempt's pod and
Secret are made from it at once, while the old pod is there; the new pod then waits for one more Secret, which holds the
state to go on from, and which comes when the pause is over and nothing of the old attempt runs any more.

Every step may be repeated, by several sweepers at once: names are the task's and the attempt's, and the row goes from
one attempt to the next by a conditional UPDATE. Whoever dies in between: the next sweep goes on from there.
"""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec import structs

from common import airbyte
from common.cluster import Cluster
from common.commands import Command
from common.errors import Conflict, SyncError, TooLarge
from common.pods import diagnosis, manifest
from common.pods.diagnosis import Clock, Limits
from common.pods.manifest import Payload
from common.reasons import Failure, Kind
from common.settings import Settings
from common.store import Database, TaskKey, TaskState, states, tasks
from common.store.database import Row
from common.tasks.start import MAY_PASS, ensure_pod, pod_settings

_log = logging.getLogger(__name__)

_OVER = frozenset({"Succeeded", "Failed"})
WAITS = "The pod waits: "
"""How a pending task's reason begins while its pod is there."""


def key_of_row(row: Row) -> TaskKey:
    """The task of a row, at its present attempt."""
    names = ("task_id", "package", "version", "sync_id", "storage_key", "started_by", "started_at", "attempt")
    return TaskKey(command=Command(row["command"]), **{name: row[name] for name in names})


class Retries:
    """What is done about attempts in one sweep."""

    def __init__(self, where: Cluster, db: Database, settings: Settings, limits: Limits, now: float) -> None:
        self._where, self._db, self._settings, self._limits, self._now = where, db, settings, limits, now

    def begin(self, row: Row, failure: Failure) -> bool:
        """Makes the next attempt, where the task may have one. False where it may not, or what it needs is gone."""
        if not self._may(row, failure):
            return False
        try:
            return self._begin(key_of_row(row), row["table_name_prefix"], failure)
        except MAY_PASS as error:
            if row["idle_seconds"] < self._limits.init_seconds:
                raise  # the ended pod stays, and with it what the next attempt needs
            _log.warning("A task is not started again: %s", error, extra=_about(row))
        except SyncError as error:
            _log.warning("A task cannot be started again: %s", error, extra=_about(row))
        return False

    def adopt(self, row: Row, failure: Failure) -> bool:
        """Whether the pod of the next attempt is there already, made by a sweeper that then died."""
        if not self._may(row, failure, anyway=True):
            return False
        key = key_of_row(row)
        pod = self._where.get_pod(manifest.pod_name(_next(key)))
        return pod is not None and self._take_over(key, failure)

    def release(self, row: Row, pod: dict[str, Any]) -> None:
        """Gives a waiting attempt its state, once its pause is over and nothing of the attempt before it runs."""
        key = key_of_row(row)
        if row["waits_seconds"] > 0 or not self._is_over(structs.replace(key, attempt=key.attempt - 1)):
            return
        values = self._where.read_secret(manifest.secret_name(row["pod_name"]))
        if values is not None:  # else the pod never starts, and is judged for that
            self._give(key, pod, values)
        attempt = {"task_id": key.task_id, "attempt": key.attempt}
        self._db.transact(lambda db: db.run("release_attempt", **attempt))

    def _may(self, row: Row, failure: Failure, *, anyway: bool = False) -> bool:
        if TaskState(row["state"]).final or row["command"] != Command.READ:
            return False
        in_time = row["age_seconds"] < self._limits.task_seconds
        return in_time and row["attempt"] <= self._settings.task_retries and (anyway or failure.rule.retry)

    def _begin(self, key: TaskKey, prefix: str, failure: Failure) -> bool:
        values = self._where.read_secret(manifest.secret_name(manifest.pod_name(key)))
        if values is None:
            return False
        # Addresses and credentials are those of now: they may have changed since the task was accepted.
        ensure_pod(self._where, _next(key), manifest.opened(values), pod_settings(self._settings), prefix)
        self._take_over(key, failure)
        return True

    def _take_over(self, key: TaskKey, failure: Failure) -> bool:
        following = _next(key)
        of = f"attempt {following.attempt} of {self._settings.task_retries + 1}"
        won = self._db.transact(
            lambda db: tasks.begin_attempt(
                db,
                key,
                failure,
                pod_name=manifest.pod_name(following),
                reason=f"{WAITS}{of}, after: {failure.message}",
                pause=self._settings.task_retry_pause_seconds * 2 ** (key.attempt - 1),
            )
        )
        if won:
            known = {"kind": str(failure.kind), "origin": str(failure.rule.origin), "attempt": following.attempt}
            _log.info("Task is started again.", extra={"action": "retry", "task_id": key.task_id, **known})
        return won

    def _is_over(self, key: TaskKey) -> bool:
        """Whether nothing of an attempt runs any more, as far as anybody can know: a lost node does not tell."""
        pod = self._where.get_pod(manifest.pod_name(key))
        if pod is None or (pod.get("status") or {}).get("phase") in _OVER:
            return True
        verdict = diagnosis.judge(pod, Clock(self._now), self._limits)
        return verdict is not None and verdict.failure.kind is Kind.NODE_LOST

    def _give(self, key: TaskKey, pod: dict[str, Any], values: Mapping[str, bytes]) -> None:
        first = manifest.opened(values)
        later = self._db.transact(lambda db: _later(db, key, first))
        try:
            self._where.create_secret(manifest.resume_secret(key, later, pod_settings(self._settings), pod))
        except Conflict:
            return
        except TooLarge as error:
            _log.warning("A task cannot go on from its state: %s", error, extra={"task_id": key.task_id})


def _later(db: Database, key: TaskKey, first: Payload) -> Payload:
    """What the attempts so far have saved, over what the first one was given."""
    saved = states.of_task(db, key.sync_id, key.task_id)
    catalog = airbyte.decode_catalog(first.catalog or b'{"streams":[]}')
    state = airbyte.later_states(catalog, first.state, saved) or b"{}"
    return Payload(config=states.changed_config(db, key.sync_id, key.task_id), state=state)


def _next(key: TaskKey) -> TaskKey:
    return structs.replace(key, attempt=key.attempt + 1)


def _about(row: Row) -> dict[str, Any]:
    return {"action": "retry", "task_id": row["task_id"]}
