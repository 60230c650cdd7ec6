"""spec, check and discover: what counts as a result, and the best reason where there is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from common import redaction
from common.protocol.commands import Command
from common.store import Outcome
from sidecar.single_result import SingleResult
from sidecar.source.diagnostics import SourceDiagnostics
from sidecar.source.pipes import End
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.sidecar_process import catalog, lines, log, trace_error

MEMBER = {"SPEC": "spec", "CATALOG": "catalog", "CONNECTION_STATUS": "connectionStatus"}
RESULT = {Command.SPEC: "SPEC", Command.DISCOVER: "CATALOG", Command.CHECK: "CONNECTION_STATUS"}
GOOD: dict[Command, Any] = {
    Command.SPEC: {"connectionSpecification": {}},
    Command.DISCOVER: {"streams": [{"name": "plants"}]},
    Command.CHECK: {"status": "SUCCEEDED"},
}


def _settle(
    folder: Path, command: Command, *messages: Any, exit_code: int | None = 0, end: End | None = None,
    expects_exit_code: bool = True, **config: str,
) -> Outcome:  # fmt: skip
    logs = InProcessSidecar(folder, "http://127.0.0.1:9", catalog()).logs
    secrets = redaction.of_config(json.dumps(config).encode())
    results = SingleResult(
        command, SourceDiagnostics("p", logs), secrets, lambda _: None, expects_exit_code=expects_exit_code
    )
    results.on_stdout(lines(messages))
    return results.settle(end or End(exit_code=exit_code), lambda: None)


def _settle_raw(folder: Path, command: Command, line: bytes) -> Outcome:
    logs = InProcessSidecar(folder, "http://127.0.0.1:9", catalog()).logs
    results = SingleResult(command, SourceDiagnostics("p", logs), redaction.of_config(b""), lambda _: None)
    results.on_stdout(line)
    return results.settle(End(exit_code=0), lambda: None)


def _result(command: Command, content: Any) -> dict[str, Any]:
    kind = RESULT[command]
    return {"type": kind, MEMBER[kind]: content}


NOTHING: list[Any] = [None, 5, "x", [], [{}]]
NO_CATALOG: list[Any] = [{}, {"streams": None}, {"streams": {}}, {"streams": [5]}]
NO_STATUS: list[Any] = [{}, {"status": None}, {"status": 5}]
EMPTY = [
    *[(command, content) for command in GOOD for content in NOTHING],
    *[(Command.DISCOVER, content) for content in NO_CATALOG],
    *[(Command.CHECK, content) for content in NO_STATUS],
]


@pytest.mark.parametrize(("command", "content"), EMPTY)
def test_a_result_without_content_is_none(tmp_path: Path, command: Command, content: Any) -> None:
    """It fails by name; nothing is handed on that would take the place of an earlier catalog or spec."""
    outcome = _settle(tmp_path, command, _result(command, content))
    assert (outcome.state, outcome.result) == ("FAILED", None)
    assert f"The connector's {RESULT[command]} message has no usable content" in outcome.reason


@pytest.mark.parametrize("status", [None, 5, ["FAILED"]])
def test_a_check_without_a_status_still_says_why(tmp_path: Path, status: Any) -> None:
    """Its message is what the user needs; secrets in it are hidden."""
    answer = {"status": status, "message": "no access with planted-1"}
    outcome = _settle(tmp_path, Command.CHECK, _result(Command.CHECK, answer), password="planted-1")
    assert (outcome.state, outcome.result) == ("FAILED", None)
    assert "It says: no access with ********" in outcome.reason


@pytest.mark.parametrize("command", GOOD)
def test_an_empty_result_takes_no_good_one_s_place(tmp_path: Path, command: Command) -> None:
    """The last that has content counts."""
    outcome = _settle(tmp_path, command, _result(command, GOOD[command]), _result(command, None))
    assert outcome.state == "SUCCESS"
    assert json.loads(outcome.result or b"") == GOOD[command]


FIRST = {
    Command.SPEC: "FAILED: The specification came",
    Command.CHECK: "FAILED: The check passed",
    Command.DISCOVER: "The catalog came",
}


@pytest.mark.fault(251)
@pytest.mark.parametrize("command", GOOD)
@pytest.mark.parametrize(
    ("exit_code", "after", "why", "kind"),
    [
        (1, [trace_error("The key is wrong")], "with exit code 1: The key is wrong", "source_error"),
        (1, [log("The disk is full", "FATAL")], "with exit code 1: The disk is full", "source_error"),
        (3, [log("Closing.")], "with exit code 3. It last said:\nClosing.", "source_exit"),
        (137, [], "with exit code 137.", "source_killed"),
        (None, [], "without an exit code (it was killed).", "source_killed"),
    ],
)
def test_a_bad_exit_spoils_a_good_result(
    tmp_path: Path, command: Command, exit_code: int | None, after: list[Any], why: str, kind: str
) -> None:
    """The reason has both signs, the result is kept, and the sweep may know better why the connector ended so."""
    outcome = _settle(tmp_path, command, _result(command, GOOD[command]), *after, exit_code=exit_code)
    assert (outcome.state, outcome.provisional) == ("FAILED", True)
    assert outcome.description == f"{FIRST[command]}, but then the connector ended {why}"
    assert outcome.failure is not None
    assert outcome.failure.kind == kind
    assert outcome.failure.message == outcome.reason
    assert json.loads(outcome.result or b"") == GOOD[command]


@pytest.mark.parametrize("end", [End(exit_code=143, stopped=True), End(stopped=True), End(stalled_seconds=9.0)])
def test_an_end_from_outside_spoils_no_result(tmp_path: Path, end: End) -> None:
    """A connector that was stopped, or lingered for too long, has not spoken against its answer."""
    assert _settle(tmp_path, Command.CHECK, _result(Command.CHECK, GOOD[Command.CHECK]), end=end).state == "SUCCESS"


def test_without_an_exit_code_file_none_is_missed(tmp_path: Path) -> None:
    """Another controller's pod writes none."""
    message = _result(Command.CHECK, GOOD[Command.CHECK])
    assert _settle(tmp_path, Command.CHECK, message, end=End(), expects_exit_code=False).state == "SUCCESS"


