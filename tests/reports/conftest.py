"""A rig that plays a case's recording to the real sidecar, with a recording Bulker or the real warehouse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.rig import Rig

CASES = Path(__file__).parent / "cases"


Replay = Callable[..., Rig]


@pytest.fixture
def replay(rig: Rig) -> Replay:
    """Plays a case to its end: `replay("protocol-deep-nesting", exit_code=0)`."""

    def play(case: str, exit_code: int | None = 0, **environment: str) -> Rig:
        folder = CASES / case
        for name in ("catalog", "state", "config"):
            if (file := folder / f"{name}.json").exists():
                rig.give(**{name: file.read_bytes()})
        if exit_code == 0 and (code := folder / "exit-code").exists():
            exit_code = int(code.read_text())
        rig.environment |= environment
        assert rig.play((folder / "read.jsonl").read_bytes(), exit_code=exit_code) == 0, rig.output
        assert "Traceback" not in rig.ours["reason"]
        assert rig.task["status"] != "RUNNING"
        return rig

    return play
