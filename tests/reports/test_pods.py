"""Pods that ended in ways that others took for success, or waited for for ever."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from common.failures import FailureKind, FailureOrigin
from common.pods import explain, scripts
from common.pods.diagnosis import Clock, Limits, diagnose
from common.pods.ends import Verdict
from common.protocol.commands import Command
from tests.reports.conftest import CASES
from tests.support.fake_bulker import FakeBulker
from tests.support.sidecar_process import SidecarProcess, catalog, record, state, status
from tests.support.wire import as_pod

NOW = explain.unix_seconds("2026-09-21T10:08:20Z", 0)
LIMITS = Limits(init_seconds=180, task_seconds=48 * 3600, silence_seconds=3720)


def _pod(case: str, file: str = "pod.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / case / file).read_text())
    return found


def _verdict(pod: dict[str, Any], now: float = NOW) -> Verdict:
    verdict = diagnose(as_pod(pod), Clock(now), LIMITS)
    assert verdict is not None
    return verdict


@pytest.mark.fault(26, 73)
def test_pods_failed_without_container_status_evicted() -> None:
    """Infrastructure, retryable, with the node's message."""
    verdict = _verdict(_pod("pods-failed-without-container-status", "evicted.json"))
    assert (verdict.failure.policy.origin, verdict.failure.policy.retry, verdict.clean_end) == (
        FailureOrigin.PLATFORM,
        True,
        False,
    )
    assert "evicted" in verdict.reason
    assert "low on resource: ephemeral-storage. Threshold quantity: 2Gi, available: 1310Mi" in verdict.reason


@pytest.mark.fault(73)
def test_pods_failed_without_container_status_bare() -> None:
    """Infrastructure, naming the node, and that Kubernetes gave no reason."""
    verdict = _verdict(_pod("pods-failed-without-container-status", "bare.json"))
    assert (verdict.failure.policy.origin, verdict.failure.policy.retry, verdict.clean_end) == (
        FailureOrigin.PLATFORM,
        True,
        False,
    )
    assert "Kubernetes gave no reason" in verdict.reason
    assert "node-7" in verdict.reason


@pytest.mark.fault(102)
def test_pods_injected_init_fails() -> None:
    """The platform's, by the container's name, exit code and message, and that it is not ours."""
    verdict = _verdict(_pod("pods-injected-init-fails"), explain.unix_seconds("2026-11-20T10:08:20Z", 0))
    assert (verdict.failure.kind, verdict.failure.policy.origin) == (FailureKind.INJECTED, FailureOrigin.PLATFORM)
    assert verdict.failure.message.startswith("mesh-init is not one of ours (something in the cluster injects it) and")
    assert "ended with exit code 1: " in verdict.failure.message
    assert not re.search("no reason|image|connector", verdict.reason)


@pytest.mark.fault(103)
@pytest.mark.parametrize("command", ["read", "check"])
def test_pods_entry_point_not_set(sidecar: SidecarProcess, command: str) -> None:
    """The pod's own script beside the real sidecar: the image is to blame, and how it has to be is shown."""
    assert '"type": "SPEC"' in (CASES / "pods-entry-point-not-set/connector.py").read_text()
    sidecar.give(catalog=catalog("plants"), config={}, state={})
    sidecar.database.rows("UPDATE syncctl_task SET command = :c", c=command)
    with sidecar.start(COMMAND=command) as process:
        os.mkfifo(sidecar.folder / "pipes/ready.1")  # the harness has made the other two
        environment = {"PATH": os.defpath, "MOUNT_PIPES": str(sidecar.folder / "pipes")}
        script = ["sh", "-c", scripts.source(Command(command))]
        assert subprocess.run(script, env=environment, timeout=20, check=False).returncode == 127
        assert process.wait(60) == 0
    sidecar.sweep()
    failure = sidecar.ours["failure"]
    assert (failure["kind"], failure["origin"]) == ("image_unusable", "user")
    assert "AIRBYTE_ENTRYPOINT is not set, or blank" in failure["message"]
    assert 'ENV AIRBYTE_ENTRYPOINT="python /connector.py"' in sidecar.ours["reason"]


def test_pods_sigkill_while_sidecar_waits() -> None:
    """Failed minutes after the source's end at most, not at the task's time-out."""
    pod = _pod("pods-sigkill-while-sidecar-waits")
    verdict = _verdict(pod)
    assert verdict.failure.message == "source was killed (signal 9; often memory: limit 2Gi)."
    assert verdict.failure.policy.origin is FailureOrigin.SOURCE
    assert diagnose(as_pod(pod), Clock(NOW - 190), LIMITS) is None


@pytest.mark.parametrize("incremental", [True, False])
def test_pods_sigkill_the_sidecar_alone_ends_by_itself(
    sidecar: SidecarProcess, bulker: FakeBulker, *, incremental: bool
) -> None:
    """Pipes at their end and no exit code: no success, only what was acknowledged is saved, no cut refresh."""
    sidecar.give(catalog=catalog("plants", incremental=incremental), config={}, state=[{}] if incremental else {})
    messages = [status("plants", "STARTED"), record("plants", {"id": 1}), state("plants", {"n": 1})]
    sidecar.play([*messages, record("plants", {"id": 2})], exit_code=None)
    assert sidecar.task["status"] != "SUCCESS"
    assert "no exit code" in sidecar.ours["reason"]
    saved = sidecar.database.rows("SELECT stream, state FROM source_state")
    assert saved == ([{"stream": "plants", "state": {"n": 1}}] if incremental else [])
    assert len(bulker.committed("plants")) == incremental


def test_pods_log_tail_is_not_utf_8() -> None:
    """The verdict asks for the log of the container that failed; the sweep decodes it (tests/integration)."""
    verdict = _verdict(_pod("pods-log-tail-is-not-utf-8"))
    assert verdict.wants_log == "source"
    assert Path(CASES / "pods-log-tail-is-not-utf-8/log.bin").read_bytes().find(b"f\xfcr") > 0
