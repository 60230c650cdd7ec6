"""The pod and Secret of a task (docs/reference/contract.md C and H)."""

import base64
import gzip
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs
from pydantic import SecretStr

from common import VERSION
from common.errors import Refused, TooLarge
from common.pods import annotations, manifest, scripts
from common.pods.manifest import Payload
from common.protocol import sizes
from common.protocol.commands import Command
from common.store import Task
from tests.support.wire import pod_settings

TASK = Task(
    command=Command.READ, task_id="task-1", package="airbyte/source-garden", version="1.4.0", sync_id="sync-1",
    started_by="manual", started_at=1_790_000_000,
)  # fmt: skip
SETTINGS = pod_settings(
    sidecar_image="example/sidecar:1", kubernetes_namespace="sync-tasks", database_url="postgresql://u:planted-db@db/x",
    bulker_url="http://bulker:3042", bulker_auth_token="planted-token", stall_timeout_seconds="3600",
)  # fmt: skip
PAYLOAD = Payload(b'{"api_key":"planted-key"}', b'{"streams":[]}', b"{}")
NAME = manifest.pod_name(TASK)
LABELS = {
    "jitsu.com/creator": "bulker-sync-controller",
    "app.kubernetes.io/name": "sync-functions", "app.kubernetes.io/component": "task",
    "app.kubernetes.io/part-of": "sync-functions", "app.kubernetes.io/version": VERSION,
    "app.kubernetes.io/managed-by": "sync-functions",
    "sync-functions/command": "read", "sync-functions/sync": "sync-1", "sync-functions/task": "task-1",
}  # fmt: skip


def test_the_pod_is_exactly_this() -> None:
    """The whole pod of a read, every field."""
    mounts = [{"name": "pipes", "mountPath": "/pipes"}, {"name": "config", "mountPath": "/config"}]
    with_secret = [mounts[0], {"name": "configmap", "mountPath": "/configmap", "readOnly": True}, mounts[1]]
    strict = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert manifest.pod(TASK, PAYLOAD, SETTINGS, prefix="gar_") == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": NAME,
            "namespace": "sync-tasks",
            "labels": LABELS,
            "annotations": {
                "TaskID": "task-1", "TaskType": "read", "SyncID": "sync-1", "Package": "airbyte/source-garden",
                "PackageVersion": "1.4.0", "TableNamePrefix": "gar_", "StartedBy": "manual",
                "StartedAt": "2026-09-21T14:13:20Z",
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 60,
            "activeDeadlineSeconds": 49 * 3600,
            "securityContext": {
                "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True,
            },
            "containers": [
                {
                    "name": "sidecar",
                    "image": "example/sidecar:1",
                    "env": [
                        {"name": "STDOUT_PIPE_FILE", "value": "/pipes/stdout"},
                        {"name": "STDERR_PIPE_FILE", "value": "/pipes/stderr"},
                        {"name": "EXIT_CODE_FILE", "value": "/pipes/exit-code"},
                        {"name": "SOURCE_ALIVE_FILE", "value": "/pipes/alive"},
                        {"name": "CONFIG_FOLDER", "value": "/configmap"},
                        {"name": "PIPES_FOLDER", "value": "/pipes"},
                        {"name": "FILES_FOLDER", "value": "/config"},
                        {"name": "DATABASE_SCHEMA", "value": "syncctl"},
                        {"name": "BULKER_URL", "value": "http://bulker:3042"},
                        {"name": "PACKAGE", "value": "airbyte/source-garden"},
                        {"name": "PACKAGE_VERSION", "value": "1.4.0"},
                        {"name": "COMMAND", "value": "read"},
                        {"name": "TABLE_NAME_PREFIX", "value": "gar_"},
                        {"name": "STARTED_BY", "value": "manual"},
                        {"name": "STARTED_AT", "value": "2026-09-21T14:13:20Z"},
                        {"name": "SYNC_ID", "value": "sync-1"},
                        {"name": "TASK_ID", "value": "task-1"},
                        {"name": "STALL_TIMEOUT_SECONDS", "value": "3600"},
                        {"name": "GRACE_SECONDS", "value": "60"},
                        {"name": "TASK_LOG_BYTES", "value": "33554432"},
                        *(
                            {"name": key, "valueFrom": {"secretKeyRef": {"name": f"{NAME}-config", "key": key}}}
                            for key in ("DATABASE_URL", "BULKER_AUTH_TOKEN")
                        ),
                    ],
                    "volumeMounts": with_secret,
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "128Mi"},
                        "limits": {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "1Gi"},
                    },
                    "securityContext": {**strict, "readOnlyRootFilesystem": True, "runAsUser": 65532},
                },
                {
                    "name": "source",
                    "image": "airbyte/source-garden:1.4.0",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", scripts.source(Command.READ, 240)],
                    "env": [
                        {"name": "USE_STREAM_CAPABLE_STATE", "value": "true"},
                        {"name": "AUTO_DETECT_SCHEMA", "value": "true"},
                    ],
                    "volumeMounts": mounts,
                    "resources": {
                        "requests": {"cpu": "125m", "memory": "512Mi", "ephemeral-storage": "512Mi"},
                        "limits": {"cpu": "2", "memory": "2Gi", "ephemeral-storage": "8Gi"},
                    },
                    "securityContext": {**strict, "readOnlyRootFilesystem": False, "runAsUser": 1000},
                },
            ],
            "volumes": [
                {"name": "pipes", "emptyDir": {"sizeLimit": "16Mi"}},
                {
                    "name": "configmap",
                    "secret": {
                        "secretName": f"{NAME}-config",
                        "items": [
                            {"key": "config", "path": "config.json"}, {"key": "catalog", "path": "catalog.json"},
                            {"key": "state", "path": "state.json"},
                        ],
                    },
                },
                {"name": "config", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        },
    }  # fmt: skip


