"""What a heartbeat writes, and what it goes on without."""

from typing import Any, cast

import pytest

from common.store import Database, Task
from sidecar.report.heartbeat import Heartbeat


class Written:
    """A database that takes everything, and knows the names of the statements."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def transact(self, step: Any) -> Any:
        return step(self)

    def run(self, name: str, **_: Any) -> list[Any]:
        self.names.append(name)
        return []


@pytest.mark.fault(777)
def test_progress_is_written_where_rates_cannot_be_counted() -> None:
    """Also the end of a task does not wait for a picture of it."""

    def broken() -> dict[str, Any]:
        raise ValueError

    written = Written()
    database = cast("Database", written)
    task = cast("Task", _Task())
    beats = Heartbeat(task, lambda: None, lambda: None, rates=broken)
    beats.keeps_rates = True
    beats.beat(database)
    assert "report_progress" in written.names
    beats.last_rates(database)
    assert "report_rates" not in written.names


class _Task:
    task_id, sync_id, storage_key, package, version, attempt, command = "t", "s", "", "p", "1", 1, "discover"
