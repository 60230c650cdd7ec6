"""scripts/venv.sh and make: no Python at all, and when .venv is made again."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.machines import BEGIN, SYSTEMS, named, project, release

__all__ = ["project", "release"]  # found here by pytest

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def run_venv(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", project / "scripts" / "venv.sh", *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def no_python(tmp_path: Path) -> str:
    """A PATH with all programs that venv.sh needs, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "dirname", "cat", "id", "sed", "tr", "rm", "awk", "timeout", "grep", "cut"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return str(folder)


@pytest.mark.parametrize("release", SYSTEMS, indirect=True)
def test_no_python_at_all_is_told(project: Path, no_python: str, release: tuple[Path, str]) -> None:
    """By the shell, with the command of this system."""
    done = run_venv(project, PATH=no_python, OS_RELEASE=str(release[0]))
    assert (done.returncode, done.stdout) == (1, BEGIN)
    assert done.stderr.startswith("missing: Python 3.11 or newer. Install it: ")
    assert done.stderr.count("\n") == 1
    assert named(done.stderr) == release[1]


def test_a_named_python_that_is_not_there_is_told(project: Path, no_python: str) -> None:
    """No other is taken in its stead."""
    done = run_venv(project, PATH=f"{no_python}:{os.defpath}", PYTHON="/not/there/python3")
    assert done.returncode == 1
    assert done.stderr.startswith("missing: /not/there/python3 is no Python that runs. Name another: make PYTHON=")
    assert not (project / ".venv").exists()


OLD = """#!/bin/sh
exec {python} -c 'import sys; sys.version_info = {version}; del sys.base_prefix; exec(sys.argv[1])' "$2"
"""
"""Stands for a Python that has no virtual environments and cannot parse scripts/preflight.py."""


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 5, 1)])
def test_a_named_python_that_is_too_old_for_the_preflight_is_told(
    project: Path, tmp_path: Path, version: tuple[int, int, int]
) -> None:
    """It runs, so the message says what is wrong with it."""
    python = tmp_path / "python-old"
    python.write_text(OLD.format(python=sys.executable, version=version))
    python.chmod(0o755)
    done = run_venv(project, PATH=os.defpath, PYTHON=str(python))
    number = ".".join(map(str, version))
    assert (done.returncode, done.stdout) == (1, BEGIN)
    assert done.stderr == (
        f"missing: Python 3.11 or newer; {python} is {number}. Name another: make PYTHON=/path/to/python3 demo\n"
    )


def would_make(project: Path, *arguments: str) -> bool:
    """Whether make would make .venv again."""
    done = subprocess.run(
        ["make", "-n", ".venv/ready", *arguments], cwd=project, check=True, capture_output=True, text=True
    )
    return "sh scripts/venv.sh" in done.stdout


def test_another_python_or_folder_makes_venv_again(project: Path, tmp_path: Path) -> None:
    """And nothing else does: without a network the next `make demo` works with what is there."""
    assert would_make(project)
    venv.create(project / ".venv", with_pip=False, symlinks=True)
    (project / ".venv" / "folder").write_text(f"{project}\n")
    (project / ".venv" / "ready").touch()
    base = f"{sys.base_prefix}/bin/python{VERSION}"
    assert not would_make(project)
    assert not would_make(project, f"PYTHON={base}")
    other = tmp_path / "another"
    other.write_text("#!/bin/sh\necho another Python\n")
    other.chmod(0o755)
    assert would_make(project, f"PYTHON={other}")
    assert would_make(project, "PYTHON=/not/there")
    moved = project.rename(tmp_path / "moved")
    assert would_make(moved)
    (tmp_path / "link").symlink_to(moved)
    (moved / ".venv" / "folder").write_text(f"{moved}\n")
    assert not would_make(tmp_path / "link")
    settings = moved / ".venv" / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace(f"version = {VERSION}.", "version = 3.9."))
    assert would_make(moved), "the system's Python was upgraded"


@pytest.mark.parametrize("code", ["exec sleep 1000", "exit 0"])
def test_a_python_that_hangs_or_says_nothing_is_none(project: Path, tmp_path: Path, code: str) -> None:
    """Instead of a wait without a word, or an error of the shell."""
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{code}\n")
    python.chmod(0o755)
    done = run_venv(project, PATH=os.defpath, PYTHON=str(python))
    assert done.returncode == 1
    assert done.stderr.startswith(f"missing: {python} is no Python that runs. ")
