"""Leaving: knative/leave.sh ends what runs; afterwards nothing is left that a removal could strand."""

from collections.abc import Iterator

import pytest

from tests.cluster import declared, kube
from tests.cluster.kube import FUNCTIONS, TASKS
from tests.cluster.stack import ROOT, Stack, overlay, started

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(600)]


@pytest.fixture
def applied_again(deployed: Stack) -> Iterator[None]:
    """An apply of the overlay takes it all back."""
    yield
    with overlay() as folder:
        kube.kubectl("apply", "-k", str(folder))
    kube.kubectl("wait", "--for=condition=Ready", "ksvc", "--all", "-n", FUNCTIONS, "--timeout=300s")


@pytest.mark.fault(99)
def test_leaving_ends_what_runs(deployed: Stack, applied_again: None):
    """A read that hangs, one that has just been accepted, and a run that waits for its streams are CANCELLED.

    No pod or Secret stays, nothing new starts, and the syncs stay declared.
    """
    hanging = deployed.start("hang")
    started(hanging["taskId"])
    accepted = deployed.start("hang")
    with declared.declared(image="dev.local/never:1", schedule="* * * * *") as name:
        waits = declared.run(deployed, name)
        _leave(deployed, hanging["taskId"], accepted["taskId"], waits)
        assert kube.get("sync", name) is not None


def _leave(deployed: Stack, *tasks: str) -> None:
    said = kube.run("sh", str(ROOT / "knative/leave.sh"), FUNCTIONS)
    assert "Nothing runs any more." in said
    for task in tasks:
        assert deployed.task(task)["status"] == "CANCELLED"
    assert deployed.rows("SELECT task_id FROM syncctl.syncctl_task WHERE state IN ('PENDING', 'RUNNING')") == []
    assert kube.items("pod", TASKS, kube.CREATOR) == []
    kube.wait_for("their Secrets are gone", lambda: not kube.items("secret", TASKS, kube.CREATOR), 60)
    assert kube.get("ksvc", "read", FUNCTIONS) is None
    # Safe to repeat.
    assert "cancelled=0" in kube.run("sh", str(ROOT / "knative/leave.sh"), FUNCTIONS)
