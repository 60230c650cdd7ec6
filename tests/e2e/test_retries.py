"""Reads that are started again, in the one-machine edition as a user runs it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from tests.support.edition_process import EditionProcess, edition_process
from tests.support.fake_bulker import wait_for
from tests.support.local_system import python
from tests.support.sidecar_process import catalog

HERE = Path(__file__).parent
ROWS = 40


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditionProcess]:
    """An edition whose retries do not wait."""
    images = {"case/flaky": python(HERE / "flaky_connector.py")}
    with edition_process(tmp_path_factory.mktemp("quick"), images, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as running:
        yield running


def _start(edition: EditionProcess, memory: Path, mode: str, prefix: str) -> str:
    task = str(uuid4())
    body = {
        "config": {"mode": mode, "rows": ROWS, "memory": str(memory)},
        "catalog": catalog("plants", incremental=True, keys=[["id"]]),
    }
    query = {"package": "case/flaky", "version": "1", "syncId": uuid4().hex, "taskId": task, "tableNamePrefix": prefix}
    assert edition.ask("/read", body, **query)[0] == 200
    return task


def _sidecar(edition: EditionProcess) -> psutil.Process | None:
    for process in psutil.process_iter(["cmdline"]):
        try:
            if (process.info["cmdline"] or [])[-2:] == ["-m", "sidecar"] and str(edition.home) in process.cwd():
                return process
        except psutil.Error:
            continue
    return None


def _emitted(edition: EditionProcess, task: str) -> Any:
    return edition.ask(f"/tasks/{task}")[1]["task"]["streams"].get("plants", {}).get("emitted")


def test_a_read_survives_its_sidecar(quick: EditionProcess, tmp_path: Path) -> None:
    """SIGKILL in the middle: it is started again by itself, and ends SUCCESS with every row, and says so."""
    task_id = _start(quick, tmp_path / "runs", "pauses", "killed_")
    wait_for(lambda: _emitted(quick, task_id), 60, "a first row")
    sidecar = _sidecar(quick)
    assert sidecar is not None
    os.kill(sidecar.pid, signal.SIGKILL)
    task = quick.finish(task_id)
    assert (task["state"], task["attempt"]) == ("SUCCESS", 2), task
    [first] = task["attempts"]
    assert (first["attempt"], first["kind"], first["origin"]) == (1, "sidecar_killed", "platform")
    assert quick.rows("SELECT count(*), count(DISTINCT id) FROM killed_plants") == [(ROWS, ROWS)]
    quick.idle()


def test_a_transient_error_is_tried_again_and_a_config_error_is_not(quick: EditionProcess, tmp_path: Path) -> None:
    """By the connector's own word for its error."""
    once = quick.finish(_start(quick, tmp_path / "transient", "transient_error", "transient_"))
    assert (once["state"], [one["kind"] for one in once["attempts"]]) == ("SUCCESS", ["transient_error"])
    assert quick.rows("SELECT count(*) FROM transient_plants") == [(ROWS,)]
    never = quick.finish(_start(quick, tmp_path / "config", "config_error", "config_"))
    assert (never["state"], never["failure"]["kind"], never["attempts"]) == ("FAILED", "config_error", [])
    assert never["failure"]["origin"] == "user"
    quick.idle()


@pytest.mark.fault(243)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_read_goes_on_when_the_edition_is_started_again(tmp_path: Path, number: signal.Signals) -> None:
    """After Ctrl-C, a service manager's stop, or a kill: by itself, to every row; then no Secret is left."""
    images = {"case/flaky": python(HERE / "flaky_connector.py")}
    home = tmp_path / "home"
    with edition_process(home, images, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as first:
        task_id = _start(first, tmp_path / "runs", "pauses", "stopped_")
        wait_for(lambda: _emitted(first, task_id), 60, "a first row")
        first.process.send_signal(number)
        first.process.wait(60)
    assert not list((home / "pods/pods").glob("*/volumes")) or number is signal.SIGKILL
    with edition_process(home, images, SYNCCTL_TASK_RETRY_PAUSE_SECONDS="0") as second:
        task = second.finish(task_id)
        assert (task["state"], task["attempt"]) == ("SUCCESS", 2), task
        assert [one["kind"] for one in task["attempts"]] == [
            "node_lost" if number is signal.SIGKILL else "node_shutdown"
        ]
        assert second.rows("SELECT count(*), count(DISTINCT id) FROM stopped_plants") == [(ROWS, ROWS)]
        second.idle()
        assert not list((home / "pods/secrets").iterdir())
