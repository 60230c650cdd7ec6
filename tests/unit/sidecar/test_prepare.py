"""What lets a source begin is taken away whole, also from one that is just beginning."""

import os
from pathlib import Path

import pytest

from sidecar.early_stop import EarlyStop
from sidecar.prepare import call_off, prepare


@pytest.fixture
def pipes(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def environ(pipes: Path) -> dict[str, str]:
    names = {"STDOUT_PIPE_FILE": "stdout", "STDERR_PIPE_FILE": "stderr", "SOURCE_ALIVE_FILE": "alive"}
    return {"PIPES_FOLDER": str(pipes)} | {variable: str(pipes / name) for variable, name in names.items()}


@pytest.mark.fault(784)
@pytest.mark.parametrize("by", ["a later sidecar", "the end of its own"])
def test_a_source_that_begins_while_its_pipe_is_taken_away_does_not_begin(
    pipes: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """It renames the pipe, opens it, and renames it again: so it may be renamed while the folder is listed."""
    os.mkfifo(pipes / "ready.0")
    names = os.listdir

    def listdir(folder: str) -> list[str]:
        found = names(folder)
        if (pipes / "ready.0").exists():
            (pipes / "ready.0").rename(pipes / "alive.new")
        return found

    monkeypatch.setattr(os, "listdir", listdir)
    if by == "a later sidecar":
        prepare(environ, EarlyStop())
    else:
        call_off(environ)
    assert not (pipes / "alive.new").exists()
