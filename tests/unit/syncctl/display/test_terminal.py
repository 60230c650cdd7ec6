"""syncctl in a pseudo-terminal: hostile texts are shown letter for letter and leave the screen alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_deployment import FakeDeployment, fake_deployment, line, stream, task
from tests.support.terminal import run_in_pipe, run_in_terminal

IMAGE = "airbyte/source-faker:7.2.1"
TEXTS = {
    "[/]": "[/]",
    "[//] and [bold red] stay": "[//] and [bold red] stay",
    "agent [/usr/bin/env, object path /x] [link=x]y": "agent [/usr/bin/env, object path /x] [link=x]y",
    "clear \x1b[2J\x1b]0;owned\x07 done": "clear ␛[2J␛]0;owned␇ done",
    "progress 10%\rprogress 20%": "progress 10%␍progress 20%",
    "name \u202egpj.exe": "name \\u202egpj.exe",
    "w" * 4000: "w" * 4000,
}
ERROR = "cannot open [/etc/[dim]x]"


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        logs = [line(text) for text in TEXTS]
        streams = {"a[/b]": stream(rows=1), "z[/]": stream("FAILED", error=ERROR)}
        script.courses["t1"] = [
            task(state="RUNNING", logs=logs[:2], streams={"a[/b]": stream("RUNNING")}),
            task(state="PARTIAL", logs=logs, streams=streams, reason=f"1 of 2 streams: {ERROR} \x1b[2J"),
        ]
        yield script


@pytest.fixture
def follow(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": [{"name": "a[/b]"}, {"name": "z[/]"}]}))
    files = ("--config", str(tmp_path / "config.json"), "--catalog", str(tmp_path / "catalog.json"))
    return ("read", IMAGE, *files, "--task", "t1", "--follow")


def unharmed(output: str) -> None:
    """Nothing of the texts has reached the terminal as a command."""
    assert "\x1b[2J" not in output
    assert "owned\x07" not in output
    assert "\u202e" not in output
    assert "Traceback" not in output


def test_follow_in_a_terminal(server: FakeDeployment, follow: tuple[str, ...]) -> None:
    """A live table with the log lines above it; the exit code is the outcome."""
    done = run_in_terminal(server.url, *follow)
    unharmed(done.out)
    assert done.code == 3, done.out
    for shown in [*TEXTS.values(), "a[/b]", "z[/]"]:
        assert shown in done.out.replace("\r\n", "")
    assert "\x1b[?25h" in done.out, "the cursor is back"


def test_follow_in_a_pipe(server: FakeDeployment, follow: tuple[str, ...]) -> None:
    """The same texts, without a single escape sequence."""
    done = run_in_pipe(server.url, *follow)
    unharmed(done.out + done.err)
    assert "\x1b" not in done.out + done.err
    assert done.code == 3, done.err
    for shown in [*TEXTS.values(), "a[/b]", "z[/]", ERROR]:
        assert shown in done.out


@pytest.mark.parametrize("command", ["logs", "tasks"])
def test_one_task_in_a_terminal(server: FakeDeployment, command: str) -> None:
    """`logs` and `tasks TASK_ID` show the same texts."""
    server.courses["t1"].pop(0)
    done = run_in_terminal(server.url, command, "t1")
    unharmed(done.out)
    assert done.code == 3, done.out
    for shown in TEXTS.values():
        assert shown in done.out.replace("\r\n", "")


def test_the_list_in_a_terminal(server: FakeDeployment) -> None:
    """`tasks` draws a table, task ids whole."""
    server.courses["t1"].pop(0)
    done = run_in_terminal(server.url, "tasks")
    unharmed(done.out)
    assert done.code == 0
    assert "t1" in done.out.split()


@pytest.mark.parametrize("command", ["logs", "tasks"])
def test_json_holds_the_original_texts(server: FakeDeployment, command: str) -> None:
    """Scripts get the connector's own texts, even in a terminal, and no byte of it commands the terminal."""
    server.courses["t1"].pop(0)
    done = run_in_terminal(server.url, command, "t1", "--json")
    unharmed(done.out)
    values = [json.loads(text) for text in done.out.splitlines()]
    lines = values if command == "logs" else values[0]["logs"]
    assert [entry["message"] for entry in lines] == list(TEXTS)


def test_a_stream_that_has_failed_is_shown_above_the_table(server: FakeDeployment, follow: tuple[str, ...]) -> None:
    """As soon as it fails: the table may be taller than the screen."""
    failed = {"a[/b]": stream("RUNNING"), "z[/]": stream("FAILED", error=ERROR)}
    server.courses["t1"].insert(1, task(state="RUNNING", streams=failed))
    done = run_in_terminal(server.url, *follow)
    unharmed(done.out)
    assert f"z[/]: FAILED, 0 emitted, 0 stored, 0 bytes: {ERROR}" in done.out


def test_a_stream_that_waits_says_until_when(server: FakeDeployment, follow: tuple[str, ...]) -> None:
    """In the lines of a pipe, and in the table of a task."""
    note = "rate limited until 14:05 UTC"
    waits = task(state="RUNNING", streams={"a[/b]": stream("RUNNING", rows=1) | {"note": note}})
    server.courses["t1"].insert(1, waits)
    server.courses["t2"] = [waits]
    shown = run_in_pipe(server.url, *follow).out
    assert any(
        text.startswith("a[/b]: RUNNING, 1 emitted") and text.endswith(f", {note}") for text in shown.splitlines()
    )
    assert note in run_in_pipe(server.url, "tasks", "t2").out
