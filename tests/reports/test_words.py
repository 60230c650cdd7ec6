"""What a connector has to say about itself: which of it is secret, which is an error, and what its reason is."""

from pathlib import Path
from typing import Any

import pytest

from common.failures import FailureKind
from tests.reports.conftest import CASES, Replay
from tests.support.fake_bulker import FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.sidecar_process import SidecarProcess, catalog, log

TABLES = ("source_spec", "source_check", "source_task", "task_log", "syncctl_task", "syncctl_result")


def _everything(sidecar: SidecarProcess) -> str:
    """Everything in the database and in the container's output."""
    rows = [row for table in TABLES for row in sidecar.database.rows(f"SELECT t::text AS t FROM {table} t")]
    return "\n".join(row["t"] for row in rows) + sidecar.output.decode()


@pytest.mark.fault(70)
def test_security_secret_behind_a_reference(sidecar: SidecarProcess) -> None:
    """Once the connector was asked for its specification, a check shows nothing that it marks, and all the rest."""
    case = CASES / "security-secret-behind-a-reference"
    sidecar.give(config=(case / "config.json").read_bytes())
    for command in ("spec", "check"):
        sidecar.exit_code_file.unlink(missing_ok=True)
        sidecar.play((case / f"{command}.jsonl").read_bytes(), COMMAND=command, TASK_ID=command, STORAGE_KEY="k")
    assert not [needle for needle in (case / "needles.txt").read_text().split() if needle in _everything(sidecar)]
    assert "INFO host garden.example.test, greeting ********, motto ********" in sidecar.log
    [row] = sidecar.database.rows("SELECT description FROM source_check")
    assert row["description"] == "refused ******** and ********"


@pytest.mark.parametrize("command", ["read", "check", "discover", "spec"])
@pytest.mark.fault(114)
def test_protocol_error_with_more_words(sidecar: SidecarProcess, command: str) -> None:
    """The message is the reason; the cause and its place are in the log, masked, with their line breaks."""
    case = CASES / "protocol-error-with-more-words"
    read = command == "read"
    sidecar.give(
        catalog=(case / "catalog.json").read_bytes(), config={"password": "beet_nummer" if read else "3 September"}
    )
    sidecar.play(
        (case / ("read.jsonl" if read else "check.jsonl")).read_bytes(), exit_code=1, COMMAND=command, STORAGE_KEY="k"
    )
    if read:
        assert sidecar.ours["reason"].startswith("The garden could not be read. Look into the log for details.")
        assert "ERROR KeyError: '********' on page 17" in sidecar.log
        frame = '  File "garden/streams.py", line 88, in parse'
        assert f"ERROR Traceback (most recent call last):\n{frame}\nKeyError: '********'" in sidecar.log
    else:
        assert sidecar.log[:3] == [
            "ERROR The check failed. Look into the log for details.",
            "ERROR TLS handshake with garden.example.test failed: certificate expired on ********",
            "ERROR at garden.Net.open(Net.java:41)\n\tat garden.Check.run(Check.java:12)",
        ]


STOCK = "Something went wrong in the connector. See the logs for more details."
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in b\n    c["base_url"]\nKeyError: \'base_url\''


def _error(**error: object) -> dict[str, object]:
    return {"type": "TRACE", "trace": {"type": "ERROR", "error": error}}