def test_the_sidecar_has_a_copy_of_its_own() -> None:
    """What it reads of configuration and catalog, the connector cannot write: that folder is not even in its container."""
    sidecar, source = manifest.pod(TASK, PAYLOAD, SETTINGS)["spec"]["containers"]
    [folder] = [variable["value"] for variable in sidecar["env"] if variable["name"] == "CONFIG_FOLDER"]
    [mount] = [mount for mount in sidecar["volumeMounts"] if mount["mountPath"] == folder]
    assert mount["readOnly"]
    assert mount["name"] not in {mount["name"] for mount in source["volumeMounts"]}


def test_the_secret_is_exactly_this() -> None:
    """The whole Secret, owned by its pod."""
    made = manifest.secret(TASK, PAYLOAD, SETTINGS, "uid-1")
    data = {key: base64.b64decode(value) for key, value in made.pop("data").items()}
    assert made == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": f"{NAME}-config",
            "namespace": "sync-tasks",
            "labels": LABELS,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": NAME, "uid": "uid-1"}],
        },
    }
    assert data == {
        "config": b'{"api_key":"planted-key"}', "catalog": b'{"streams":[]}', "state": b"{}",
        "DATABASE_URL": b"postgresql://u:planted-db@db/x", "BULKER_AUTH_TOKEN": b"planted-token",
    }  # fmt: skip


def test_a_key_that_encrypts_is_in_the_secret_alone() -> None:
    """The first one: a sidecar never decrypts."""
    first, second = "-" * 42 + "8=", "_" * 42 + "8="
    settings = SETTINGS.model_copy(update={"encryption_key": SecretStr(f"{first},{second}")})
    pod, plain = manifest.pod(TASK, PAYLOAD, settings), manifest.pod(TASK, PAYLOAD, SETTINGS)
    sidecar, before = (one["spec"]["containers"][0]["env"] for one in (pod, plain))
    reference = {"secretKeyRef": {"name": f"{NAME}-config", "key": "ENCRYPTION_KEY"}}
    assert sidecar == [*before, {"name": "ENCRYPTION_KEY", "valueFrom": reference}]
    assert first not in json.dumps(pod)
    data = manifest.secret(TASK, PAYLOAD, settings, "u")["data"]
    assert base64.b64decode(data["ENCRYPTION_KEY"]).decode() == first


def test_a_spec_needs_no_files() -> None:
    """A spec pod has no configuration, hence no configuration volumes; its credentials are in a Secret all the same."""
    task = structs.replace(TASK, command=Command.SPEC, sync_id="")
    pod = manifest.pod(task, Payload(), SETTINGS)
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["pipes"]
    sidecar = pod["spec"]["containers"][0]
    assert [mount["mountPath"] for mount in sidecar["volumeMounts"]] == ["/pipes"]
    assert "FILES_FOLDER" not in {one["name"] for one in sidecar["env"]}
    assert set(manifest.secret(task, Payload(), SETTINGS, "u")["data"]) == {
        "DATABASE_URL", "BULKER_AUTH_TOKEN",
    }  # fmt: skip


def test_defect_14_no_secret_is_in_the_pod() -> None:
    """Credentials and the configuration are in the Secret only."""
    assert "planted" not in json.dumps(manifest.pod(TASK, PAYLOAD, SETTINGS))


