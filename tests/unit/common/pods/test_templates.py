"""An operator's templates in a task's pod."""

from typing import Any

from common.pods import manifest
from common.pods.manifest import Payload
from common.pods.options import Options
from common.protocol.commands import Command
from common.store import Task
from tests.support.wire import pod_settings

TASK = Task(Command.READ, "task-1", "airbyte/source-garden", "1.4.0", sync_id="sync-1", started_at=1_790_000_000)
TEMPLATES = """
- metadata:
    labels: {team: data}
    annotations: {cluster-autoscaler.kubernetes.io/safe-to-evict: "true"}
  spec:
    priorityClassName: low
    nodeSelector: {disk: ssd}
    tolerations: [{key: spot, operator: Exists}]
    imagePullSecrets: [{name: mirror}]
    volumes: [{name: ca, configMap: {name: ca-bundle}}]
    containers:
    - name: source
      env: [{name: HTTPS_PROXY, value: "http://proxy:3128"}, {name: AUTO_DETECT_SCHEMA, value: "false"}]
      volumeMounts: [{name: ca, mountPath: /etc/ssl/own, readOnly: true}]
      resources: {limits: {memory: 256Mi}}
    - name: sidecar
      volumeMounts: [{name: ca, mountPath: /etc/ssl/own, readOnly: true}]
- images: airbyte/source-garden, other/*
  spec:
    priorityClassName: high
    nodeSelector: {pool: tasks}
    containers: [{name: source, env: [{name: HTTPS_PROXY, value: ""}]}]
- images: airbyte/source-meadow
  spec: {schedulerName: never}
"""


def made(options: Options = Options(), **settings: str) -> dict[str, Any]:  # noqa: B008 - frozen
    return manifest.pod(TASK, Payload(b"{}", b"{}", b"{}", options), pod_settings(pod_templates=TEMPLATES, **settings))


def test_templates_are_merged_in_their_order_for_their_images() -> None:
    """Containers, volumes and variables by name; tolerations beside others; the last one wins."""
    pod, plain = made(), manifest.pod(TASK, Payload(b"{}", b"{}", b"{}"), pod_settings())
    assert pod["metadata"]["labels"] == plain["metadata"]["labels"] | {"team": "data"}
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "true"
    spec = pod["spec"]
    assert (spec["priorityClassName"], spec["nodeSelector"]) == ("high", {"disk": "ssd", "pool": "tasks"})
    assert (spec["tolerations"], spec["imagePullSecrets"]) == (
        [{"key": "spot", "operator": "Exists"}],
        [{"name": "mirror"}],
    )
    assert "schedulerName" not in spec
    assert spec["volumes"] == [*plain["spec"]["volumes"], {"name": "ca", "configMap": {"name": "ca-bundle"}}]
    sidecar, source = spec["containers"]
    assert {one["name"]: one["value"] for one in source["env"]} == {
        "USE_STREAM_CAPABLE_STATE": "true", "AUTO_DETECT_SCHEMA": "false", "HTTPS_PROXY": "",
    }  # fmt: skip
    ca = {"name": "ca", "mountPath": "/etc/ssl/own", "readOnly": True}
    assert [one["volumeMounts"][-1] for one in (source, sidecar)] == [ca, ca]
    assert source["resources"]["limits"]["memory"] == source["resources"]["requests"]["memory"] == "256Mi"
    untouched = ("image", "command", "securityContext")
    assert [[one.get(key) for key in untouched] for one in spec["containers"]] == [
        [one.get(key) for key in untouched] for one in plain["spec"]["containers"]
    ]


def test_a_sync_s_own_wishes_come_last() -> None:
    """They are the more particular ones; its selector takes the place of all others, its tolerations come beside."""
    options = Options(
        resources={"limits": {"memory": "4Gi"}}, env=({"name": "HTTPS_PROXY", "value": "own"},),
        node_selector={"own": "x"}, tolerations=({"key": "gpu"},),
    )  # fmt: skip
    spec = made(options)["spec"]
    assert spec["containers"][1]["resources"]["limits"]["memory"] == "4Gi"
    assert spec["containers"][1]["env"][-1] == {"name": "HTTPS_PROXY", "value": "own"}
    assert (spec["nodeSelector"], [one["key"] for one in spec["tolerations"]]) == ({"own": "x"}, ["spot", "gpu"])


def test_making_one_pod_changes_no_other() -> None:
    """The templates are the settings', which live longer than a pod."""
    settings = pod_settings(pod_templates=TEMPLATES)
    pods = [manifest.pod(TASK, Payload(b"{}"), settings) for _ in range(2)]
    pods[0]["spec"]["tolerations"].append({"key": "changed"})
    pods[0]["spec"]["nodeSelector"]["changed"] = "x"
    assert pods[1] == manifest.pod(TASK, Payload(b"{}"), settings)


def test_a_secret_of_a_templates_variable_is_masked_too() -> None:
    """The sidecar is given its value, whatever SYNCCTL_SECRETS allows to syncs: the operator has written it."""
    text = (
        "[{spec: {containers: [{name: source, env: [{name: P, valueFrom: {secretKeyRef: {name: proxy, key: url}}}]}]}}]"
    )
    pod = manifest.pod(TASK, Payload(b"{}"), pod_settings(pod_templates=text))
    [volume] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "references"]
    assert volume["projected"]["sources"][0]["secret"]["name"] == "proxy"
