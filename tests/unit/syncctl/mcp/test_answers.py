"""What the tools answer stays small, whatever a deployment sends."""

import json

import msgspec
from msgspec import Raw, structs

from syncctl.api.models import LogPage, decode_task
from syncctl.api.states import Saved
from syncctl.mcp import answers
from tests.support.fake_deployment import line, stream, task


def test_a_task_with_thousands_of_streams_is_cut_and_its_bad_ones_come_first() -> None:
    """The number of the others is there."""
    streams = {f"s{number:04}": stream(rows=1) for number in range(3000)}
    streams["zebra"] = stream("FAILED", error="e" * 10_000)
    found = answers.task_in_full(decode_task(Raw(json.dumps(task(state="FAILED", streams=streams)).encode())))
    assert next(iter(found["streams"])) == "zebra"
    assert (len(found["streams"]), found["more"]) == (answers.MOST_STREAMS, "2961 more are not shown")
    assert len(answers.as_text(found)) < answers.MOST_BYTES


def test_long_lines_and_states_are_cut() -> None:
    """A page of a log keeps its newest lines, and says how to go on."""
    lines = [line(f"{number} " + "x" * 5_000) for number in range(200)]
    page = LogPage("RUNNING", "c7", "c9", more=True, logs=[Raw(json.dumps(one).encode()) for one in lines])
    text = answers.log("t1", page)
    assert len(text) < answers.MOST_BYTES + 200
    assert text.splitlines()[-2].startswith("2026-11-24T10:05:01.000Z INFO 199 ")
    assert text.endswith("(earlier lines are left out: ask for fewer lines, or for a level)")
    assert answers.log("t1", structs.replace(page, logs=page.logs[-2:])).endswith("(earlier lines: before=c7)")
    saved = Saved(states={"a": Raw(b'{"n":1}'), "b": Raw(b'"' + b"y" * 10_000 + b'"')})
    found = json.loads(msgspec.json.encode(answers.states(saved)))["states"]
    assert (found["a"]["state"], len(found["b"]["state"]) < 2_100) == ({"n": 1}, True)
