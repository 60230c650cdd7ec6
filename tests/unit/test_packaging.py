"""The wheel: what a browser gets is in it, since no build step could make it where it is installed."""

import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from tests.support.docs import ROOT


def test_the_wheel_has_the_console_s_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them, and byte for byte."""
    monkeypatch.chdir(ROOT)
    static = ROOT / "functions/console/static"
    files = {path.relative_to(ROOT).as_posix(): path for path in static.rglob("*") if path.is_file()}
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        assert files.keys() <= set(wheel.namelist())
        for name, path in files.items():
            assert wheel.read(name) == path.read_bytes(), name


def test_an_image_gets_the_console_s_files() -> None:
    """The build's context leaves out all that is not named, and the image has every function's folder."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "!functions" in ignored
    assert "COPY functions /app/functions" in (ROOT / "images/functions/Dockerfile").read_text(encoding="utf-8")
    assert [line for line in ignored if line.startswith("**")] == ["**/__pycache__", "**/*.pyc"]