def test_a_refused_check_keeps_its_own_reason(tmp_path: Path) -> None:
    """Many connectors end with another code than 0 then."""
    answer = _result(Command.CHECK, {"status": "FAILED", "message": "no access"})
    outcome = _settle(tmp_path, Command.CHECK, answer, exit_code=1)
    assert (outcome.state, outcome.reason, outcome.provisional) == ("FAILED", "no access", False)


@pytest.mark.parametrize(
    ("said", "shown"),
    [("The key is wrong", "The key is wrong"), ({"code": 5}, '{"code": 5}'), (["a"], '["a"]'), (7, "7")],
)
@pytest.mark.parametrize("status", ["FAILED", "SUCCEEDED"])
def test_a_checks_message_is_shown_whatever_its_shape(tmp_path: Path, status: str, said: Any, shown: str) -> None:
    """An odd message does not turn a good check into a bad one, nor redact why a bad one is."""
    outcome = _settle(tmp_path, Command.CHECK, _result(Command.CHECK, {"status": status, "message": said}))
    assert outcome.state == ("SUCCESS" if status == "SUCCEEDED" else "FAILED")
    assert outcome.description == shown


@pytest.mark.parametrize(
    ("before", "status", "why"),
    [
        ([trace_error("The key is wrong")], "FAILED", "The key is wrong"),
        ([log("The key is wrong", "FATAL")], "FAILED", "The key is wrong"),
        ([], "FAILED", "The connector refused the configuration and gave no reason."),
        ([], "succeeded", "answered with the status 'succeeded', which is neither SUCCEEDED nor FAILED"),
    ],
)
@pytest.mark.parametrize("said", [None, "", "  "])
def test_a_refusal_without_words_has_the_best_there_are(
    tmp_path: Path, before: list[Any], status: str, why: str, said: Any
) -> None:
    """The error or the fatal line that came before it, else what it is."""
    outcome = _settle(tmp_path, Command.CHECK, *before, _result(Command.CHECK, {"status": status, "message": said}))
    assert outcome.state == "FAILED"
    assert why in outcome.reason


