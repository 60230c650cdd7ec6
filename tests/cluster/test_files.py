"""The files in knative/ are the truth: what they render to, and that an apply makes the cluster like them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.cluster import kube
from tests.cluster.kube import FUNCTIONS, TASKS
from tests.cluster.stack import NAMES, ROOT, TEST, TEST_VERSION, Stack, catalog, ids, nothing_left, overlay, pod_of

pytestmark = pytest.mark.timeout(600)

KNATIVE = ROOT / "knative"
_SET = tuple(name for name in NAMES if name != "console")
"""Functions that read settings."""
VARIANTS = ["overlays/development", "overlays/production", "."]


def _rendered(folder: Path | str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kube.kubectl("kustomize", str(folder))))


def _of(kind: str, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == kind]


def _functions(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["apiVersion"] == "serving.knative.dev/v1"}


def _container(service: dict[str, Any]) -> dict[str, Any]:
    return dict(service["spec"]["template"]["spec"]["containers"][0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_belongs_together_is_written_once(cluster: object, variant: str):
    """One image of the sidecar; the settings' name in all functions; labels on all objects and pods; two namespaces."""
    objects = _rendered(KNATIVE / variant)
    functions = _functions(objects)
    assert set(functions) == set(NAMES)
    [settings] = [one for one in _of("ConfigMap", objects) if one["metadata"]["name"].startswith("sync-settings-")]
    for name, service in functions.items():
        given = {"configMapRef": {"name": settings["metadata"]["name"]}} in _container(service).get("envFrom", ())
        assert given == (name in _SET), name
    [job] = [one for one in _of("CronJob", objects) if one["metadata"]["name"] == "sweep"]
    [call] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert call["image"] == settings["data"]["SYNCCTL_SIDECAR_IMAGE"]
    assert settings["data"]["SYNCCTL_KUBERNETES_NAMESPACE"] == TASKS
    standard = {f"app.kubernetes.io/{name}" for name in ("name", "instance", "version", "part-of", "managed-by")}
    for one in objects:
        assert standard <= set(one["metadata"]["labels"]), one
        if one["kind"] in {"Service", "Deployment"} and "template" in one["spec"]:
            assert standard <= set(one["spec"]["template"]["metadata"]["labels"]), one
        assert "app.kubernetes.io" not in json.dumps(one["spec"].get("selector", {}) if "spec" in one else {}), one


def test_a_namespace_is_renamed_by_one_line(cluster: object, tmp_path: Path):
    """In a copy of knative/ whose two kustomizations name others, nothing has the old names."""
    for path in KNATIVE.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(KNATIVE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    for folder, name in (("base/functions", "calls"), ("tasks", "work")):
        file = tmp_path / folder / "kustomization.yaml"
        lines = [
            f"namespace: {name}" if line.startswith("namespace:") else line for line in file.read_text().split("\n")
        ]
        file.write_text("\n".join(lines))
    route = tmp_path / "overlays/route"
    route.mkdir()
    (route / "kustomization.yaml").write_text(
        "resources: [../../base]\ncomponents: [../../gateway/httproute, ../../tasks/quota]\n"
    )
    for variant in (*VARIANTS, "overlays/route"):
        objects = _rendered(tmp_path / variant)
        text = json.dumps(objects)
        assert TASKS not in text
        assert f".{FUNCTIONS}." not in text.replace("syncs.sync-functions.dev", "")  # the CRD's name
        used = {one["metadata"].get("namespace") for one in objects} - {None, "sync-backing", "kourier-system"}
        assert used == {"calls", "work"}
        for binding in _of("RoleBinding", objects):
            assert {subject["namespace"] for subject in binding["subjects"]} == {"calls"}


@pytest.mark.fault(97)
@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ("patches:\n  - target: {kind: ConfigMap, name: sync-settings}\n    patch: '- {op: add, path: /data/X, value: y}'", _SET),
        ("secretGenerator:\n  - {name: sync-task-secrets, namespace: sync-functions, behavior: merge, literals: [X=y]}",
         ("spec", "check", "discover", "read", "syncs", "sweeper")),
    ],
    ids=["setting", "generated-secret"],
)  # fmt: skip
def test_a_changed_setting_makes_new_revisions(cluster: object, more: str, changed: tuple[str, ...]):
    """Whatever reads it is another template, hence another revision; nothing else is."""
    with overlay() as before, overlay(more=more) as after:
        old, new = _functions(_rendered(before)), _functions(_rendered(after))
    assert {name for name in NAMES if _container(old[name]) != _container(new[name])} == set(changed)


@pytest.fixture(scope="module")
def applied(deployed: Stack) -> Iterator[Path]:
    """The deployment's own overlay, applied as docs/how-to/deploy.md says."""
    with overlay() as folder:
        kube.kubectl("apply", "-k", str(folder))
        yield folder


def _traffic(name: str) -> list[dict[str, Any]]:
    service = kube.get("ksvc", name, FUNCTIONS)
    assert service is not None
    return list(service["spec"]["traffic"])


def test_nothing_differs_after_an_apply(applied: Path):
    """`kubectl diff -k` is empty, and a second apply makes no revision: whatever webhooks fill in, the files have."""
    assert kube.kubectl("diff", "-k", str(applied)) == ""
    before = {one["metadata"]["name"] for one in kube.items("revision", FUNCTIONS)}
    kube.kubectl("apply", "-k", str(applied))
    assert {one["metadata"]["name"] for one in kube.items("revision", FUNCTIONS)} == before


@pytest.mark.fault(97)
def test_an_apply_ends_whatever_kn_has_set(applied: Path):
    """Traffic held at an old revision, a split, a tag: after an apply all of it goes to the newest revision again."""
    revisions = kube.items("revision", FUNCTIONS, "serving.knative.dev/service=tasks")
    name = revisions[0]["metadata"]["name"]
    for held in (["--traffic", f"{name}=100"], ["--tag", f"{name}=old"]):
        kube.run("kn", "service", "update", "tasks", "-n", FUNCTIONS, "--no-wait", *held)
        assert kube.run("kubectl", "diff", "-k", str(applied), expected=1)
        kube.kubectl("apply", "-k", str(applied))
        assert _traffic("tasks") == [{"latestRevision": True, "percent": 100}]


@pytest.mark.usefixtures("connectors")
def test_a_task_is_found_by_its_labels(deployed: Stack):
    """`kubectl get pods,secrets -l`, by sync, task and command; the sweep finds both as ever."""
    given = ids() | {"syncId": "Nightly sync/7"}
    query = {"package": TEST, "version": TEST_VERSION, **given}
    body = {"config": {"do": "rows"}, "catalog": catalog("plants")}
    assert deployed.call("read", "POST", body, **query).status_code == 200
    pod = kube.wait_for("the pod is there", lambda: pod_of(given["taskId"]), 30)
    labels = pod["metadata"]["labels"]
    assert (labels["sync-functions/task"], labels["sync-functions/command"]) == (given["taskId"], "read")
    assert labels["sync-functions/sync"].startswith("Nightly-sync-7-")
    selector = f"sync-functions/sync={labels['sync-functions/sync']},app.kubernetes.io/component=task"
    assert [found["metadata"]["name"] for found in kube.items("pod", TASKS, selector)] == [pod["metadata"]["name"]]
    assert len(kube.items("secret", TASKS, f"sync-functions/task={given['taskId']}")) == 1
    assert deployed.ended(given["taskId"])["status"] == "SUCCESS"
    nothing_left(pod)
