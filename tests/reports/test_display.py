"""Texts of a connector, shown as they are: brackets are no markup, HTML is no HTML, escapes do nothing."""

import json
from pathlib import Path

import pytest

from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.functions import running
from tests.support.recorder import Recorder
from tests.support.served import served
from tests.support.site import PACKAGE, REPLAY, other_task, python, read_task, site
from tests.support.terminal import run_in_pipe, run_in_terminal

TEXTS = ["[/]", "[//] and [bold red] stay", "agent [/usr/bin/env, object path /x] [link=x]y"]


@pytest.fixture(scope="module")
def brackets(tmp_path_factory: pytest.TempPathFactory):
    case = CASES / "cli-square-brackets-in-logs"
    home = tmp_path_factory.mktemp("brackets")
    with served(home, {"replay/brackets": python(REPLAY, str(case))}) as up:
        config = home / "config.json"
        config.write_text("{}")
        where = ["--url", up.url, "--token", up.token]
        read = [
            "read",
            "replay/brackets:1",
            "--config",
            str(config),
            "--catalog",
            str(case / "catalog.json"),
            "--follow",
        ]
        yield up, where, read


def test_cli_square_brackets_in_logs(brackets) -> None:
    """`read --follow` and `logs`, in a terminal and in a pipe: letter for letter, no escape sequence passes."""
    up, where, read = brackets
    folder = CASES / "cli-square-brackets-in-logs"
    expected = {"0": 0, "1": 1}[(folder / "exit-code").read_text().strip()]
    piped = run_in_pipe(up.url, *read, *where)
    assert piped.code in {expected, 3}
    shown = run_in_terminal(up.url, *read, *where, "--sync", "other")
    assert shown.code == piped.code
    task = up.ask("/tasks")[1]["tasks"][0]["taskId"]
    logs = run_in_pipe(up.url, "logs", task, *where)
    detail = run_in_terminal(up.url, "tasks", task, *where)
    for output in (piped.out, logs.out):
        assert all(text in output for text in TEXTS), output
        assert "\x1b" not in output
    assert "Traceback" not in piped.out + shown.out + logs.out + detail.out
    assert "\x1b]0;owned" not in shown.out + detail.out
    assert "\x1b[2J" not in shown.out
    lines = [json.loads(line) for line in run_in_pipe(up.url, "logs", task, "--json", *where).out.splitlines()]
    assert any(line["message"] == "clear \x1b[2J\x1b]0;owned\x07 done" for line in lines)


def test_security_html_from_a_connector(tmp_path: Path, database: TestDatabase, bulker: Recorder) -> None:
    """Spec, check and read full of HTML: answers are JSON that no browser takes for a page."""
    case = CASES / "security-html-from-a-connector"
    with site(tmp_path, database, bulker.url, {PACKAGE: python(REPLAY, str(case))}) as place:
        spec = place.run(other_task("spec"))
        check = place.run(other_task("check"))
        read = place.run(read_task(body={"catalog": json.loads((case / "catalog.json").read_text())}))
    assert "<img src=x onerror" in spec["result"]["connectionSpecification"]["title"]
    assert check["state"] == "FAILED"
    assert check["reason"].startswith("<img src=https://example.test/x")
    assert read["streams"]["<b id=owned>s</b>"]["stored"] == 1
    with running("tasks", token="t", SYNCCTL_DATABASE_URL=database.url) as server:
        answer = server.ask("GET", f"/tasks/{read['taskId']}")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
