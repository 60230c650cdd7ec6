"""How a pod resolves what its task refers to."""

import base64
import json
from typing import Any

import msgspec
import pytest
from msgspec import structs

from common.cluster.objects import Pod
from common.errors import Refused, TooLarge
from common.pods import annotations, manifest
from common.pods.manifest import Payload
from common.pods.options import Options
from common.protocol.commands import Command
from common.store import Task
from tests.support.wire import pod_settings

TASK = Task(Command.READ, "task-1", "airbyte/source-garden", "1.4.0", sync_id="sync-1", started_at=1_790_000_000)
SETTINGS = pod_settings()
REF = {"valueFrom": {"secretKeyRef": {"name": "credentials-shop", "key": "api-key"}}}
CONFIG = json.dumps(
    {"api_key": REF, "again": REF, "pem": {"valueFrom": {"secretKeyRef": {"name": "credentials-b", "key": "x"}}}}
).encode()
PROXY = {"name": "PROXY", "valueFrom": {"secretKeyRef": {"name": "credentials-shop", "key": "proxy"}}}
PAYLOAD = Payload(CONFIG, b'{"streams":[]}', b"{}", Options(env=(PROXY,)), resolve=True)


def parts(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in made["spec"]["containers"]}


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def test_the_kubelet_gives_the_sidecar_the_values_and_no_other_container_sees_their_secrets() -> None:
    """Each key once, by its Secret; what holds values is in memory."""
    made = manifest.pod(TASK, PAYLOAD, SETTINGS)
    volumes = {volume["name"]: volume for volume in made["spec"]["volumes"]}
    assert volumes["references"]["projected"] == {
        "sources": [
            {"secret": {"name": "credentials-b", "items": [{"key": "x", "path": "credentials-b/x"}], "optional": True}},
            {
                "secret": {
                    "name": "credentials-shop",
                    "items": [
                        {"key": "api-key", "path": "credentials-shop/api-key"},
                        {"key": "proxy", "path": "credentials-shop/proxy"},
                    ],
                    "optional": True,
                }
            },
        ]
    }
    assert {volumes[name]["emptyDir"]["medium"] for name in ("config", "resolved")} == {"Memory"}
    mounts = {
        name: {mount["name"]: mount.get("readOnly") for mount in one["volumeMounts"]}
        for name, one in parts(made).items()
    }
    assert mounts["sidecar"].items() >= {"references": True, "resolved": None, "configmap": True}.items()
    assert set(mounts["source"]) == {"pipes", "config"}


def test_the_sidecar_is_given_names_alone() -> None:
    """What it resolves, and where; the source's variables stay the kubelet's."""
    made = parts(manifest.pod(TASK, PAYLOAD, SETTINGS))
    given = variables(made["sidecar"])
    assert given["RESOLVE_CONFIG"] == "true"
    assert sorted(one["key"] for one in json.loads(given["REFERENCES"])) == ["api-key", "proxy", "x"]
    assert variables(made["source"])["PROXY"] == PROXY["valueFrom"]
    assert (given["REFERENCES_FOLDER"], given["RESOLVED_FILE"]) == ("/references", "/resolved/values.json")


def test_another_s_sidecar_resolves_nothing() -> None:
    """The pod would be made, and its connector be given the references as they are written."""
    settings = SETTINGS.model_copy(update={"sidecar_prepares": False})
    with pytest.raises(Refused, match="SYNCCTL_SIDECAR_PREPARES is off"):
        manifest.pod(TASK, PAYLOAD, settings)
    assert manifest.pod(TASK, Payload(b"{}"), settings)["spec"]["initContainers"]


def test_a_configuration_that_is_not_resolved_is_given_as_it_is() -> None:
    """That of a request: whatever stands in it, no Secret comes into its pod."""
    made = manifest.pod(TASK, structs.replace(PAYLOAD, options=Options(), resolve=False), SETTINGS)
    assert made == manifest.pod(TASK, Payload(b"{}", b"{}", b"{}"), SETTINGS)
    env_alone = manifest.pod(TASK, structs.replace(PAYLOAD, resolve=False), SETTINGS)
    assert "RESOLVE_CONFIG" not in variables(parts(env_alone)["sidecar"])
    assert "credentials-b" not in json.dumps(env_alone)


