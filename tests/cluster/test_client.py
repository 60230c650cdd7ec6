"""The seven verbs against a real API server, in a namespace of their own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest

from common.cluster import api
from common.cluster.kubernetes import KubernetesCluster
from common.cluster.objects import LABELS, Pod, Terminated
from common.errors import ClusterUnavailable, Conflict, QuotaExceeded, Refused
from common.pods import explain, manifest
from common.pods.diagnosis import Clock, Limits, diagnose
from common.pods.manifest import Payload
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Task
from tests.cluster import kube
from tests.cluster.settings import ClusterSettings
from tests.cluster.stack import TEST, TEST_VERSION
from tests.support.wire import pod_settings

CASES = Path(__file__).parents[1] / "reports/cases"
LIMITS = Limits(init_seconds=180, task_seconds=48 * 3600)


@pytest.fixture(scope="module")
def namespace(cluster: ClusterSettings) -> Iterator[str]:
    """A namespace that enforces "restricted", as that of the tasks does."""
    name = f"client-{uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    kube.wait_for("its service account", lambda: kube.get("serviceaccount", "default", name))
    yield name
    kube.kubectl("delete", "namespace", name, "--wait=false")


def connect(config: str, namespace: str) -> KubernetesCluster:
    """The verbs with that kubeconfig, and pages of two."""
    given = {"SYNCCTL_KUBERNETES_CLIENT_CONFIG": config, "SYNCCTL_KUBERNETES_NAMESPACE": namespace}
    return KubernetesCluster(api.connect(Settings.load(given)), namespace, page=2)


@pytest.fixture
def verbs(cluster: ClusterSettings, namespace: str) -> Iterator[KubernetesCluster]:
    """As an administrator; what a test leaves is removed."""
    yield connect(cluster.kubeconfig, namespace)
    kube.kubectl("delete", "pods,resourcequotas", "--all", "-n", namespace, "--grace-period=0", "--force")


def key() -> Task:
    return Task(Command.READ, uuid4().hex, "dev.local/none", "1", sync_id="s", started_at=1_700_000_000)


def task_pod(namespace: str, task: Task, **spec: Any) -> dict[str, Any]:
    """A task's pod as the functions make it; no node takes it unless `spec` says otherwise."""
    settings = pod_settings(sidecar_image="dev.local/none:1", kubernetes_namespace=namespace)
    pod = manifest.pod(task, Payload(b"{}", b"{}", b"{}"), settings)
    pod["spec"] |= {"nodeSelector": {"disk": "none"}} | spec
    return pod


def test_a_task_s_life(verbs: KubernetesCluster, namespace: str):
    """Pod and Secret are accepted by "restricted"; the same again is a conflict; the Secret goes with the pod."""
    task = key()
    wanted = task_pod(namespace, task)
    created = verbs.create_pod(wanted)
    name, uid = wanted["metadata"]["name"], created.uid
    settings = pod_settings(sidecar_image="dev.local/none:1", kubernetes_namespace=namespace)
    secret = manifest.secret(task, Payload(b"{}", b"{}", b"{}"), settings, created.uid)
    verbs.create_secret(secret)
    assert (verbs.read_secret(f"{name}-config") or {})["config"] == b"{}"
    assert verbs.read_secret("no-such-secret") is None
    with pytest.raises(Conflict, match="already exists"):
        verbs.create_pod(wanted)
    with pytest.raises(Conflict):
        verbs.create_secret(secret)
    found = verbs.get_pod(name)
    assert found is not None
    assert found.metadata.annotations == wanted["metadata"]["annotations"]
    assert [one.uid for one in verbs.list_pods()] == [uid]
    verbs.delete_pod(name, "0b9a2f3e-0000-4000-8000-000000000000", 1)
    assert verbs.get_pod(name) is not None
    verbs.delete_pod(name, uid, 1)
    kube.wait_for("the pod is gone", lambda: verbs.get_pod(name) is None, 30)
    verbs.delete_pod(name, uid, 1)
    kube.wait_for("the Secret is gone", lambda: kube.get("secret", f"{name}-config", namespace) is None, 60)
    assert list(verbs.list_pods()) == []


def test_pages(verbs: KubernetesCluster, namespace: str):
    """Five pods on pages of two; one without our label is not ours."""
    uids = {verbs.create_pod(task_pod(namespace, key())).uid for _ in range(5)}
    other = task_pod(namespace, key())
    other["metadata"]["labels"] = {}
    verbs.create_pod(other)
    assert {one.uid for one in verbs.list_pods()} == uids


