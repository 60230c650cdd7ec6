"""The entry point."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_foreign_package_called_common_is_named(tmp_path: Path) -> None:
    """PYTHONPATH comes before the packages of .venv."""
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "__init__.py").touch()
    program = Path(sys.executable).with_name("syncctl")
    variables = {"PYTHONPATH": str(tmp_path), "PATH": os.defpath}
    done = subprocess.run([program, "--version"], check=False, env=variables, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"syncctl: {tmp_path}/common hides this program's own package. Unset PYTHONPATH, and try again.\n"
    )