def test_a_spec_with_a_secret_variable_resolves_it_too() -> None:
    """It has no files, and its source may print the variable all the same."""
    made = manifest.pod(structs.replace(TASK, command=Command.SPEC), Payload(options=Options(env=(PROXY,))), SETTINGS)
    assert {volume["name"] for volume in made["spec"]["volumes"]} == {"pipes", "references", "resolved"}


def test_the_options_change_the_source_and_the_pod() -> None:
    """Resources, variables, nodes; and the limits that the sidecar and the node keep to."""
    options = Options(
        resources={"limits": {"memory": "256Mi", "cpu": "500m"}}, env=({"name": "AUTO_DETECT_SCHEMA", "value": "x"},),
        node_selector={"disk": "ssd"}, tolerations=({"key": "spot", "operator": "Exists"},),
        retries=5, timeout_hours=3, stall_timeout_seconds=0,
    )  # fmt: skip
    settings = pod_settings(kubernetes_node_selector='{"pool": "tasks"}', stall_timeout_seconds="3600")
    made = manifest.pod(TASK, structs.replace(PAYLOAD, options=options, resolve=False), settings)
    spec, source = made["spec"], parts(made)["source"]
    assert source["resources"]["limits"] == {"memory": "256Mi", "cpu": "500m", "ephemeral-storage": "8Gi"}
    # Asked for a limit alone, the request yields: the API server refuses one above its limit.
    assert source["resources"]["requests"] == {"memory": "256Mi", "cpu": "125m", "ephemeral-storage": "512Mi"}
    assert variables(source) == {"USE_STREAM_CAPABLE_STATE": "true", "AUTO_DETECT_SCHEMA": "x"}
    assert (spec["nodeSelector"], spec["tolerations"]) == ({"disk": "ssd"}, [{"key": "spot", "operator": "Exists"}])
    assert spec["activeDeadlineSeconds"] == 4 * 3600
    assert variables(parts(made)["sidecar"])["STALL_TIMEOUT_SECONDS"] == "0"
    pod = msgspec.convert({"metadata": {**made["metadata"], "uid": "u"}}, Pod)
    assert (annotations.retries(pod), annotations.timeout_seconds(pod), annotations.stall_seconds(pod)) == (5, 10800, 0)


def test_a_request_above_the_default_limit_raises_it() -> None:
    """Asked for a request alone, the limit yields; what is asked for both ways stays, as the API server explains it."""

    def made(**asked: Any) -> dict[str, Any]:
        pod = manifest.pod(TASK, Payload(b"{}", options=Options(resources=asked)), SETTINGS)
        found: dict[str, Any] = parts(pod)["source"]["resources"]
        return found

    assert made(requests={"memory": "4Gi"})["limits"]["memory"] == "4Gi"
    both = made(requests={"memory": "4Gi"}, limits={"memory": "1Gi"})
    assert (both["requests"]["memory"], both["limits"]["memory"]) == ("4Gi", "1Gi")


@pytest.mark.parametrize("payload", [PAYLOAD, structs.replace(PAYLOAD, config=b'{"a":"' + b"x" * 3_000_000 + b'"}')])
def test_the_next_attempt_is_made_in_the_same_way(payload: Payload) -> None:
    """Options and references are in the task's Secret, beside what the connector is given."""
    data = manifest.secret(TASK, payload, SETTINGS, "u")["data"]
    values = {key: base64.b64decode(value) for key, value in data.items()}
    assert manifest.payload_of_secret(values) == payload
    with pytest.raises(Refused, match="options in the task's Secret"):
        manifest.payload_of_secret(values | {"options": b"{"})


def test_options_count_beside_what_they_share_a_secret_with() -> None:
    """Many long variables."""
    import random

    noise = random.Random(1).randbytes(400_000).hex()
    with pytest.raises(TooLarge):
        manifest.check_size(
            Payload(b"{}", options=Options(env=tuple({"name": f"V{n}", "value": noise} for n in range(2))))
        )


def test_another_pod_is_another_request() -> None:
    """A repeated one with other options is not answered as the first; without any the hash is what it always was."""
    hashes = {
        manifest.request_hash(TASK, payload, "", full_sync=False)
        for payload in (PAYLOAD, structs.replace(PAYLOAD, resolve=False), structs.replace(PAYLOAD, options=Options()))
    }
    assert len(hashes) == 3
    assert manifest.request_hash(TASK, Payload(b"{}"), "", full_sync=False) == (
        "8f0a429e6dddc3ce572efa60c7670a644d741718e5a17fc259b4156b5b0d0ec1"
    )