@pytest.mark.fault(61)
def test_a_large_payload_is_compressed() -> None:
    """What is over 1 MiB as it is goes into the Secret compressed, under names that the sidecar knows."""
    payload = structs.replace(PAYLOAD, catalog=b'{"streams":[' + b" " * 3_000_000 + b"]}")
    manifest.check_size(payload)
    made = manifest.secret(TASK, payload, SETTINGS, "u")
    assert gzip.decompress(base64.b64decode(made["data"]["catalog.gz"])) == payload.catalog
    [volume] = [v for v in manifest.pod(TASK, payload, SETTINGS)["spec"]["volumes"] if v["name"] == "configmap"]
    assert {"key": "catalog.gz", "path": "catalog.json.gz"} in volume["secret"]["items"]


@pytest.mark.fault(61)
def test_what_fits_no_secret_is_refused_by_name() -> None:
    """The largest part is named."""
    import random

    noise = random.Random(1).randbytes(2_000_000).hex().encode()
    with pytest.raises(TooLarge, match="config alone"):
        manifest.check_size(structs.replace(PAYLOAD, config=b'{"a":"' + noise + b'"}'))


texts = st.text(max_size=300)


@given(package=texts, version=texts, sync_id=texts, task_id=texts, command=st.sampled_from(Command))
@example("airbyte/" + "a" * 40, "1", "sync", "task", Command.DISCOVER)
def test_names_are_always_legal(package: str, version: str, sync_id: str, task_id: str, command: Command) -> None:
    """Whatever the inputs: a pod's name is a DNS label, since it is the host's name too; a Secret's may be longer."""
    task = Task(command=command, task_id=task_id, package=package, version=version, sync_id=sync_id)
    pod = manifest.pod_name(task)
    for name, longest in ((pod, 63), (manifest.secret_name(pod), 253), (manifest.resume_secret_name(pod), 253)):
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
        assert len(name) <= longest


@pytest.mark.fault(100)
@given(text=texts, other=texts)
@example("cm0sync", "cm0sync ")
@example("x" * 63, "x" * 64)
@example("a/b", "a-b")
@example("-", "🌱")
@example("v1.0_rc", "v1.0_rc.")
def test_labels_are_always_legal(text: str, other: str) -> None:
    """Whatever the ids: 63 characters of a label's alphabet, the id itself where it is one, and no two ids share one."""
    task = structs.replace(TASK, sync_id=text, task_id=other)
    for value in annotations.labels(task).values():
        assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)
    assert ("sync-functions/sync" in annotations.labels(task)) == bool(text)
    assert (annotations.label_value(text) == annotations.label_value(other)) == (text == other)


@given(a=st.tuples(texts, texts, texts), b=st.tuples(texts, texts, texts))
def test_names_never_collide(a: tuple[str, str, str], b: tuple[str, str, str]) -> None:
    """Two different tasks have two names, also where joining their parts would give one text."""
    names = [manifest.pod_name(structs.replace(TASK, package=x[0], sync_id=x[1], task_id=x[2])) for x in (a, b)]
    assert (names[0] == names[1]) == (a == b)


@given(st.text(alphabet="$(){}ABC_ x", max_size=40))
@pytest.mark.fault(68)
def test_the_kubelet_gives_env_values_back_as_they_were(text: str) -> None:
    """$(NAME) in a caller's text is not expanded. The expansion here is the kubelet's rule, written small."""
    environment = {"A": "1", "ABC_": "2"}

    def expand(value: str) -> str:
        def one(match: re.Match[str]) -> str:
            if match.group() == "$$":
                return "$"
            return environment.get(match.group(1), match.group())

        return re.sub(r"\$\$|\$\(([^)]*)\)", one, value)

    assert expand(scripts.literal(text)) == text


def test_a_digest_is_joined_with_an_at_sign() -> None:
    """An image pinned by digest stays pinned."""
    pod: dict[str, Any] = manifest.pod(structs.replace(TASK, version="sha256:" + "a" * 64), PAYLOAD, SETTINGS)
    assert pod["spec"]["containers"][1]["image"] == "airbyte/source-garden@sha256:" + "a" * 64