@pytest.mark.fault(37)
def test_refusals(verbs: KubernetesCluster, namespace: str):
    """Pod Security, validation and a quota are told apart, in the cluster's own words."""
    with pytest.raises(Refused, match="violates PodSecurity"):
        verbs.create_pod(task_pod(namespace, key(), hostNetwork=True))
    with pytest.raises(Refused, match=r"Unsupported value|Invalid value"):
        verbs.create_pod(task_pod(namespace, key(), dnsPolicy="Nowhere"))
    with pytest.raises(Refused, match="service account"):
        verbs.create_pod(task_pod(namespace, key(), serviceAccountName="nobody"))
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": namespace}}
    kube.apply(quota | {"spec": {"hard": {"pods": "0"}}})
    kube.wait_for(
        "the quota counts",
        lambda: ((kube.get("resourcequota", "none", namespace) or {}).get("status") or {}).get("hard"),
    )
    with pytest.raises(QuotaExceeded, match="exceeded quota: none"):
        verbs.create_pod(task_pod(namespace, key()))
    with pytest.raises(ClusterUnavailable, match="not found"):
        connect_elsewhere(verbs).create_pod(task_pod("no-such-namespace", key()))


def connect_elsewhere(verbs: KubernetesCluster) -> KubernetesCluster:
    return KubernetesCluster(verbs._api, "no-such-namespace")


def with_token(cluster: ClusterSettings, token: str) -> str:
    """A kubeconfig, as text, with another user's token."""
    text = kube.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    config = json.loads(text)
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    return json.dumps(config, indent=1)


@pytest.mark.fault(9)
def test_rights_and_credentials(cluster: ClusterSettings, namespace: str):
    """An account without rights is told which roles are missing; a wrong token, where it comes from."""
    token = kube.kubectl("create", "token", "default", "-n", namespace).strip()
    powerless = connect(with_token(cluster, token), namespace)
    for attempt in (
        lambda: powerless.create_pod(task_pod(namespace, key())),
        lambda: list(powerless.list_pods()),
        lambda: powerless.delete_pod("p", "u", 1),
        lambda: powerless.read_log("p", "source", 5),
    ):
        with pytest.raises(ClusterUnavailable, match=r"lacks a right.*roles\.yaml"):
            attempt()
    with pytest.raises(ClusterUnavailable, match="does not accept our credentials"):
        connect(with_token(cluster, "nonsense"), namespace).get_pod("p")


@pytest.mark.usefixtures("connectors")
@pytest.mark.fault(76)
def test_a_log_is_bytes(verbs: KubernetesCluster, namespace: str):
    """Latin-1 and NUL come through as they are; a container that has not started has none."""
    task = key()
    pod = task_pod(namespace, task)
    printing = {"name": "source", "command": ["sh", "-c", r"printf 'one\ntwo caf\351 \000\n'"]}
    settings = {"image": f"{TEST}:{TEST_VERSION}", "imagePullPolicy": "IfNotPresent"}
    pod["spec"] |= {"containers": [{**pod["spec"]["containers"][1], **settings, **printing, "volumeMounts": []}]}
    del pod["spec"]["nodeSelector"], pod["spec"]["volumes"]
    name = verbs.create_pod(pod).name
    assert verbs.read_log(name, "source", 1) in {b"", b"two caf\xe9 \x00\n"}

    def ended() -> Pod | None:
        found = verbs.get_pod(name)
        return found if found and found.has_ended else None

    found = kube.wait_for("the pod ends", ended, 60)
    assert verbs.read_log(name, "source", 1) == b"two caf\xe9 \x00\n"
    assert dict(found.states())["source"].terminated == Terminated(
        0, reason="Completed", started_at=ANY, finished_at=ANY
    )


@pytest.mark.parametrize(
    "case", ["pods-failed-without-container-status/evicted", "pods-sigkill-while-sidecar-waits/pod"]
)
def test_verdicts_on_what_the_server_hands_out(verbs: KubernetesCluster, namespace: str, case: str):
    """The recorded status, set through the status subresource, comes back with all that a verdict needs."""
    recorded = json.loads((CASES / f"{case}.json").read_text())
    pod = task_pod(namespace, key())
    pod["spec"]["containers"][1]["resources"]["limits"]["memory"] = "2Gi"
    name = verbs.create_pod(pod).name
    patch = json.dumps({"status": recorded["status"]})
    kube.kubectl("patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    [found] = verbs.list_pods()
    assert LABELS.items() <= found.metadata.labels.items()
    verdict = diagnose(found, Clock(explain.unix_seconds(found.metadata.creation_timestamp, 0) + 5), LIMITS)
    assert verdict is not None
    assert any(text in verdict.reason for text in ("(evicted): The node was low", "signal 9; often memory: limit 2Gi"))
