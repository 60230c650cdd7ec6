"""Rows of tasks, written straight into an edition's Postgres: states that no connector can be brought to on purpose.

They belong to another data plane, so that no sweep of the edition judges them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.edition_process import EditionProcess

_INSERT = """
INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, reason, streams,
                          started_by, created_at, accepted_at, started_at, updated_at, finished_at, data_plane,
                          waits_for, waits_since)
SELECT :package || '/' || to_char(:first + n, 'FM00000'), 'read', 'sync-' || to_char(:first + n, 'FM00000'), :package,
       '1', 'p', 'h', :state, :reason, CAST(:streams AS jsonb), 'manual', moment, moment, moment, moment,
       CASE WHEN :state IN ('PENDING', 'RUNNING') THEN NULL ELSE moment + interval '7 seconds' END, 'elsewhere',
       :waits_for, now() - interval '65 seconds'
FROM generate_series(0, :count - 1) AS n,
     LATERAL (SELECT now() - interval '1 day' + (:first + n) * interval '1 second' AS moment) AS moments
"""


class Rows:
    """Reads of one package, numbered upwards as they were accepted: `sync-00000` is the oldest."""

    def __init__(self, edition: EditionProcess, package: str) -> None:
        self._database, self.package, self._next = edition.database(), package, 0

    def add(
        self, count: int, *, state: str = "SUCCESS", reason: str = "", streams: Any = None, waits_for: str | None = None
    ) -> str:
        """Adds so many newer ones; returns the id of the newest."""
        self._database.rows(
            _INSERT, package=self.package, first=self._next, count=count, state=state, reason=reason,
            streams=json.dumps(streams or {}), waits_for=waits_for,
        )  # fmt: skip
        self._next += count
        return f"{self.package}/{self._next - 1:05}"

    def change(self, task_id: str, assignment: str, **values: Any) -> None:
        """Changes one, as `state = 'SUCCESS'`."""
        sql = f"UPDATE syncctl_task SET {assignment}, updated_at = clock_timestamp() WHERE task_id = :task_id"
        self._database.rows(sql, task_id=task_id, **values)

    def finish(self, task_id: str) -> None:
        """Lets an active one succeed."""
        self.change(task_id, "state = 'SUCCESS', finished_at = now()")

    def remove(self) -> None:
        """Takes all of them away."""
        self._database.rows("DELETE FROM syncctl_task WHERE package = :package", package=self.package)


@contextmanager
def task_rows(edition: EditionProcess, package: str) -> Iterator[Rows]:
    """Rows for as long as a test runs."""
    rows = Rows(edition, package)
    try:
        yield rows
    finally:
        rows.remove()
