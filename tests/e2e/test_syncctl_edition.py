"""syncctl against a real deployment, with connectors that play recordings of hostile texts."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import edition_process as served_edition
from tests.support.terminal import Ran, run, run_in_terminal

REPORTS = Path(__file__).parent.parent / "reports"
BRACKETS, HTML = "replay/cli-square-brackets-in-logs:1", "replay/security-html-from-a-connector:1"
CATALOG = REPORTS / "cases" / "cli-square-brackets-in-logs" / "catalog.json"
SHOWN = [
    "[/]",
    "[//] and [bold red] stay",
    "agent [/usr/bin/env, object path /x] [link=x]y",
    "clear ␛[2J␛]0;owned␇ done",
    "progress 10%␍progress 20%",
    "name \\u202egpj.exe",
    "w" * 4000,
]


class Served(NamedTuple):
    """A running `syncctl serve`."""

    url: str
    token: str

    def run(self, *arguments: str, stdin: str = "") -> Ran:
        return run(self.url, *arguments, stdin=stdin, env={"SYNCCTL_TOKEN": self.token})

    def run_in_terminal(self, *arguments: str) -> Ran:
        return run_in_terminal(self.url, *arguments, "--token", self.token)


@pytest.fixture(scope="module")
def served(edition: served_edition.EditionProcess) -> Served:
    """The group's edition, as the command line sees it."""
    return Served(edition.url, edition.token)


@pytest.fixture(scope="module")
def read_task(served: Served) -> str:
    """A read of the case that has ended."""
    options = ("--config", "-", "--catalog", str(CATALOG), "--sync", "brackets", "--task", "brackets-1")
    done = served.run("read", BRACKETS, *options, "--follow", stdin="{}")
    assert done.code == 3, done.out + done.err
    for text in [*SHOWN, "a[/b]", "z[/]", "cannot open [/etc/[dim]x]"]:
        assert text in done.out
    assert "\x1b" not in done.out + done.err
    return "brackets-1"


def test_a_read_in_a_terminal(served: Served, tmp_path: Path) -> None:
    """The live table shows the connector's texts letter for letter, and exits with the outcome."""
    (tmp_path / "c.json").write_text("{}")
    options = ("--config", str(tmp_path / "c.json"), "--catalog", str(CATALOG), "--sync", "terminal", "--follow")
    done = served.run_in_terminal("read", BRACKETS, *options)
    assert done.code == 3, done.out
    _unharmed(done.out)
    for text in SHOWN:
        assert text in done.out.replace("\r\n", "")


@pytest.mark.parametrize("command", ["tasks", "logs"])
def test_a_task_in_a_terminal(served: Served, read_task: str, command: str) -> None:
    """Looking at it later shows the same."""
    done = served.run_in_terminal(command, read_task)
    assert done.code == 3, done.out
    _unharmed(done.out)
    for text in SHOWN:
        assert text in done.out.replace("\r\n", "")


def test_json_holds_the_original_texts(served: Served, read_task: str) -> None:
    """The connector's own texts, to the letter."""
    done = served.run("logs", read_task, "--json")
    messages = [json.loads(line)["message"] for line in done.out.splitlines()]
    assert "clear \x1b[2J\x1b]0;owned\x07 done" in messages
    assert "name \u202egpj.exe" in messages
    task = json.loads(served.run("tasks", read_task, "--json").out)
    assert task["streams"]["z[/]"]["status"] == "FAILED"
    assert "cannot open [/etc/[dim]x]" in task["streams"]["z[/]"]["error"]


def test_the_list_filters(served: Served, read_task: str) -> None:
    """The filters reach the endpoint."""
    found = json.loads(served.run("tasks", "--sync", "brackets", "--status", "partial", "--json").out)["tasks"]
    assert [task["taskId"] for task in found] == [read_task]
    assert json.loads(served.run("tasks", "--sync", "nobody", "--json").out) == {"tasks": []}
    options = ("--package", BRACKETS.partition(":")[0], "--started-by", "syncctl", "--since", "1h", "--json")
    assert read_task in [task["taskId"] for task in json.loads(served.run("tasks", *options).out)["tasks"]]


def test_a_part_of_a_log(served: Served, read_task: str) -> None:
    """By its text, from a moment on, and to its end."""
    lines = served.run("logs", read_task, "--grep", "OWNED", "--since", "1h", "--follow", "--json").out.splitlines()
    messages = [json.loads(line)["message"] for line in lines]
    assert messages[0] == "clear \x1b[2J\x1b]0;owned\x07 done"
    assert all("owned" in message for message in messages)
    assert "No line of task" in served.run("logs", read_task, "--grep", "nothing like it").err


def test_repeating_a_task_starts_nothing_twice(served: Served, read_task: str) -> None:
    """The same task with another request is refused, with the deployment's own sentence."""
    options = ("--config", "-", "--catalog", str(CATALOG), "--sync", "brackets", "--task", read_task)
    assert served.run("read", BRACKETS, *options, stdin="{}").code == 0
    other = served.run("read", BRACKETS, *options, "--prefix", "other_", stdin="{}")
    assert other.code == 5
    assert read_task in other.err


def test_spec_and_check_of_a_hostile_connector(served: Served) -> None:
    """A spec and a verdict full of markup are texts like any other; a verdict FAILED exits with 1."""
    spec = served.run("spec", HTML)
    assert spec.code == 0, spec.err
    assert "<" in spec.out
    check = served.run("check", HTML, "--config", "-", stdin="{}")
    assert check.code == 1
    assert check.out.startswith("FAILED: ")


def test_a_wrong_token_is_refused(served: Served) -> None:
    """Exit 5, and where the token goes."""
    done = run(served.url, "tasks", env={"SYNCCTL_TOKEN": "wrong"})
    assert done.code == 5
    assert "SYNCCTL_TOKEN" in done.err


def _unharmed(output: str) -> None:
    assert "\x1b[2J" not in output
    assert "owned\x07" not in output
    assert "\u202e" not in output
    assert "Traceback" not in output


def test_a_sync_is_declared_on_this_machine(
    served: Served, tmp_path: Path, edition: served_edition.EditionProcess
) -> None:
    """It is a file that a person may edit, and whose comments stay; deleted, the file is gone."""
    text = """\
# By hand.
apiVersion: sync-functions.dev/v1alpha1
kind: Sync
metadata: {name: declared}
spec:
  image: replay/cli-square-brackets-in-logs:1 # a recording
"""
    path = edition.home / "syncs" / "declared.yaml"
    path.write_text(text)
    assert served.run("apply", "-f", str(path)).out == "sync/declared unchanged\n"
    assert served.run("suspend", "declared").code == 0
    assert path.read_text() == f"{text}  suspend: true\n"
    (tmp_path / "bad.yaml").write_text(text.replace("declared", "bad") + "  retries: -1\n")
    assert served.run("apply", "-f", str(tmp_path)).err.startswith(f"{tmp_path}/bad.yaml:7: spec.retries: expected 0")
    name, state = served.run("get", "syncs").out.splitlines()[1].split()
    assert (name, state) == ("declared", "SUSPENDED")
    assert served.run("delete", "declared").out == "sync/declared deleted\n"
    assert not path.exists()
