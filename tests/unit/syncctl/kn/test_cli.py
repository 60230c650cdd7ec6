"""The plugin as kn calls it: its verbs are those of syncctl, on the deployment that the cluster leads to."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncctl.kn.cli import app, verb_first
from tests.support.fake_deployment import TOKEN, FakeDeployment
from tests.support.fake_knative import FakeKnative
from tests.support.terminal import Ran

IMAGE = "airbyte/source-faker:7.2.1"
Run = Callable[..., Ran]
PLUGIN = Path(sys.executable).with_name("kn-sync")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["list", "-n", "x"], ["list", "-n", "x"]),
        (["-n", "x", "list", "-A"], ["list", "-n", "x", "-A"]),
        (["--kubeconfig=f", "-A", "list"], ["list", "--kubeconfig=f", "-A"]),
        (["-h"], ["-h"]),
        (["-h", "list"], ["list", "-h"]),
        (["-o", "json"], ["-o", "json"]),
        ([], []),
    ],
)
def test_options_may_stand_before_the_verb(given: list[str], expected: list[str]) -> None:
    """kn takes its own words out of the line, and leaves the options where they are."""
    assert verb_first(given) == expected


def test_a_verb_finds_the_deployment_and_the_token(run: Run, server: FakeDeployment) -> None:
    """Nothing has to be named but a kubeconfig."""
    done = run("tasks", "-o", "json")
    assert [one["taskId"] for one in json.loads(done.out)["tasks"]] == ["t1"]
    headers = server.requests[-1].headers
    assert (headers["Host"], headers["Authorization"]) == ("tasks.sync.test", f"Bearer {TOKEN}")


def test_the_deployment_may_be_named(server: FakeDeployment) -> None:
    """Then no kubeconfig is read."""
    environment = {"KUBECONFIG": "/nothing", "SYNCCTL_TOKEN": TOKEN}
    done = CliRunner().invoke(app, ["tasks", "t1", "--url", server.url], env=environment)
    assert (done.exit_code, "hello" in done.stdout) == (0, True)


def test_a_missing_deployment_is_exit_code_5(run: Run, knative: FakeKnative) -> None:
    """With -o json an object, as every error."""
    knative.services.clear()
    done = run("tasks", "-n", "team-a", "-o", "json")
    assert (done.code, json.loads(done.out)["ok"]) == (5, False)
    assert done.err.startswith("syncctl: The namespace team-a has no sync-functions.")


@pytest.mark.fault(414)
def test_the_connector_s_configuration_is_not_kn_s(run: Run, tmp_path: Path) -> None:
    """kn reads --config wherever it stands, and writes to a file that is not there."""
    config = tmp_path / "config.json"
    config.write_text('{"count": 5}')
    assert run("check", IMAGE, "--config", str(config)).code == 2
    assert "--config" not in run("check", "--help").out.replace("--connector-config", "")
    for name in ("-c", "--connector-config"):
        assert "There is no task check" in run("check", IMAGE, name, str(config)).err


def test_usage_errors_are_objects_with_json(run: Run) -> None:
    """In each spelling of the option."""
    for spelling in (["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json"]):
        done = run(*spelling, "tasks", "--nothing")
        assert (done.code, json.loads(done.out)["ok"]) == (2, False)


def test_without_a_verb_the_help_is_shown(run: Run) -> None:
    """kn hands nothing on then."""
    done = run()
    assert "Exit codes: kn turns every one but 0 into 1." in " ".join((done.out + done.err).split())


def test_the_program_is_the_plugin_by_its_name(knative: FakeKnative, tmp_path: Path) -> None:
    """As installed, and as a link to syncctl in kn's folder of plugins; messages name kn's verbs."""
    link = tmp_path / "kn-sync"
    link.symlink_to(Path(sys.executable).with_name("syncctl"))
    for program in (PLUGIN, link):
        done = subprocess.run(
            [program, "tasks", "nothing"],
            env=dict(os.environ) | {"KUBECONFIG": str(knative.kubeconfig)},  # noqa: TID251 - the tests' own
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 5
        assert done.stderr.startswith("kn sync: There is no task nothing at ")
        assert "`kn sync tasks` lists them" in done.stderr