def test_a_connector_that_may_run_as_root_keeps_its_images_user() -> None:
    """Only the source: our own containers stay what they are, and nobody gets capabilities."""
    settings = SETTINGS.model_copy(update={"source_run_as_root": True, "source_memory_limit": "4Gi"})
    spec: dict[str, Any] = manifest.pod(TASK, PAYLOAD, settings)["spec"]
    sidecar, source = spec["containers"]
    assert "runAsNonRoot" not in spec["securityContext"]
    assert (source["securityContext"].get("runAsUser"), source["resources"]["limits"]["memory"]) == (None, "4Gi")
    assert source["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert sidecar["securityContext"]["runAsUser"] == 65532


@pytest.mark.parametrize("attempt", [1, 2])
def test_another_s_sidecar_gets_an_init_container(attempt: int) -> None:
    """The original's does not make pipes and files, and is not asked to."""
    settings = SETTINGS.model_copy(update={"sidecar_prepares": False})
    made = manifest.pod(structs.replace(TASK, attempt=attempt), PAYLOAD, settings)
    [init] = made["spec"]["initContainers"]
    assert init["command"] == ["sh", "-c", scripts.init(with_files=True, resumes=attempt > 1)]
    assert (init["image"], init["securityContext"]["runAsUser"]) == ("example/sidecar:1", 65532)
    mounts = {mount["name"] for mount in init["volumeMounts"]}
    assert mounts == {"pipes", "config", "configmap"} | ({"resume"} if attempt > 1 else set())
    assert not {"PIPES_FOLDER", "FILES_FOLDER"} & {one["name"] for one in made["spec"]["containers"][0]["env"]}
    assert made["spec"]["containers"][1] == manifest.pod(TASK, PAYLOAD, SETTINGS)["spec"]["containers"][1]


@pytest.mark.fault(781)
def test_the_source_waits_longer_than_the_pod_may_take_to_start() -> None:
    """A sweep, which knows why the sidecar does not come, is the first to lose patience."""
    settings = SETTINGS.model_copy(update={"container_init_timeout_seconds": 1800})
    script = manifest.pod(TASK, PAYLOAD, settings)["spec"]["containers"][1]["command"][2]
    assert script == scripts.source(Command.READ, 1860)
    assert "within 1860 s" in script


def test_a_later_attempt_waits_for_what_it_goes_on_from() -> None:
    """Another pod and Secret; a second Secret's files come over the first one's, and the sidecar knows its number."""
    again = structs.replace(TASK, attempt=2)
    made = manifest.pod(again, PAYLOAD, SETTINGS)
    name = made["metadata"]["name"]
    assert name != NAME
    assert made["metadata"]["annotations"]["Attempt"] == "2"
    assert {"name": "resume", "secret": {"secretName": f"{name}-resume"}} in made["spec"]["volumes"]
    assert "/resume" not in json.dumps(manifest.pod(TASK, PAYLOAD, SETTINGS))
    assert {"name": "resume", "mountPath": "/resume", "readOnly": True} in made["spec"]["containers"][0]["volumeMounts"]
    sidecar = {one["name"]: one.get("value") for one in made["spec"]["containers"][0]["env"]}
    assert (sidecar["ATTEMPT"], sidecar["RESUME_FOLDER"]) == ("2", "/resume")


@pytest.mark.fault(213)
def test_however_many_attempts_a_task_has_one_log() -> None:
    """Each may use half of what is left; a command that is never started again gets all of it."""

    def share(**changes: Any) -> int:
        pod = manifest.pod(structs.replace(TASK, **changes), PAYLOAD, SETTINGS)
        return next(int(one["value"]) for one in pod["spec"]["containers"][0]["env"] if one["name"] == "TASK_LOG_BYTES")

    shares = [share(attempt=number) for number in range(1, 40)]
    assert sum(shares) < SETTINGS.task_log_bytes
    assert shares[:2] == [32 * 1024 * 1024, 16 * 1024 * 1024]
    assert share(command=Command.CHECK) == SETTINGS.task_log_bytes


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_secret_gives_back_what_was_put_into_it(size: int) -> None:
    """Compressed or not: the next attempt is given the same."""
    payload = Payload(b'{"a":"' + b"x" * size + b'"}', b'{"streams":[]}', b"{}")
    secret = manifest.secret(TASK, payload, SETTINGS, "u")
    assert (
        manifest.payload_of_secret({key: base64.b64decode(value) for key, value in secret["data"].items()}) == payload
    )
    later = manifest.resume_secret(structs.replace(TASK, attempt=3), Payload(state=payload.config), SETTINGS, "u")
    assert list(later["data"]) == ["state.json.gz" if size > 10 else "state.json"]


def test_a_secret_unpacks_to_what_a_pod_has_room_for() -> None:
    """Neither a file that outgrows its volume nor one that was changed by hand takes the sweeper along."""
    for size in (sizes.UNPACKED_BYTES, sizes.UNPACKED_BYTES + 1):
        values = {"state.gz": sizes.pack(bytes(size))}
        if size == sizes.UNPACKED_BYTES:
            assert len(manifest.payload_of_secret(values).state or b"") == size
        else:
            with pytest.raises(TooLarge, match="The state in the task's Secret unpacks to more than"):
                manifest.payload_of_secret(values)
    with pytest.raises(Refused, match="The state in the task's Secret cannot be unpacked"):
        manifest.payload_of_secret({"state.gz": b"{}"})
