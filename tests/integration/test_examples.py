"""examples/: each connector keeps to the protocol, run as a pod runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.protocol.messages import Message
from tests.support.docs import ROOT

PLANTS = ROOT / "examples/source_plants.py"


class Files:
    """A connector's input files, as arguments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, **contents: Any) -> list[str]:
        words = []
        for name, content in contents.items():
            path = self._folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            words += [f"--{name}", str(path)]
        return words


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Writes what a command is given."""
    return Files(tmp_path)


def _run(*words: str) -> list[dict[str, Any]]:
    """The messages of one run that ends well; each is one that the sidecar reads."""
    done = subprocess.run([sys.executable, str(PLANTS), *words], capture_output=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    for line in lines:
        msgspec.json.decode(line, type=Message)
    assert done.stderr == b""
    return [json.loads(line) for line in lines]


def _catalog(mode: str) -> dict[str, Any]:
    [message] = _run("discover")
    [stream] = message["catalog"]["streams"]
    return {"streams": [{"stream": stream, "sync_mode": mode, "destination_sync_mode": "append"}]}


def _ids(messages: list[dict[str, Any]]) -> list[int]:
    return [message["record"]["data"]["id"] for message in messages if message["type"] == "RECORD"]


def test_the_specification_names_every_field_of_the_configuration() -> None:
    """`rows` is what `check` and `read` look at."""
    [message] = _run("spec")
    assert message["spec"]["connectionSpecification"]["properties"].keys() == {"rows"}


@pytest.mark.parametrize(
    ("config", "status"), [({}, "SUCCEEDED"), ({"rows": 5}, "SUCCEEDED"), ({"rows": "5"}, "FAILED")]
)
def test_a_check_tells_whether_the_configuration_is_usable(files: Files, config: dict[str, Any], status: str) -> None:
    """A refusal has a message."""
    [message] = _run("check", *files(config=config))
    answer = message["connectionStatus"]
    assert answer["status"] == status
    assert ("message" in answer) == (status == "FAILED")


def test_a_full_refresh_emits_every_row_and_no_state(files: Files) -> None:
    """Whatever state it is given."""
    given = files(config={"rows": 3}, catalog=_catalog("full_refresh"), state={})
    messages = _run("read", *given)
    assert _ids(messages) == [1, 2, 3]
    assert [message["type"] for message in messages if message["type"] != "RECORD"] == ["TRACE", "TRACE"]


def test_an_incremental_read_resumes_after_its_state(files: Files) -> None:
    """The second read emits the new rows alone."""
    catalog = _catalog("incremental")
    first = _run("read", *files(config={"rows": 3}, catalog=catalog, state={}))
    states = [message["state"] for message in first if message["type"] == "STATE"]
    assert _ids(first) == [1, 2, 3]
    second = _run("read", *files(config={"rows": 5}, catalog=catalog, state=states))
    assert _ids(second) == [4, 5]
