"""A cancel has to reach the connector itself, not the shell around it."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from common.tasks.cancel import cancel
from common.tasks.query import get_task
from common.tasks.requests import CancelQuery
from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.edition_process import edition_process
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, local_system, python, read_task

CASE = CASES / "cancel-signal-stops-at-the-shell"
GRACE = "40"


@pytest.mark.fault(72)
def test_cancel_signal_stops_at_the_shell(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """The connector hears SIGTERM, its last state is saved, the row says CANCELLED, and all is gone before the grace."""
    body = {"catalog": json.loads((CASE / "catalog.json").read_text())}
    grace = {"SYNCCTL_CONTAINER_GRACE_SHUTDOWN_SECONDS": GRACE}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: python(CASE / "connector.py")}, **grace) as place:
        place.start(read_task(body=body))

        def emitted() -> bool:
            streams = get_task(place.settings, "task-1")["task"]["streams"]
            return bool(streams.get("ticks", {}).get("emitted", 0) >= 2)

        wait_for(emitted, 60, "records")
        began = time.monotonic()
        cancelled = cancel(CancelQuery("task-1", PACKAGE, "sync-1"), place.settings)
        assert cancelled.state == "CANCELLED"
        codes: set[str] = set()

        def gone() -> bool:
            with suppress(FileNotFoundError):  # the folders go while they are looked through
                codes.update(file.read_text().strip() for file in place.pods._pods.rglob("exit-code"))
            place.sweep()
            return not list(place.pods.list_pods())

        wait_for(gone, float(GRACE) / 2, "no pod, long before the grace period is over")
        assert time.monotonic() - began < float(GRACE) / 2
        logged = [row["message"] for row in database.rows("SELECT message FROM task_log ORDER BY timestamp")]
    assert "got TERM" in logged
    assert codes <= {"143"}
    assert database.rows("SELECT status FROM source_task") == [{"status": "CANCELLED"}]
    assert database.rows("SELECT state FROM syncctl_task") == [{"state": "CANCELLED"}]
    stored = len(bulker.rows("ticks"))
    assert stored >= 2
    assert database.rows("SELECT state FROM source_state") == [{"state": {"n": stored}}]


def test_cancel_by_the_command_line(tmp_path: Path) -> None:
    """`syncctl cancel` ends a read of the one-machine edition: CANCELLED, and no pod of it stays."""
    catalog = json.loads((CASE / "catalog.json").read_text())
    with edition_process(tmp_path / "home", {PACKAGE: python(CASE / "connector.py")}) as up:
        query = {"package": PACKAGE, "version": "1", "syncId": "s", "taskId": "t"}
        assert up.ask("/read", {"config": {}, "catalog": catalog}, **query)[0] == 200
        wait_for(lambda: up.ask("/tasks/t")[1]["task"]["streams"].get("ticks", {}).get("emitted"), 60, "a first record")
        program = str(Path(sys.executable).parent / "syncctl")
        done = subprocess.run(
            [program, "cancel", "t", "--url", up.url, "--token", up.token],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, "CANCELLED" in done.stdout) == (0, True), done
        assert up.finish("t")["state"] == "CANCELLED"
        up.idle()
        assert up.ask("/tasks")[1]["lastSweep"]["ageSeconds"] < 60
