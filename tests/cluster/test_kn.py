"""kn with its plugin on a real cluster: what is deployed is found, and syncs are declared, run and followed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.cluster import kube
from tests.cluster.kube import FUNCTIONS
from tests.cluster.stack import TEST, TEST_VERSION, Stack
from tests.support import canaries
from tests.support.terminal import Ran

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(600)]


def _kn(deployed: Stack, *words: str, stdin: str = "", program: str = "kn") -> Ran:
    """Run kn as a user does whose machine knows Knative's domain: the ingress stands for it as a proxy."""
    server = json.loads(kube.kubectl("config", "view", "--minify", "-o", "json"))["clusters"][0]["cluster"]["server"]
    own = dict(os.environ)  # noqa: TID251 - with the tests' PATH and KUBECONFIG
    environment = own | {
        "PATH": f"{Path(sys.executable).parent}:{own['PATH']}",
        "HTTP_PROXY": deployed.settings.knative_url,
        "NO_PROXY": str(urlsplit(server).hostname),
    }
    # The kn of `make cluster` looks up no plugins: there the plugin is called by itself.
    plugins = "unknown command" not in subprocess.run(
        ["kn", "sync", "version"], env=environment, capture_output=True, text=True, check=False, timeout=60
    ).stderr  # fmt: skip
    command = ["kn", "sync", *words] if program == "kn" and plugins else ["kn-sync", *words]
    done = subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=300
    )
    canaries.refuse("kn's output", done.stdout, done.stderr)
    return Ran(done.returncode, done.stdout, done.stderr)


def test_the_plugin_is_listed_and_finds_the_functions(deployed: Stack) -> None:
    """The only deployment of the cluster, by their own addresses."""
    assert _kn(deployed, "version").out.startswith("Version: ")
    done = _kn(deployed, "tasks", "-o", "json")
    assert (done.code, "tasks" in json.loads(done.out)) == (0, True)
    assert _kn(deployed, "list", "-n", FUNCTIONS).code == 0
    wrong = _kn(deployed, "list", "-n", "default")
    assert (wrong.code in {1, 5}, f"There are some in: {FUNCTIONS}." in wrong.err) == (True, True)
    assert _kn(deployed, "list", "--context", "nowhere").code in {1, 5}


def test_a_sync_is_declared_shown_and_deleted(deployed: Stack) -> None:
    """By the plugin, and kubectl sees the same."""
    name = f"kn-{uuid4().hex[:8]}"
    document = {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name},
        "spec": {"image": f"{TEST}:{TEST_VERSION}", "config": {"do": "rows"}, "schedule": "0 3 * * *"},
    }
    done = _kn(deployed, "apply", "-f", "-", stdin=yaml.safe_dump(document))
    assert (done.code, done.out.strip()) == (0, f"sync/{name} created"), done.err
    try:
        assert f"sync.sync-functions.dev/{name}" in _kn(deployed, "list", "-A", "-o", "name").out.split()
        assert _kn(deployed, "describe", name, "-o", "jsonpath={.spec.schedule}").out == "0 3 * * *\n"
        found = kube.get("sync", name)
        assert found is not None
        assert found["spec"]["schedule"] == "0 3 * * *"
        assert _kn(deployed, "suspend", name).code == 0
        assert _kn(deployed, "describe", name, "-o", "jsonpath={.spec.suspend}").out == "true\n"
    finally:
        assert _kn(deployed, "delete", name).code == 0
    assert kube.get("sync", name) is None


def test_a_sync_runs_and_its_outcome_is_the_exit_code(deployed: Stack) -> None:
    """kn makes it 1; the plugin itself has it."""
    name = f"kn-{uuid4().hex[:8]}"
    document = {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name},
        "spec": {"image": f"{TEST}:{TEST_VERSION}", "config": {"do": "rows"}},
    }
    assert _kn(deployed, "apply", "-f", "-", stdin=yaml.safe_dump(document)).code == 0
    try:
        assert _kn(deployed, "run", name).code == 0
        waited = _kn(deployed, "wait", name, program="kn-sync")
        outcome = _kn(deployed, "describe", name, "-o", "jsonpath={.status.state}").out.strip()
        assert (waited.code, outcome) == (0, "SUCCESS"), waited
        assert _kn(deployed, "logs", name).out
    finally:
        assert _kn(deployed, "delete", name).code == 0
