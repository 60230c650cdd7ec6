"""Other systems than this one, and the project's files that make .venv."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUDO = "" if os.geteuid() == 0 else "sudo "

SYSTEMS = {
    "debian": ("ID=debian\nVERSION_ID=12\n", "apt"),
    "mint": ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "apt"),
    "fedora": ("NAME=Fedora\nID=fedora\n", "dnf"),
    "rocky": ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
    "arch": ("ID=arch\n", "pacman"),
    "manjaro": ("ID=manjaro\nID_LIKE=arch\n", "pacman"),
    "unknown": ("ID=slackware\nHOME_URL=https://debian.example.org\n", "apt dnf pacman"),
}
BEGIN = "Checking this machine, and then installing the packages into .venv (a minute or more) ...\n"
"""The first words of scripts/venv.sh."""
PACKAGE_MANAGERS = ("apt", "dnf", "pacman")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that make .venv, in a folder with blanks."""
    folder = tmp_path / "a folder"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("embedded/__init__.py", "embedded/connectors/__init__.py", "embedded/connectors/package_settings.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def release(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A system's os-release, and its package managers."""
    text, managers = SYSTEMS[request.param]
    (tmp_path / "os-release").write_text(text)
    return tmp_path / "os-release", managers


def named(text: str) -> str:
    """The package managers in a text."""
    return " ".join(name for name in PACKAGE_MANAGERS if f"{SUDO}{name} " in text)
