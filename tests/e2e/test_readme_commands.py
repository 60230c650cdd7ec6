"""The tutorial's commands, run as they are written against a running edition."""

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.docs import ROOT, TUTORIAL, console
from tests.support.edition_process import EditionProcess, edition_process
from tests.support.fake_bulker import wait_for

_ELSEWHERE = ("make ", ".venv/bin/syncctl serve ")
"""The fixture serves."""
_QUESTIONS = ("syncctl spec ", "syncctl check ", "syncctl discover ")


class Reader:
    """A reader of the tutorial: a shell in the project's folder, with the variables that `make serve` prints."""

    def __init__(self, home: Path, edition: EditionProcess) -> None:
        self._home = home
        self._variables = {"HOME": str(home), "SYNCCTL_URL": edition.url, "SYNCCTL_TOKEN": edition.token}
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # noqa: TID251 - the shell's

    def type(self, command: str) -> str:
        """What a command prints; it has to succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self._home, env=self._variables | {"PATH": self._path},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Serves as the section on a connector of one's own says, from the default home folder; its path has blanks."""
    tmp_path = tmp_path / "a home"
    tmp_path.mkdir()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    [serve] = [command for command in console(TUTORIAL) if command.startswith(_ELSEWHERE[1])]
    words = shlex.split(serve.replace("$PWD", str(tmp_path)))
    image, _, command = words[words.index("--image") + 1].partition("=")
    with edition_process(tmp_path / ".local/share/sync-functions", {image: command}) as edition:
        yield Reader(tmp_path, edition)


def test_the_commands_do_what_the_tutorial_says(reader: Reader) -> None:
    """In their order, each with success; what they print is what the text promises."""
    commands = [command for command in console(TUTORIAL) if not command.startswith(_ELSEWHERE)]
    with_curl = shutil.which("curl") is not None
    if not with_curl:
        commands = [command for command in commands if not command.startswith("curl ")]
    printed: dict[str, str] = {}
    # The three questions do not wait for each other: a connector takes seconds to start.
    for asks, group in itertools.groupby(commands, lambda command: command.startswith(_QUESTIONS)):
        together = list(group)
        with ThreadPoolExecutor(len(together) if asks else 1) as threads:
            printed |= dict(zip(together, threads.map(reader.type, together), strict=True))

    def output(part: str) -> str:
        [found] = [text for command, text in printed.items() if part in command]
        return found

    assert "count" in output("syncctl spec")
    assert output("syncctl check").strip() == "SUCCEEDED"
    assert "SUCCESS" in output("--task first --follow").splitlines()[-1]
    assert "first" in output("tasks --limit 5")
    assert "1,000" in output("syncctl tasks first")
    assert len(output("syncctl logs first").splitlines()) >= 10
    assert "id" in output("duckdb.connect")
    assert "3 stored" in output('"rows": 3')
    assert "2 stored" in output('"rows": 5')
    if not with_curl:
        pytest.skip("curl is not installed: its two commands were left out, and all others passed")
    assert json.loads(output("/read?"))["taskId"] == "by-curl-1"
    assert json.loads(output("/tasks/by-curl-1"))["task"]["taskId"] == "by-curl-1"
    [look] = [command for command in commands if "/tasks/by-curl-1" in command]

    def over() -> str:
        state: str = json.loads(reader.type(look))["task"]["state"]
        return "" if state in {"PENDING", "RUNNING"} else state

    assert wait_for(over, 60, "the end of the read by curl") == "SUCCESS"
