"""A rig that plays a case's recording to the real sidecar, with a recording Bulker or the real warehouse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sidecar_process import SidecarProcess

CASES = Path(__file__).parent / "cases"


Replay = Callable[..., SidecarProcess]


@pytest.fixture
def replay(sidecar: SidecarProcess) -> Replay:
    """Plays a case to its end: `replay("protocol-deep-nesting", exit_code=0)`."""

    def play(case: str, exit_code: int | None = 0, **environment: str) -> SidecarProcess:
        folder = CASES / case
        for name in ("catalog", "state", "config"):
            if (file := folder / f"{name}.json").exists():
                sidecar.give(**{name: file.read_bytes()})
        if exit_code == 0 and (code := folder / "exit-code").exists():
            exit_code = int(code.read_text())
        sidecar.environment |= environment
        assert sidecar.play((folder / "read.jsonl").read_bytes(), exit_code=exit_code) == 0, sidecar.output
        assert "Traceback" not in sidecar.ours["reason"]
        assert sidecar.task["status"] != "RUNNING"
        return sidecar

    return play
