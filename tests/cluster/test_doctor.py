"""A real deployment, broken in twelve ways: doctor names each. Whatever a test breaks, it restores."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster import kube, stack
from tests.cluster.kube import BACKING, FUNCTIONS, TASKS
from tests.cluster.stack import Stack
from tests.support import canaries

pytestmark = pytest.mark.timeout(900)

ENFORCE = "pod-security.kubernetes.io/enforce"
Report = dict[str, list[dict[str, str]]]


def doctor(deployed: Stack) -> Report:
    """All findings by check, as a user sees them whose machine knows Knative's domain."""
    server = json.loads(kube.kubectl("config", "view", "--minify", "-o", "json"))["clusters"][0]["cluster"]["server"]
    environment = dict(os.environ) | {  # noqa: TID251 - with the tests' PATH and KUBECONFIG
        "HTTP_PROXY": deployed.settings.knative_url,
        "NO_PROXY": str(urlsplit(server).hostname),
    }
    command = [str(Path(sys.executable).with_name("syncctl")), "doctor", "-n", FUNCTIONS, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    canaries.refuse("doctor's output", done.stdout, done.stderr)
    report = json.loads(done.stdout)
    assert "findings" in report, done.stdout + done.stderr
    assert done.returncode == (0 if report["ok"] else 1), done.stderr
    found: Report = {}
    for one in report["findings"]:
        assert one["level"] == "ok" or one["advice"], one
        found.setdefault(one["check"], []).append(one)
    return found


def bad(report: Report) -> set[tuple[str, str]]:
    """What is not as it should be, by check and message."""
    return {(one["check"], one["message"]) for some in report.values() for one in some if one["level"] != "ok"}


@pytest.fixture(scope="module")
def well(deployed: Stack) -> Report:
    """The deployment as it is; this cluster enforces no NetworkPolicy, and requires no tokens."""
    assert deployed.call("tasks", "GET").status_code == 200  # its tables are there
    return doctor(deployed)


def test_a_deployment_that_is_well(well: Report) -> None:
    """Only what development leaves out is named: tokens, a quota, and a plugin that enforces policies.

    The cluster of `make cluster` is built from Knative's sources, whose label calls them devel.
    """
    left_out = {"tokens", "quota", "connections", "network", "knative-serving", "knative-eventing"}
    assert {check for check, _ in bad(well)} <= left_out, bad(well)
    assert {"postgres-functions", "postgres-tasks", "bulker", "rights", "functions", "clock"} <= set(well)
    kube.wait_for("doctor's pods and its Secret are gone", lambda: not _left(), 60)


def _left() -> list[dict[str, Any]]:
    selector = "app.kubernetes.io/component=doctor"
    kinds = ((kind, namespace) for kind in ("pod", "secret") for namespace in (FUNCTIONS, TASKS))
    return [one for kind, namespace in kinds for one in kube.items(kind, namespace, selector)]


@contextmanager
def _without(kind: str, name: str, namespace: str) -> Iterator[None]:
    """An object is gone for the length of the block."""
    found = kube.get(kind, name, namespace)
    assert found is not None
    kube.kubectl("delete", kind, name, "-n", namespace, "--wait=true")
    try:
        yield
    finally:
        _apply_again(found)


def _apply_again(found: dict[str, Any]) -> None:
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "ownerReferences"):
        found["metadata"].pop(name, None)
    found.pop("status", None)
    kube.apply(found)


@contextmanager
def _patched(kind: str, name: str, namespace: str, patch: dict[str, Any], back: dict[str, Any]) -> Iterator[None]:
    def send(body: dict[str, Any]) -> None:
        where = ["-n", namespace] if namespace else []
        kube.kubectl("patch", kind, name, *where, "--type=merge", "-p", json.dumps(body))

    send(patch)
    try:
        yield
    finally:
        send(back)


@contextmanager
def _sql(broken: str, mended: str) -> Iterator[None]:
    def run(text: str) -> None:
        psql = "$(dirname $(readlink /proc/1/exe))/psql -X -q postgresql://sync:development-only@127.0.0.1/sync"
        kube.kubectl("exec", "-n", BACKING, "deploy/postgres", "--", "sh", "-c", f'{psql} -c "{text}"')

    run(broken)
    try:
        yield
    finally:
        run(mended)


def _cronjob(*, suspend: bool) -> dict[str, Any]:
    return {"spec": {"suspend": suspend}}


def _suspended() -> AbstractContextManager[None]:
    return _patched("cronjob", "sweep", FUNCTIONS, _cronjob(suspend=True), _cronjob(suspend=False))


