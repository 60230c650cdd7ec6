"""Sources that are quiet: alive is not stalled, silent is."""

from pathlib import Path

import pytest

from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, local_system, python, read_task
from tests.support.sidecar_process import SidecarProcess, record, state, status

CONNECTOR = CASES / "timeouts-quiet-but-alive/connector.py"
# The case's own times, divided by four: stall after 5 s, quiet for 15 s.
STALL = {"SYNCCTL_STALL_TIMEOUT_SECONDS": "8"}


def _body() -> dict[str, object]:
    import json

    return {"catalog": json.loads((CASES / "timeouts-quiet-but-alive/catalog.json").read_text())}


def test_chatty_is_no_stall(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """No record for longer than the stall time-out, but log lines: SUCCESS."""
    with local_system(tmp_path, database, bulker.url, {PACKAGE: python(CONNECTOR, "15", "chatty")}, **STALL) as running:
        task = running.run(read_task(body=_body()))
    assert task["state"] == "SUCCESS", task["reason"]
    assert len(bulker.rows("reports")) == 2


@pytest.mark.fault(39)
def test_silent_is_a_stall_and_nothing_stays(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """FAILED with how long nothing came and what came last; the process group is gone, the table untouched."""
    with local_system(
        tmp_path, database, bulker.url, {PACKAGE: python(CONNECTOR, "120", "silent")}, **STALL
    ) as running:
        task = running.run(read_task(body=_body()))
        assert task["state"] == "FAILED"
        assert "sent nothing for 8 s" in task["reason"]
        assert "preparing report" in task["reason"]
        assert bulker.committed("reports") == []
        assert list(running.pods.list_pods()) == []
    import psutil

    left = [p for p in psutil.process_iter(["cmdline"]) if str(CONNECTOR) in " ".join(p.info["cmdline"] or ())]
    assert [p for p in left if str(tmp_path) in " ".join(p.info["cmdline"])] == []


def test_a_slow_bulker_is_no_stall(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """The time that Bulker takes for an answer does not count as the source's silence."""
    import time

    from tests.support.sidecar_process import catalog

    bulker.answer = lambda _: time.sleep(4)
    sidecar.give(catalog=catalog("plants", incremental=True), config={}, state=[{}])
    messages = [record("plants", {"id": 1}), state("plants", {"c": 1}), status("plants", "COMPLETE")]
    sidecar.play(messages, STALL_TIMEOUT_SECONDS="2", COMMIT_SECONDS="0")
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