def test_a_connectors_own_word_for_a_pass_is_none_in_the_table(tmp_path: Path) -> None:
    """SUCCESS is what the caller's table calls SUCCEEDED: a check that failed must not be shown as passed."""
    outcome = _settle(tmp_path, Command.CHECK, _result(Command.CHECK, {"status": "SUCCESS", "message": "ok"}))
    assert (outcome.state, outcome.check_status) == ("FAILED", "FAILED")


def test_a_secret_that_reads_like_the_status_changes_no_outcome(tmp_path: Path) -> None:
    """It is masked in what is shown; the status was looked at before."""
    outcome = _settle(tmp_path, Command.CHECK, _result(Command.CHECK, GOOD[Command.CHECK]), password="SUCCEEDED")
    assert (outcome.state, outcome.check_status) == ("SUCCESS", "SUCCESS")


@pytest.mark.parametrize("password", ["status", "message"])
def test_a_secret_that_reads_like_a_member_changes_no_outcome(tmp_path: Path, password: str) -> None:
    """It is masked in what the members hold, not in their names."""
    answer = {"status": "FAILED", "message": f"no access with {password}"}
    outcome = _settle(tmp_path, Command.CHECK, _result(Command.CHECK, answer), password=password)
    assert (outcome.check_status, outcome.description) == ("FAILED", "no access with ********")


@pytest.mark.parametrize("status", ["FAILED", "SUCCEEDED"])
@pytest.mark.parametrize(
    ("bad", "encoding"), [pytest.param("\udcfc", "ascii", id="half a pair"), pytest.param("ü", "latin-1", id="Latin-1")]
)
def test_a_check_is_heard_whatever_bytes_its_message_has(tmp_path: Path, status: str, bad: str, encoding: str) -> None:
    """Bytes that are not text become U+FFFD."""
    message = _result(Command.CHECK, {"status": status, "message": f"Schl{bad}ssel"})
    line = json.dumps(message, ensure_ascii=encoding == "ascii").encode(encoding)
    outcome = _settle(tmp_path, Command.CHECK, line)
    assert outcome.check_status == ("SUCCESS" if status == "SUCCEEDED" else "FAILED")
    assert outcome.description == "Schl\ufffdssel"


def test_nothing_usable_is_not_nothing(tmp_path: Path) -> None:
    """A result in lower case, or one that is not valid JSON, sends the reader to the log, or says why."""
    outcome = _settle(tmp_path, Command.DISCOVER, {"type": "catalog", "catalog": GOOD[Command.DISCOVER]})
    assert "printed nothing that could be used (the log tells what)" in outcome.reason
    outcome = _settle(tmp_path, Command.DISCOVER, '{"type":"CATALOG","catalog":{"streams":[NaN]}}')
    assert outcome.reason == "The connector's CATALOG message cannot be read: NaN is not JSON."


@pytest.mark.parametrize("malformed_lines", [0, 30])
def test_a_broken_result_is_the_reason_before_a_fatal_line_ahead_of_it(tmp_path: Path, malformed_lines: int) -> None:
    """The later one counts, however many malformed lines were logged before."""
    before = [*({"type": "odd"} for _ in range(malformed_lines)), log("boom", "FATAL")]
    found = _settle(tmp_path, Command.DISCOVER, *before, _result(Command.DISCOVER, {"streams": None}))
    assert "has no usable content" in found.reason
    cut = json.dumps(_result(Command.DISCOVER, {"streams": []}))[:-3]
    found = _settle(tmp_path, Command.DISCOVER, *before, cut)
    assert "message cannot be read" in found.reason


