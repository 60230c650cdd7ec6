"""Every pinned package has a wheel for both processors and each Python; no machine of that kind is needed to see it."""

import subprocess
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]


def look_up(platform: str, python: str, empty: Path) -> subprocess.CompletedProcess[str]:
    """Ask the package index, as an installation would that may not build anything."""
    return subprocess.run(
        [find_uv_bin(), "pip", "install", "--dry-run", "--no-deps", "--only-binary", ":all:",
         "--python-platform", platform, "--python-version", python, "--target", empty,
         "--require-hashes", "-r", ROOT / "requirements.lock"],
        check=False, capture_output=True, text=True, cwd=empty,
    )  # fmt: skip


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_each_package_has_a_wheel(processor: str, python: str, tmp_path: Path) -> None:
    """For the oldest glibc that scripts/preflight.py lets pass."""
    done = look_up(f"{processor}-manylinux_2_28", python, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n + ") > 50


@pytest.mark.parametrize("platform", ["x86_64-unknown-linux-musl", "riscv64-unknown-linux", "x86_64-manylinux_2_17"])
def test_others_have_not(platform: str, tmp_path: Path) -> None:
    """As scripts/preflight.py tells; once they have, it may let them pass."""
    done = look_up(platform, "3.11", tmp_path)
    assert done.returncode == 1
    assert "no usable wheels" in done.stderr or "no wheels with a matching platform tag" in done.stderr
