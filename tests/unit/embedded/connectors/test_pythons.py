"""Which versions of Python a Requires-Python has room for."""

import sys
from pathlib import Path

import pytest

from embedded.connectors import pythons


@pytest.mark.parametrize(
    ("requires", "version", "allowed"),
    [
        ("", "3.13.1", True),
        (">=3.10,<3.13", "3.12", True),
        (">=3.10,<3.13", "3.13", False),
        (">=3.10,<3.13", "3.13.0", False),
        (">=3.10,<3.13", "3.12.9", True),
        (">=3.10.4", "3.10", True),
        (">=3.10.4", "3.10.1", False),
        ("<=3.11", "3.11", True),
        (">=3.6.*", "3.11", True),
        ("what?", "3.11", True),
    ],
)
def test_a_range_has_room_for_a_version(requires: str, version: str, allowed: bool) -> None:
    """A minor version counts if any of its releases does; a range that cannot be read excludes none."""
    assert pythons.allows(requires, version) is allowed


def test_ours_is_known_and_the_newest_is_not_older() -> None:
    """Versions compare as numbers: 3.9 is older than 3.14."""
    assert pythons.same(pythons.OURS, f"{sys.version_info[0]}.{sys.version_info[1]}")
    assert int(pythons.newest().split(".")[1]) >= 14


def test_an_environments_python_is_read_from_its_own_file(tmp_path: Path) -> None:
    """As uv writes it, and as the standard library does."""
    for line in ("version_info = 3.12.4", "version = 3.12.4"):
        (tmp_path / "pyvenv.cfg").write_text(f"home = /usr/bin\n{line}\ninclude-system-site-packages = false\n")
        assert pythons.version_of(tmp_path) == "3.12.4"