PRETTY: list[Any] = [
    lambda message: json.dumps(message, indent=2),
    lambda message: json.dumps(message, indent="\t").replace("\n", "\r\n"),
    lambda message: json.dumps(message, indent=0),
    lambda message: json.dumps(message).replace('": ', '":\n'),
    lambda message: "\ufeff" + json.dumps(message, indent=4).replace("\n", "\n\n"),
]


@pytest.mark.fault(130)
@pytest.mark.parametrize("command", GOOD)
@pytest.mark.parametrize("print_out", PRETTY)
def test_a_result_over_several_lines(tmp_path: Path, command: Command, print_out: Any) -> None:
    """As JSON for people, between log lines of either kind."""
    content = GOOD[command] | {"message": 'a "brace" {\\', "list": [{"type": "object"}]}
    text = print_out(_result(command, content))
    outcome = _settle(tmp_path, command, log("before"), "noise {", text, log("after"), "noise }")
    assert outcome.state == "SUCCESS", outcome.reason
    assert json.loads(outcome.result or b"") == content


@pytest.mark.parametrize("command", GOOD)
def test_a_line_that_stays_open_hides_no_result(tmp_path: Path, command: Command) -> None:
    """A message that was cut off, or a dump of something else, before the result."""
    cut = json.dumps(_result(command, GOOD[command]))[:-3]
    dump = json.dumps({"settings": {"a": [1]}}, indent=2)
    outcome = _settle(tmp_path, command, dump, cut, "{", _result(command, GOOD[command]), dump[:-1])
    assert outcome.state == "SUCCESS", outcome.reason
    assert json.loads(outcome.result or b"") == GOOD[command]


def test_an_open_object_is_logged_at_the_end(tmp_path: Path) -> None:
    """Without a result its lines are the connector's last words."""
    outcome = _settle(tmp_path, Command.CHECK, "{", "the database is down", exit_code=1)
    assert "the database is down" in outcome.reason


@pytest.mark.fault(283)
@pytest.mark.parametrize("command", [Command.SPEC, Command.DISCOVER])
@pytest.mark.parametrize(
    ("member", "why"),
    [
        (b'"title":"' + b"x" * 10 * 1024 * 1024 + b'"', "at most 10,485,760 are kept"),
        (b'"default":1e131071', "numbers such as 1e131071"),
    ],
    ids=["long", "written out"],
)
def test_a_result_that_would_fill_a_memory_is_none(tmp_path: Path, command: Command, member: bytes, why: str) -> None:
    """Functions answer with it, and jsonb shows each number to the next sidecar with all its zeros."""
    good = json.dumps(_result(command, GOOD[command])).encode()
    content = json.dumps(GOOD[command]).encode()
    line = good.replace(content, content[:-1] + b"," + member + b"}") + b"\n"
    assert len(line) > len(good) + len(member)
    outcome = _settle_raw(tmp_path, command, line)
    assert (outcome.state, outcome.result) == ("FAILED", None)
    assert why in outcome.reason


@pytest.mark.fault(433)
@pytest.mark.parametrize(("status", "state"), [("FAILED", "FAILED"), ("SUCCEEDED", "SUCCESS")])
@pytest.mark.parametrize("number", [b"1e400", b"-1E999", b"1e131071", b"9" * 4000, b"NaN"], ids=range(5))
@pytest.mark.parametrize(
    "place", [b'{"why":"no room","limit":%b}', b'["no room",%b]', b'"no room","details":{"limit":%b}'], ids=range(3)
)
def test_a_number_beyond_a_double_loses_no_check(
    tmp_path: Path, place: bytes, number: bytes, status: str, state: str
) -> None:
    """Words for people are read leniently: what cannot be kept is null."""
    answer = b'{"type":"CONNECTION_STATUS","connectionStatus":{"status":"%b","message":%b}}\n'
    outcome = _settle_raw(tmp_path, Command.CHECK, answer % (status.encode(), place % number))
    assert (outcome.state, outcome.check_status) == (state, state)
    assert "no room" in outcome.description
    assert json.loads(outcome.result or b"")["status"] == status