def _label(level: str) -> dict[str, Any]:
    return {"metadata": {"labels": {ENFORCE: level}}}


def _privileged() -> AbstractContextManager[None]:
    return _patched("namespace", TASKS, "", _label("privileged"), _label("restricted"))


def _given() -> list[dict[str, Any]]:
    """Where the functions' variables come from; overlays give these objects names with hashes."""
    read = kube.get("ksvc", "read", FUNCTIONS)
    assert read is not None
    return list(read["spec"]["template"]["spec"]["containers"][0]["envFrom"])


def _settings(**values: str) -> AbstractContextManager[None]:
    """The ConfigMap has other values; instances that run keep theirs, and doctor reads it where it is."""
    [name] = [one["configMapRef"]["name"] for one in _given() if "configMapRef" in one]
    before = stack.deployed_settings()
    back = {key: before.get(key) for key in values}
    return _patched("configmap", name, FUNCTIONS, {"data": values}, {"data": back})


def _wrong_token() -> AbstractContextManager[None]:
    key = "SYNCCTL_BULKER_AUTH_TOKEN"
    secrets = [kube.get("secret", one["secretRef"]["name"], FUNCTIONS) for one in _given() if "secretRef" in one]
    [found] = [one for one in secrets if one and key in one["data"]]
    changed = {"data": {key: base64.b64encode(b"wrong").decode()}}
    return _patched("secret", found["metadata"]["name"], FUNCTIONS, changed, {"data": {key: found["data"][key]}})


@contextmanager
def _full_quota() -> Iterator[None]:
    metadata = {"name": "tiny", "namespace": TASKS}
    kube.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"limits.cpu": "2"}}}
    )
    try:
        yield
    finally:
        kube.kubectl("delete", "resourcequota", "tiny", "-n", TASKS)


@contextmanager
def _no_gateway() -> Iterator[None]:
    kube.kubectl("scale", "deployment/gateway", "-n", FUNCTIONS, "--replicas=0")
    try:
        kube.kubectl("wait", "--for=delete", "pod", "-l", "app=gateway", "-n", FUNCTIONS, "--timeout=90s")
        yield
    finally:
        kube.kubectl("scale", "deployment/gateway", "-n", FUNCTIONS, "--replicas=1")
        kube.kubectl("wait", "--for=condition=Available", "deployment/gateway", "-n", FUNCTIONS, "--timeout=120s")


_NO_DATABASE = "postgresql://sync:x@nowhere.invalid:5432/sync?search_path=newjitsu&connect_timeout=3"
_REVOKED = "ALTER TABLE syncctl.syncctl_migration RENAME TO hidden"
BROKEN: dict[str, tuple[Callable[[], AbstractContextManager[None]], str, str]] = {
    "cronjob": (_suspended, "cronjob", "is suspended"),
    "events": (lambda: _without("apiserversource", "pod-events", FUNCTIONS), "events", "is missing"),
    "rights": (lambda: _without("rolebinding", "starter", TASKS), "rights", "The account read of sync-functions may not"),
    "policy": (lambda: _without("networkpolicy", "tasks", TASKS), "network-policy", "limits Ingress and Egress"),
    "pod-security": (_privileged, "pod-security", "enforces privileged"),
    "quota": (_full_quota, "quota", "The quota tiny allows limits.cpu 2"),
    "gateway": (_no_gateway, "gateway", "no pod that is available"),
    "image": (
        lambda: _settings(SYNCCTL_SIDECAR_IMAGE="dev.local/sync-functions/sidecar:none"), "task-pod", "cannot be pulled",
    ),
    "bulker": (lambda: _settings(SYNCCTL_BULKER_URL="http://nowhere.invalid:3042"), "bulker", "cannot be reached"),
    "token": (_wrong_token, "bulker", "refuses the token"),
    "database": (
        lambda: _settings(SYNCCTL_SIDECAR_DATABASE_URL=_NO_DATABASE), "postgres-tasks", "cannot be reached",
    ),
    "tables": (
        lambda: _sql(_REVOKED, "ALTER TABLE syncctl.hidden RENAME TO syncctl_migration"),
        "postgres-functions", "The versions of our tables cannot be read",
    ),
}  # fmt: skip


@pytest.mark.fault(643)
@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_named(deployed: Stack, well: Report, broken: str) -> None:
    """By its own check, in words that name it; what was well before and has nothing to do with it, stays well."""
    change, check, words = BROKEN[broken]
    with change():
        found = doctor(deployed)
    new = bad(found) - bad(well)
    assert any(name == check and words in message for name, message in new), new
    assert not {name for name, _ in new} & {"kubernetes", "crd", "settings", "functions"}, new