def _refused(**found: object) -> dict[str, object]:
    return {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", **found}}


@pytest.mark.fault(114)
def test_words_beside_a_message_are_cut_and_never_the_reason(tmp_path: Path, bulker: FakeBulker) -> None:
    """A stack trace of megabytes, of a LOG too; a FATAL line's reason is its message."""
    sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants"), config={"password": "planted-1"})
    long = "at planted-1\n" * 200_000
    line: Any = log("no water", "FATAL")
    line["log"]["stack_trace"] = long
    sidecar.feed(_error(message="", internal_message="dry", stack_trace=long, stream_descriptor="plants"), line)
    reason = sidecar.end(exit_code=1).reason
    assert reason.startswith("no water")
    assert "at " not in reason
    assert [entry[:26] for entry in sidecar.log[:3]] == [
        "ERROR dry",
        "ERROR at ********\nat *****",
        "FATAL no water\nat ********",
    ]
    assert all(len(entry) < 33_000 for entry in sidecar.log)


@pytest.mark.parametrize(
    ("messages", "exit_code", "reason"),
    [
        ([_error(message=STOCK, internal_message="KeyError: 'base_url'")], 1, "KeyError: 'base_url'"),
        ([log(f"'base_url'\n{TRACE}", "FATAL"), _error(message=STOCK)], 1, "KeyError: 'base_url'"),
        ([_error(message=STOCK), log(TRACE, "CRITICAL")], 1, "KeyError: 'base_url'"),
        ([log("no key base_url", "ERROR"), _error(message=STOCK)], 1, "no key base_url"),
        ([_error(message=STOCK, internal_message="'base_url'", stack_trace=TRACE)], 1, "KeyError: 'base_url'"),
        ([log("no key base_url", "ERROR"), _refused()], 0, "no key base_url"),
        ([log("no key base_url", "ERROR"), log("bye"), _refused(message="''")], 0, "no key base_url"),
        ([log("no key base_url"), _refused(message="None")], 0, "no key base_url"),
        (["no key base_url", _refused(message="")], 0, "no key base_url"),
        ([_error(message="no key base_url"), _refused(message=STOCK)], 0, "no key base_url"),
        ([_error(message="no key base_url"), _refused(message="No water.")], 0, "No water."),
    ],
)  # fmt: skip
@pytest.mark.fault(115)
def test_the_better_words_of_a_check_are_its_reason(
    sidecar: SidecarProcess, messages: Any, exit_code: int, reason: str
) -> None:
    """Where one sign says nothing, another does: internal message, traceback, FATAL or ERROR line, last lines."""
    sidecar.play(messages, exit_code=exit_code, COMMAND="check", TASK_ID="check", STORAGE_KEY="k")
    [row] = sidecar.database.rows("SELECT description FROM source_check")
    assert reason in row["description"]
    assert "Traceback" not in row["description"]
    assert "See the logs" not in row["description"]


@pytest.mark.parametrize(
    ("end", "sign"),
    [
        ({"exit_code": 137}, "exit code 137"),
        ({"exit_code": None}, "no exit code"),
        ({"stopped": True}, "SIGTERM"),
        ({"stalled_seconds": 60.0}, "sent nothing for 60 s"),
    ],
)
@pytest.mark.fault(115)
def test_two_signs_that_disagree_are_both_in_the_reason(
    tmp_path: Path, bulker: FakeBulker, end: Any, sign: str
) -> None:
    """The connector reported an error, and was ended from outside: either may be the cause."""
    sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    sidecar.feed(_error(message="The pump is broken"), log("good night"))
    reason = sidecar.end(**end).reason
    assert "The pump is broken" in reason
    assert sign in reason


@pytest.mark.fault(116)
def test_protocol_levels_in_another_spelling(replay: Replay) -> None:
    """Log messages and lines of text; one that nobody knows stays visible, and the run is a success."""
    sidecar = replay("protocol-levels-in-another-spelling")
    assert sidecar.task["status"] == "SUCCESS"
    assert sidecar.log[:10] == [
        "WARN a WARNING", "WARN a warn", "FATAL a CRITICAL", "ERROR an Error", "ERROR an ERR", "INFO [NOTICE] a NOTICE",
        "FATAL a fatal", "WARN warning: a line of text", "FATAL CRITICAL a line of text", "WARN [WARNING] a line of text",
    ]  # fmt: skip


@pytest.mark.fault(116)
def test_other_words_of_a_closed_set_are_known_too(tmp_path: Path, bulker: FakeBulker) -> None:
    """An error's kind, and the kind of a changed configuration."""
    control = {"type": "connector_config", "connectorConfig": {"config": {"token": "next"}}}
    sidecar = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    sidecar.feed(_error(message="dry", failure_type=" Transient_Error"), {"type": "CONTROL", "control": control})
    outcome = sidecar.end(exit_code=1)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.TRANSIENT_ERROR
    assert sidecar.configs == [{"token": "next"}]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("WARNING:root:dry", "WARN"),
        ("2026-11-29T10:00:00.5Z [SEVERE] dry", "ERROR"),
        ("[2026-11-29 10:00:00,123] Crit: dry", "FATAL"),
        ("DBG dry", "DEBUG"),
        ("warnings are off", "ERROR"),
        (log("dry", " [warning] "), "WARN"),
        (log("dry", "LogLevel.ERROR"), "ERROR"),
        (log("dry", "\x1b[33mwarn\x1b[0m"), "WARN"),
        ("\x1b[1;33mWARN\x1b[0m dry", "WARN"),
        ("2026-11-29T10:00:00Z [\x1b[36minfo \x1b[0m] dry", "INFO"),
        ({"type": "LOG", "log": {"level": 40, "message": "dry"}}, "ERROR"),
        ({"type": "LOG", "log": {"level": 35, "message": "dry"}}, "INFO [35]"),
        ({"type": "LOG", "log": {"level": "", "message": "dry"}}, "INFO dry"),
        ({"type": "LOG", "log": {"level": None, "message": "dry"}}, "INFO dry"),
    ],
)
@pytest.mark.fault(116)
def test_a_level_is_known_however_it_is_spelt(tmp_path: Path, bulker: FakeBulker, line: Any, shown: str) -> None:
    """Behind a time or brackets, with a name glued to it, as Python's number."""
    [logged] = InProcessSidecar(tmp_path, bulker.url, catalog("plants")).feed(line).log
    assert logged.startswith(f"{shown} ") or logged == shown
