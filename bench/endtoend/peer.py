"""PyAirbyte into DuckDB, in a virtual environment of its own: neither the project nor `dev` depends on it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.endtoend.connector import Connector, Work
from embedded import files
from embedded.connectors import uv
from embedded.settings import environment

_PACKAGE, _VERSION = "airbyte", "0.71.3"
_HOME = Path(__file__).parents[2] / "build" / "endtoend" / f"pyairbyte-{_VERSION}"
_PROGRAM = Path(__file__).with_name("pyairbyte_read.py")
_QUIET = {"DO_NOT_TRACK": "1", "AIRBYTE_OFFLINE_MODE": "1", "NO_COLOR": "1"}
"""Its registry and telemetry are on the network, and would be part of its time."""
_LAST_LINES = 3


class Missing(Exception):
    """PyAirbyte cannot be had here; the text is why."""


class Peer:
    """PyAirbyte, installed on the first use; raise Missing if that is not possible."""

    def __init__(self) -> None:
        self._variables = uv.uv_variables(environment())
        if not (_HOME / "ready").exists():
            self._install()

    def read(self, connector: Connector, work: Work, folder: Path) -> float:
        """Return the seconds of a read into a new DuckDB file, without the imports."""
        wanted = {"executable": connector.executable, "config": work.config, "streams": work.streams}
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            ran = subprocess.run(
                [_HOME / "bin" / "python", _PROGRAM, json.dumps(wanted)],
                cwd=scratch, env=self._variables | _QUIET, capture_output=True, text=True, check=False,
            )  # fmt: skip
        if ran.returncode:
            raise RuntimeError(f"PyAirbyte failed: {_last(ran.stderr)}")
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        assert found["rows"] == work.rows, found
        return float(found["seconds"])

    def _install(self) -> None:
        _HOME.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"Installing PyAirbyte {_VERSION} into {_HOME}, for this bench alone ...\n")
        sys.stdout.flush()
        with files.lock(_HOME.parent, lambda: None) as lock:
            for arguments in (
                ("venv", "--no-project", "--clear", "--python", sys.executable, str(_HOME)),
                ("pip", "install", "--compile-bytecode", "--python", str(_HOME / "bin" / "python"),
                 f"{_PACKAGE}=={_VERSION}"),
            ):  # fmt: skip
                code, output = uv.run(arguments, self._variables, lock)
                if code:
                    raise Missing(uv.summary(output) or f"uv ended with code {code}")
        (_HOME / "ready").touch()


def _last(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-_LAST_LINES:])
