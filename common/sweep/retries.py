"""Retries a read that the platform, the destination or a passing trouble ended: from its attempt n to n + 1.

    n is current
      |  create_next, while n's Secret exists; find_next, once n's pod is gone
    n + 1 is prepared: its pod and Secret exist
      |  advance
    n is superseded: its pod is deleted; n + 1 is current, and its pod waits
      |  due: the pause is over, and nothing of n runs
    n + 1 is due: a DueAttempt
      |  resume_payload, hand_over, mark_released
    n + 1 is released: its pod has the state to resume from, and runs

What the connector was given is in the ended pod's Secret alone, and goes with that pod. So the next attempt's pod and
Secret are made from it at once, while the old pod is there; the new pod then waits for one more Secret, which holds the
state to resume from, and which comes when the pause is over and nothing of the old attempt runs any more.

Every step may be repeated, by several sweepers at once: names are the task's and the attempt's, and the row goes from
one attempt to the next by a conditional UPDATE. After a crash between two steps the next sweep goes on from there.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import structs

from common import images
from common.cluster import Cluster, data_plane
from common.errors import Conflict, Refused, SyncError, TooLarge
from common.failures import Failure, FailureKind
from common.pods import annotations, manifest
from common.pods.diagnosis import Clock, diagnose
from common.pods.manifest import Payload
from common.protocol import catalogs, references, resume, sizes
from common.settings import Settings
from common.store import Database, Task, states, tasks
from common.store.database import StoreError
from common.store.encryption import KeyMissing, Keys
from common.store.sweeps import SweptTask
from common.sweep.decide import Rules
from common.sweep.decisions import Release, Step
from common.tasks.start import MAY_PASS, WAITS, ensure_pod

_log = logging.getLogger(__name__)

_CANNOT = "The read was to be started again, and cannot be"


class NextAttempt(Step, frozen=True):
    """The attempt after `task`'s is prepared: its pod and Secret are there."""

    task: Task
    failure: Failure
    retries: int
    """How many the task may have."""


class DueAttempt(Step, frozen=True):
    """A prepared attempt that may begin; `first` are its Secret's values (None: no Secret, so it cannot start)."""

    task: Task
    pod_uid: str
    first: Mapping[str, bytes] | None
    late: bool = False
    """It has been due for as long as a pod may take to start."""


