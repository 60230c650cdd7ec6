"""examples/orchestrators against the one-machine edition: each starts a sync, waits for its end, and cancels it."""

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.support.edition_process import EditionProcess
from tests.support.fake_bulker import wait_for

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/orchestrators"
STAND_INS = ROOT / "tests/support/orchestrators"


@pytest.fixture
def deployment(edition: EditionProcess, tmp_path: Path) -> Iterator[EditionProcess]:
    """One with two declared syncs: `orders`, which succeeds, and `stuck`, whose connector never answers."""
    (tmp_path / "offered.json").write_text(json.dumps({"herbs": {}}))
    for name, image, config in (
        ("orders", "case/garden:1", {"offered": str(tmp_path / "offered.json")}),
        ("stuck", "case/bad:1", {"mode": "hangs"}),
    ):
        spec = {"image": image, "config": config, "prefix": f"{name}_"}
        document = {
            "apiVersion": "sync-functions.dev/v1alpha1",
            "kind": "Sync",
            "metadata": {"name": name},
            "spec": spec,
        }
        assert edition.ask("/syncs", document, "PUT")[0] == 200
    yield edition
    for name in ("orders", "stuck"):
        assert edition.ask(f"/syncs/{name}", method="DELETE")[0] == 200


def _variables(edition: EditionProcess) -> dict[str, str]:
    return {"SYNCCTL_URL": edition.url, "SYNCCTL_TOKEN": edition.token, "SYNCCTL_POLL_SECONDS": "0.2"}


def _started(command: list[str], edition: EditionProcess) -> "subprocess.Popen[str]":
    env = {"PATH": os.defpath} | _variables(edition)
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _state(edition: EditionProcess, task: str) -> Any:
    status, answer = edition.ask(f"/tasks/{task}")
    return answer["task"]["state"] if status == 200 else None


def _argo(sync: str, attempt: str) -> list[str]:
    """The command of the workflow's container, with Argo's parameters filled in; the ConfigMap holds the program."""
    template = yaml.safe_load((EXAMPLES / "argo_workflow.yaml").read_text())["spec"]["templates"][0]
    container = template["container"]
    assert {"name": "run-sync", "configMap": {"name": "run-sync"}} in template["volumes"]
    assert [one["mountPath"] for one in container["volumeMounts"]] == ["/run-sync"]
    assert [one["name"] for one in container["env"]] == ["SYNCCTL_URL", "SYNCCTL_TOKEN"]
    filled = {"{{workflow.parameters.sync}}": sync, "{{workflow.uid}}": "w1", "{{retries}}": attempt}
    words = " ".join([*container["command"], *container["args"]]).replace("/run-sync/", f"{EXAMPLES}/")
    for name, value in filled.items():
        words = words.replace(name, value)
    assert "{{" not in words
    return [sys.executable, *words.split()[1:]]


@pytest.mark.fault(622)
@pytest.mark.parametrize("argo", [False, True], ids=["python", "argo"])
def test_a_program_runs_a_sync_and_cancels_it_when_it_is_ended(deployment: EditionProcess, *, argo: bool) -> None:
    """Exit codes for both; repeated with its taskId it finds the task that there is; SIGTERM cancels."""

    def command(sync: str, number: str) -> list[str]:
        plain = [sys.executable, str(EXAMPLES / "run_sync.py"), sync, "--task-id", f"plain-{number}"]
        return _argo(sync, number) if argo else plain

    for _ in range(2):
        run = _started(command("orders", "1"), deployment)
        out, errors = run.communicate(timeout=90)
        assert (run.returncode, "ended SUCCESS: 1 rows." in out) == (0, True), errors
    stuck = _started(command("stuck", "2"), deployment)
    task = f"{'argo-w1' if argo else 'plain'}-2"
    wait_for(lambda: _state(deployment, task), 60, "the task")
    stuck.send_signal(signal.SIGTERM)
    stuck.communicate(timeout=60)
    assert stuck.returncode == 128 + signal.SIGTERM
    assert _state(deployment, task) == "CANCELLED"
    unknown = _started(command("unknown", "3"), deployment)
    assert "No sync is declared as 'unknown'" in unknown.communicate(timeout=60)[1]
    assert unknown.returncode == 1


@pytest.fixture
def _imports(deployment: EditionProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand-ins in the place of Airflow and Dagster (tests/support/orchestrators/README.md), and the variables."""
    before = set(sys.modules)
    for folder in (STAND_INS, EXAMPLES):
        monkeypatch.syspath_prepend(folder)
    for name, value in _variables(deployment).items():
        monkeypatch.setenv(name, value)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"airflow", "dagster", "run_sync"}:
            del sys.modules[name]


@pytest.mark.usefixtures("_imports")
def test_the_operator_of_airflow_runs_a_sync_and_cancels_it(deployment: EditionProcess) -> None:
    """With a taskId for each try; on_kill ends what execute has started, and may come before and after that."""
    made = runpy.run_path(str(EXAMPLES / "airflow_dag.py"))
    [operator] = made["DAG"].operators
    operator.on_kill()
    instance = SimpleNamespace(dag_id="orders", task_id=operator.task_id, run_id="manual__2026-11-30T08:00:00+00:00", try_number=1)  # fmt: skip
    streams = operator.execute({"ti": instance})
    assert streams["herbs"]["stored"] == 1
    operator.on_kill()
    task = f"orders.read_orders.{instance.run_id}.1".replace("+", "%2B")
    assert _state(deployment, task) == "SUCCESS"


@pytest.mark.usefixtures("_imports")
def test_the_asset_of_dagster_runs_a_sync(deployment: EditionProcess) -> None:
    """And its metadata has the rows; another end is an error with the reason."""
    made = runpy.run_path(str(EXAMPLES / "dagster_definitions.py"))
    [orders] = made["definitions"].assets
    context = made["AssetExecutionContext"]
    assert orders(context("r1", 0)).metadata == {"rows": 1, "task": "dagster-r1-0"}


@pytest.mark.fault(622)
@pytest.mark.usefixtures("_imports")
def test_an_interrupt_cancels_what_was_started(deployment: EditionProcess) -> None:
    """As Dagster's, which is an exception of its own in the middle of the wait; a failed task does not interrupt."""
    from examples.orchestrators import run_sync

    class Interrupt(BaseException):
        """What an orchestrator raises."""

    class Impatient(run_sync.Deployment):
        def wait(self, task_id: str) -> dict[str, Any]:
            raise Interrupt(task_id)

    with pytest.raises(Interrupt):
        Impatient.from_environment().run("stuck", "interrupted")
    assert _state(deployment, "interrupted") == "CANCELLED"
    with pytest.raises(run_sync.SyncFailed, match="interrupted ended CANCELLED"):
        run_sync.Deployment.from_environment().run("stuck", "interrupted")
