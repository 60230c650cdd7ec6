"""What a connector prints never fills the caller's database: task_log is bounded per task, in bytes."""

from typing import Any

import pytest

from tests.support.sidecar_process import SidecarProcess, catalog, log, record, status, trace_error

LIMIT = 1024 * 1024
FULL = f"This log has reached its limit, {LIMIT:,} bytes for this attempt (SYNCCTL_TASK_LOG_BYTES)"


@pytest.fixture
def plants(sidecar: SidecarProcess) -> SidecarProcess:
    sidecar.give(catalog=catalog("plants"), config={})
    return sidecar


def _size(sidecar: SidecarProcess) -> int:
    """With indexes and pages, as the disk sees it."""
    [row] = sidecar.database.rows("SELECT pg_total_relation_size('task_log') AS bytes")
    return int(row["bytes"])


def _play(sidecar: SidecarProcess, messages: list[Any], stderr: bytes = b"", exit_code: int = 1) -> list[str]:
    sidecar.play(messages, exit_code=exit_code, stderr=stderr, TASK_LOG_BYTES=str(LIMIT))
    return sidecar.log


@pytest.mark.fault(213)
def test_a_talkative_connector_fills_no_table(plants: SidecarProcess) -> None:
    """Beyond the limit only errors and the verdict follow, and lines that say so; the container's log has the rest."""
    chatter = [log(f"line {number} {'x' * 100}") for number in range(10_000)]
    lines = _play(plants, [*chatter, log("what went wrong", "ERROR"), log("bye", "INFO"), trace_error("it is over")])
    assert _size(plants) < 1.5 * LIMIT
    assert "INFO line 2000 " + "x" * 100 in lines
    assert [line for line in lines if FULL in line] == [next(line for line in lines if FULL in line)]
    at = next(number for number, line in enumerate(lines) if FULL in line)
    assert "only errors follow" in lines[at]
    rest = lines[at + 1 :]
    assert [line.partition(" ")[0] for line in rest].count("INFO") == 0
    assert "ERROR what went wrong" in rest
    assert any(line.startswith("ERROR it is over") for line in rest), "the verdict"
    assert rest[-1].endswith(" lines had no room in this log.")
    assert b"INFO : line 9999 " in plants.output
    assert b"INFO : bye" in plants.output


@pytest.mark.fault(213)
@pytest.mark.parametrize("level", ["ERROR", "FATAL"])
def test_a_flood_of_errors_is_bounded_too(plants: SidecarProcess, level: str) -> None:
    """They have a share of their own; the verdict always gets in."""
    lines = _play(plants, [*(log(f"bad {n} {'x' * 100}", level) for n in range(10_000)), trace_error("the cause")])
    assert _size(plants) < 1.5 * LIMIT
    assert sum("errors have no room left either" in line for line in lines) == 1
    assert any(line.startswith("ERROR the cause") for line in lines), lines[-3:]


@pytest.mark.fault(213)
def test_lines_of_nothing_count_as_rows(plants: SidecarProcess) -> None:
    """Line breaks are as many rows; the log of a read that succeeds is bounded too."""
    done = [record("plants", {"id": 1}), status("plants", "COMPLETE")]
    lines = _play(plants, done, stderr=b"\n" * 20_000, exit_code=0)
    assert plants.task["status"] == "SUCCESS"
    assert _size(plants) < 1.5 * LIMIT
    assert sum(FULL in line for line in lines) == 1
    assert lines[-1].endswith(" lines had no room in this log.")


def test_a_log_below_the_limit_is_whole(plants: SidecarProcess) -> None:
    """Nothing is left out, and nothing is added."""
    done = [log(f"line {number}") for number in range(2_000)]
    lines = _play(plants, [*done, record("plants", {"id": 1}), status("plants", "COMPLETE")], exit_code=0)
    assert lines == [f"INFO line {number}" for number in range(2_000)]
