"""Task pods as a real API server takes them: strictly, in a namespace that enforces Pod Security "restricted"."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from common.pods import manifest
from common.pods.manifest import Payload
from common.pods.options import Options
from common.protocol.commands import Command
from common.store import Task
from tests.support.docs import ROOT, code
from tests.support.wire import pod_settings
from tools.cluster import builds, control_plane

[TEMPLATES, _] = code((ROOT / "docs/how-to/pod-templates.md").read_text(encoding="utf-8"), "yaml")
CONFIG = b'{"key":{"valueFrom":{"secretKeyRef":{"name":"credentials-shop","key":"api-key"}}}}'
PROXY = {"name": "PROXY", "valueFrom": {"secretKeyRef": {"name": "credentials-shop", "key": "proxy"}}}
OPTIONS = Options(
    resources={"limits": {"memory": "256Mi", "cpu": "500m"}}, env=(PROXY, {"name": "A", "value": "$(B)"}),
    node_selector={"disk": "ssd"}, tolerations=({"key": "spot", "operator": "Exists", "tolerationSeconds": 60, "effect": "NoExecute"},),
    retries=1, timeout_hours=3, stall_timeout_seconds=0,
)  # fmt: skip
NAMESPACE = {
    "apiVersion": "v1", "kind": "Namespace",
    "metadata": {"name": "sync-tasks", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}  # fmt: skip
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "sync-tasks"}}
PRIORITY = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "batch"}, "value": 10}
Create = Callable[[dict[str, Any]], "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.skipif(bool(control_plane.missing()), reason=control_plane.missing() or "all is there"),
    pytest.mark.xdist_group("sync-crd"),  # one API server
]


@pytest.fixture(scope="module")
def create(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Create]:
    """`kubectl create`, which refuses unknown fields."""
    folder = tmp_path_factory.mktemp("api")
    with control_plane.alone(folder) as running:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(running.kubeconfig, encoding="utf-8")

        def run(document: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [builds.kubernetes() / "kubectl", "--kubeconfig", kubeconfig, "create", "--validate=strict", "-f", "-"],
                input=json.dumps(document), capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip

        for document in (NAMESPACE, ACCOUNT, PRIORITY):
            run(document)
        yield run


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("templates", ["", TEMPLATES], ids=["plain", "templates"])
@pytest.mark.parametrize("options", [Options(), OPTIONS], ids=["settings", "options"])
def test_a_pod_with_references_options_and_templates_is_admitted(
    create: Create, attempt: int, templates: str, options: Options
) -> None:
    """Each of them alone and together, also the pod of a later attempt."""
    task = Task(
        Command.READ,
        f"t-{attempt}-{bool(templates)}-{options == OPTIONS}",
        "airbyte/source-garden",
        "1",
        "s",
        attempt=attempt,
    )
    more = {"pod_templates": templates} if templates else {}
    settings = pod_settings(kubernetes_namespace="sync-tasks", **more)
    done = create(manifest.pod(task, Payload(CONFIG, b"{}", b"{}", options, resolve=True), settings))
    assert done.returncode == 0, done.stderr