class Retries:
    """The steps from one attempt to the next, in one sweep.

    Those that ask the cluster (`create_next`, `find_next`, `due`, `hand_over`) may run in several threads; those that
    write rows (`advance`, `mark_released`) take a whole page at once.
    """

    def __init__(self, where: Cluster, settings: Settings, rules: Rules) -> None:
        self._where, self._settings, self._rules = where, settings, rules
        self.keys = Keys(settings.encryption_keys)

    def create_next(self, row: SweptTask, failure: Failure) -> NextAttempt | str | None:
        """Create the next attempt's pod and Secret. Return None if what it needs is gone, or why it is refused.

        Raise an error that may pass, for as long as a pod may take to start: the ended pod, and its Secret, stay.
        """
        try:
            self._check_allowed(row.task)
            values = self._where.read_secret(manifest.secret_name(row.pod_name))
            if values is None:
                return None
            # Addresses and credentials are those of now: they may have changed since the task was accepted.
            with sizes.one_at_a_time(large=sizes.is_packed(values)):
                payload = manifest.payload_of_secret(values)
                ensure_pod(self._where, _next(row.task), payload, self._settings, row.table_name_prefix)
        except SyncError as error:
            if isinstance(error, MAY_PASS) and row.idle_seconds < self._rules.limits.init_seconds:
                raise
            about = {"action": "retry", "task_id": row.task.task_id}
            _log.warning("A task cannot be started again: %s", error, extra=about)
            return error.message
        asked = payload.options.retries
        return NextAttempt(row.task, failure, self._settings.task_retries if asked is None else asked)

    def find_next(self, row: SweptTask, failure: Failure) -> NextAttempt | None:
        """Return the next attempt if its pod is there, created by a sweeper that then died."""
        pod = self._where.get_pod(manifest.pod_name(_next(row.task)))
        if pod is None:
            return None
        asked = annotations.retries(pod)
        return NextAttempt(row.task, failure, self._settings.task_retries if asked is None else asked)

    def advance(self, db: Database, some: Sequence[NextAttempt]) -> list[NextAttempt]:
        """Make these attempts the current ones; return those of tasks that nobody has concluded or advanced before."""
        ordered = sorted(some, key=lambda one: one.task.task_id)  # so that two sweepers never wait for each other
        return [one for one in ordered if self._advance(db, one)]

    def due(self, release: Release) -> DueAttempt | None:
        """Return a waiting attempt if nothing of the one before it runs any more."""
        task = release.row.task
        if self._runs(structs.replace(task, attempt=task.attempt - 1)):
            return None
        values = self._where.read_secret(manifest.secret_name(release.row.pod_name))
        late = -(release.row.waits_seconds or 0) > self._rules.limits.init_seconds
        return DueAttempt(task, release.pod_uid, values, late)

    def resume_payload(self, db: Database, due: DueAttempt) -> Payload | Failure:
        """Return what an attempt resumes from, or why it cannot: the trouble of one is not that of the others."""
        try:
            with sizes.one_at_a_time(large=sizes.is_packed(due.first or ())):
                return db.transact(lambda db: _resume_payload(db, due.task, due.first, self.keys))
        except (TooLarge, Refused, StoreError, KeyMissing) as error:  # a state grows
            return Failure(FailureKind.CREATE_FAILED, f"{_CANNOT}: {error.message}")

    def hand_over(self, due: DueAttempt, payload: Payload) -> bool | Failure:
        """Create the Secret that an attempt's pod waits for. Return True, also if it is there already.

        Return why the attempt can never begin if its image is no longer allowed, or the cluster refuses the Secret;
        raise an error that may pass, for as long as a pod may take to start.
        """
        try:
            self._check_allowed(due.task)
            with suppress(Conflict):
                self._where.create_secret(manifest.resume_secret(due.task, payload, self._settings, due.pod_uid))
        except SyncError as error:
            if isinstance(error, MAY_PASS) and not due.late:
                raise
            return Failure(FailureKind.CREATE_FAILED, f"{_CANNOT}: {error.message}")
        return True

    def mark_released(self, db: Database, some: Sequence[DueAttempt]) -> None:
        """Let the pods of these attempts be judged like any other from now on."""
        if some:
            db.transact(lambda db: tasks.release_attempts(db, [one.task for one in some]))

    def _advance(self, db: Database, one: NextAttempt) -> bool:
        following = _next(one.task)
        of = f"attempt {following.attempt} of {one.retries + 1}"
        return tasks.begin_attempt(
            db,
            one.task,
            one.failure,
            pod_name=manifest.pod_name(following),
            data_plane=data_plane.of(self._settings),
            reason=f"{WAITS}{of}, after: {one.failure.message}",
            pause=self._settings.task_retry_pause_seconds * 2 ** (one.task.attempt - 1),
        )

    def _check_allowed(self, task: Task) -> None:
        """Raise Refused unless the task's image is allowed now: the list may be another one than at the start."""
        images.check_allowed(task.package, self._settings.allowed_images)

    def _runs(self, task: Task) -> bool:
        """Whether anything of an attempt may still run; a lost node cannot tell, and counts as no."""
        pod = self._where.get_pod(manifest.pod_name(task))
        if pod is None or pod.has_ended:
            return False
        verdict = diagnose(pod, Clock(self._rules.now), self._rules.limits)
        return verdict is None or verdict.failure.kind is not FailureKind.NODE_LOST


def _resume_payload(db: Database, task: Task, values: Mapping[str, bytes] | None, keys: Keys) -> Payload | Failure:
    """What the attempts so far have saved, over what the first one was given."""
    if values is None:
        return Failure(FailureKind.NOT_CONFIGURED, f"{_CANNOT}: its Secret is gone.")
    first = manifest.payload_of_secret(values)
    catalog = catalogs.decode_catalog(first.catalog or b'{"streams":[]}')
    streams = {stream.id.key for stream in catalog.streams if stream.incremental}
    with states.loading(db, task.sync_id, streams, task_id=task.task_id) as saved:
        state = resume.later_states(catalog, first.state, saved) or b"{}"
    config = states.changed_config(db, task, keys)
    if first.resolve and config and references.refers_to_others(config, first.config or b"{}"):
        config = None
    payload = Payload(config=None if config == first.config else config, state=state)
    manifest.check_size(payload)
    return payload


def _next(task: Task) -> Task:
    return structs.replace(task, attempt=task.attempt + 1)
