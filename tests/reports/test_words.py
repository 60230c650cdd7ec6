"""What a connector has to say about itself: which of it is secret, which is an error, and what its reason is."""

import pytest

from tests.reports.conftest import CASES
from tests.support.sidecar_process import SidecarProcess

TABLES = ("source_spec", "source_check", "source_task", "task_log", "syncctl_task", "syncctl_result")


def _everything(sidecar: SidecarProcess) -> str:
    """Everything in the database and in the container's output."""
    rows = [row for table in TABLES for row in sidecar.database.rows(f"SELECT t::text AS t FROM {table} t")]
    return "\n".join(row["t"] for row in rows) + sidecar.output.decode()


@pytest.mark.fault(70)
def test_security_secret_behind_a_reference(sidecar: SidecarProcess) -> None:
    """Once the connector was asked for its specification, a check shows nothing that it marks, and all the rest."""
    case = CASES / "security-secret-behind-a-reference"
    sidecar.give(config=(case / "config.json").read_bytes())
    for command in ("spec", "check"):
        sidecar.exit_code_file.unlink(missing_ok=True)
        sidecar.play((case / f"{command}.jsonl").read_bytes(), COMMAND=command, TASK_ID=command, STORAGE_KEY="k")
    assert not [needle for needle in (case / "needles.txt").read_text().split() if needle in _everything(sidecar)]
    assert "INFO host garden.example.test, greeting ********, motto ********" in sidecar.log
    [row] = sidecar.database.rows("SELECT description FROM source_check")
    assert row["description"] == "refused ******** and ********"
