"""Messages of a read that do not stand alone on one line: found, or refused by name, and never lost unsaid."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_bulker import FakeBulker
from tests.support.in_process_sidecar import InProcessSidecar, legacy, shared
from tests.support.sidecar_process import catalog, log, record, state, status, trace_error

Print = Callable[[Any], str]

PRETTY: list[Print] = [
    lambda message: json.dumps(message, indent=2),
    lambda message: json.dumps(message, indent="\t").replace("\n", "\r\n"),
    lambda message: json.dumps(message, indent=0),
    lambda message: json.dumps(dict(reversed(message.items())), indent=2),
    lambda message: json.dumps(message).replace('": ', '":\n'),
    lambda message: "\ufeff" + json.dumps(message, indent=4).replace("\n", "\n\n"),
    lambda message: "INFO now: " + json.dumps(message, indent=2),
    lambda message: "INFO now: " + json.dumps(message, indent=2).replace('{\n  "type"', '{"type"', 1),
]
BESIDE: list[Print] = [
    lambda message: f"INFO Emitting {json.dumps(message)}",
    lambda message: f"42%|###   |{json.dumps(dict(reversed(message.items())))}",
]
ROW = {"id": 1, "name": 'a "brace" {\\', "list": [{"type": "object"}, {"type": "RECORD"}]}


def _make(tmp_path: Path, bulker: FakeBulker) -> InProcessSidecar:
    return InProcessSidecar(tmp_path, bulker.url, catalog("plants", incremental=True))


@pytest.mark.fault(253)
@pytest.mark.parametrize("chunk", [7, 100_000])
@pytest.mark.parametrize("print_out", [*PRETTY, *BESIDE])
def test_a_message_is_found_wherever_it_stands(
    tmp_path: Path, bulker: FakeBulker, print_out: Print, chunk: int
) -> None:
    """Over several lines, or behind words: rows, state and statuses count as on lines of their own."""
    messages = [status("plants", "STARTED"), record("plants", ROW), state("plants", {"c": 1}, 1)]
    messages += [record("plants", {"id": 2}), state("plants", {"c": 2}, 1), status("plants", "COMPLETE")]
    reading = _make(tmp_path, bulker)
    printed = "\n".join(["{", "noise", *map(print_out, messages), json.dumps(log("after")), ""]).encode()
    for at in range(0, len(printed), chunk):
        reading.read.on_stdout(printed[at : at + chunk])
    outcome = reading.end()
    assert outcome.state == "SUCCESS", (outcome, reading.log)
    assert bulker.rows("plants") == [ROW, {"id": 2}]
    assert reading.states == {"plants": {"c": 2}}
    assert "ERROR noise" in reading.log


@pytest.mark.parametrize("print_out", [*PRETTY, *BESIDE, lambda message: f"got {json.dumps(message)} from the API"])
def test_an_error_is_found_wherever_it_stands(tmp_path: Path, bulker: FakeBulker, print_out: Print) -> None:
    """With exit code 0 it is the only sign."""
    reading = _make(tmp_path, bulker).feed(record("plants", {"id": 1}), state("plants", {"c": 1}))
    outcome = reading.feed(print_out(trace_error("The key is gone"))).end()
    assert outcome.state != "SUCCESS"
    assert "The key is gone" in outcome.reason


@pytest.mark.fault(253)
@pytest.mark.parametrize("beside", [log("hello"), {"type": "LOG", "log": {"level": 30, "message": ["a", "b"]}}])
def test_a_log_over_several_lines_is_whole(tmp_path: Path, bulker: FakeBulker, beside: Any) -> None:
    """Also where another one that comes with it is unusual, so that each is decoded for itself."""
    reading = _make(tmp_path, bulker).feed(beside, json.dumps(log("The key is gone", "FATAL"), indent=2), beside)
    outcome = reading.end(exit_code=1)
    assert outcome.reason.startswith("The key is gone")
    assert [line for line in reading.log if line.startswith(("FATAL", "WARN The"))] == ["FATAL The key is gone"]


STATE = state("plants", {"c": "private-cursor"})
CUT: list[Any] = [
    json.dumps(STATE, indent=2)[:-1],
    json.dumps(STATE, indent=2) + ",",
    json.dumps(status("plants", "INCOMPLETE"))[:-1],
    json.dumps(trace_error("private"))[:-1],
    "INFO: {\n" + json.dumps(STATE, indent=2)[1:-1],
    "got " + json.dumps(STATE)[:-1] + " (cut)",
    json.dumps(record("plants", {"id": 2, "name": "private-name"}), indent=2)[:-1],
    json.dumps(record("plants", {"id": 2, "name": "private-name\nline"}), indent=2).replace("\\n", "\n"),
    json.dumps(record("plants", {"id": 2, "name": "private-name"}), indent=2) + ",",
    f"got {json.dumps(record('plants', {'id': 2, 'name': 'private-name'}))} from the API",
    f"got {json.dumps(record('plants', {'id': 2, 'name': 'private-name'}) | {'type': 'odd'})} from the API",
    json.dumps(trace_error("private"), indent=2)[:-1],
    json.dumps(status("plants", "INCOMPLETE"), indent=2)[:-1],
]


@pytest.mark.fault(253)
@pytest.mark.parametrize("text", CUT)
def test_what_cannot_be_joined_is_no_success(tmp_path: Path, bulker: FakeBulker, text: str) -> None:
    """It is named, without a piece of a row or a state, and its neighbours are whole."""
    reading = _make(tmp_path, bulker).feed(record("plants", {"id": 1}), text, record("plants", {"id": 3}))
    outcome = reading.end()
    assert outcome.state != "SUCCESS", reading.log
    counts = reading.streams["plants"]
    assert counts["emitted"] - counts["refused"] == 2
    if "private-" in text:
        assert "private-" not in str(outcome) + str(reading.log)


def test_the_words_behind_a_cut_message_are_logged(tmp_path: Path, bulker: FakeBulker) -> None:
    """Such as the traceback of what cut it; a second cut record is counted too."""
    cut = json.dumps(record("plants", {"id": 2, "name": "private-name"}))[:-3]
    reading = _make(tmp_path, bulker).feed(record("plants", {"id": 1}), cut, cut, "Traceback:", "KeyError: 'a'")
    outcome = reading.end(exit_code=1)
    assert "KeyError: 'a'" in outcome.reason
    assert reading.streams["plants"]["refused"] == 2
    assert "private-" not in str(outcome) + str(reading.log)


def test_lines_that_only_look_open_do_not_wait(tmp_path: Path, bulker: FakeBulker) -> None:
    """Noise is logged once it is clear that it is none of a message."""
    reading = _make(tmp_path, bulker).feed("{", *["some noise " * 10] * 1000)
    assert any("some noise" in line for line in reading.log)


QUOTES: list[Print] = [
    lambda message: f"DEBUG next is {json.dumps(message)}",
    lambda message: f"DEBUG next is {json.dumps(message)}, then",
    lambda message: f"{{debug}} next is {json.dumps(message)}",
    lambda message: "DEBUG next is " + json.dumps(message, indent=2),
    lambda message: f"DEBUG next is {json.dumps(dict(reversed(message.items())))}",
]
LATER = [state("plants", {"c": 9}, 9), shared({"c": 9}, 9), legacy({"c": 9})]
"""States that are ahead of what was read."""


@pytest.mark.fault(432)
@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("quote", QUOTES)
def test_a_state_that_words_quote_is_not_saved(
    tmp_path: Path, bulker: FakeBulker, quote: Print, later: dict[str, Any]
) -> None:
    """Where others stand on lines of their own, it may be one that was, or is to come: the next real one counts."""
    reading = _make(tmp_path, bulker).feed(status("plants", "STARTED"), quote(later), record("plants", {"id": 1}))
    reading.feed(quote(later), state("plants", {"c": 1}, 1), quote(state("plants", {"c": 1}, 1)))
    outcome = reading.feed(status("plants", "COMPLETE")).end()
    assert (outcome.state, outcome.reason) == ("SUCCESS", "")
    assert reading.states == {"plants": {"c": 1}}
    assert any("next is" in line or "a line that cannot be read" in line for line in reading.log)


@pytest.mark.fault(432)
@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("quote", QUOTES)
def test_a_state_that_only_words_have_is_named(
    tmp_path: Path, bulker: FakeBulker, quote: Print, later: dict[str, Any]
) -> None:
    """If it was none of a quotation, rows come again in the next run: that is no plain success."""
    reading = _make(tmp_path, bulker).feed(record("plants", {"id": 1}), state("plants", {"c": 1}, 1))
    outcome = reading.feed(record("plants", {"id": 2}), quote(later)).end()
    assert outcome.state == "PARTIAL"
    assert "state of plants was not saved: it stands behind words" in outcome.reason
    assert reading.states == {"plants": {"c": 1}}


@pytest.mark.parametrize(
    "beside", ["42%|####    |", "Downloading 42 percent\r", "\x1b[32m12:01:02 ", "[2026-01-01 00:00:00] "]
)
def test_a_state_behind_a_progress_bar_counts(tmp_path: Path, bulker: FakeBulker, beside: str) -> None:
    """Nobody quotes without words: two that write to one pipe have met."""
    reading = _make(tmp_path, bulker).feed(record("plants", {"id": 1}), state("plants", {"c": 1}, 1))
    outcome = reading.feed(record("plants", {"id": 2}), beside + json.dumps(state("plants", {"c": 2}, 1))).end()
    assert (outcome.state, outcome.reason) == ("SUCCESS", "")
    assert reading.states == {"plants": {"c": 2}}


@pytest.mark.fault(433)
@pytest.mark.parametrize("cut", ['"data":', '"data": {', '"id": 3,', '"n": 3', '"n": 3}'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_as_many_lines_as_messages_but_not_one_on_each(tmp_path: Path, bulker: FakeBulker, cut: str, end: str) -> None:
    """Two glued on one line, another one over two: each row is sent on one line, or Bulker would see four."""
    one, two, three = (json.dumps(record("plants", {"id": number, "n": number})) for number in (1, 2, 3))
    broken = three.replace(cut, cut + end, 1)
    assert broken != three
    reading = _make(tmp_path, bulker)
    reading.read.on_stdout(f"{one}{two}{end}{broken}{end}".encode())
    reading.feed(status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert bulker.rows("plants") == [{"id": number, "n": number} for number in (1, 2, 3)]


@pytest.mark.fault(433)
def test_a_log_over_two_lines_beside_glued_ones_is_whole(tmp_path: Path, bulker: FakeBulker) -> None:
    """One of them is unusual, so that each is decoded for itself."""
    odd = json.dumps({"type": "LOG", "log": {"level": 30, "message": ["a"]}})
    broken = json.dumps(log("whole")).replace(", ", ",\n")
    assert broken.count("\n") == 2
    reading = _make(tmp_path, bulker).feed(odd * 3 + "\n" + broken)
    assert [line for line in reading.log if "whole" in line] == ["INFO whole"]
    assert not any("LOG message without" in line for line in reading.log)
