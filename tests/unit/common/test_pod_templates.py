"""SYNCCTL_POD_TEMPLATES: what is refused when it is read, and that it covers all that a pod has of its own."""

import re

import pytest

from common import pod_templates
from common.errors import SettingsError
from common.pod_templates import PodTemplate
from common.pods import containers, manifest
from common.pods.manifest import Payload
from common.pods.options import Options
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Task
from sidecar.settings import SidecarSettings
from tests.support.wire import pod_settings


def refusal(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load({"SYNCCTL_POD_TEMPLATES": text, "SYNCCTL_RAW_AUTH_TOKENS": "t"})
    return str(caught.value)


def source(part: str) -> str:
    return f"[{{spec: {{volumes: [{{name: ca, configMap: {{name: ca}}}}], containers: [{{name: source, {part}}}]}}}}]"


@pytest.mark.fault(315)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "expected a list of templates"),
        ("[", "expected YAML; it cannot be read in line 1"),
        ("[1]", "entry 1: expected a mapping"),
        ("[{}, {image: x}]", "entry 2: image: belongs to a task pod's contract, or is unknown"),
        ("[{images: 'a b'}]", "entry 1: images: expected names of images"),
        ("[{spec: {restartPolicy: Always}}]", "entry 1: spec.restartPolicy: belongs to a task pod's contract"),
        ("[{spec: {securityContext: {runAsUser: 0}}}]", "spec.securityContext: belongs to a task pod's contract"),
        ("[{spec: {hostNetwork: true}}]", "spec.hostNetwork: belongs"),
        ("[{spec: {activeDeadlineSeconds: 1}}]", "spec.activeDeadlineSeconds: belongs to a task pod's contract, or is unknown; set SYNCCTL_TASK_TIMEOUT_HOURS"),
        ("[{spec: {tolerations: {}}}]", "spec.tolerations: expected a list"),
        ("[{spec: {priorityClassName: 1}}]", "spec.priorityClassName: expected a text; put it in quotes"),
        ("[{spec: {volumes: [{name: pipes}]}}]", "spec.volumes[pipes]: expected another name; this volume is the task's own"),
        ("[{spec: {volumes: [x]}}]", "spec.volumes[0]: expected a mapping with a name"),
        ("[{spec: {containers: [{name: proxy}]}}]", "spec.containers[0].name: expected source or sidecar"),
        (source("image: x"), "spec.containers[source].image: belongs to a task pod's contract"),
        (source("command: [x]"), "spec.containers[source].command: belongs"),
        (source("envFrom: []"), "spec.containers[source].envFrom: belongs to a task pod's contract, or is unknown; list the variables in env"),
        (source("env: [{name: AIRBYTE_ENTRYPOINT, value: x}]"), "containers[source].env[AIRBYTE_ENTRYPOINT]: expected another name"),
        (source("env: [{name: MOUNT_PIPES, value: x}]"), "containers[source].env[MOUNT_PIPES]: expected another name"),
        (source("env: [{name: A, value: yes}]"), "containers[source].env[A].value: expected a text; put it in quotes"),
        (source("env: [{value: x}]"), "containers[source].env[0]: expected a mapping with a name"),
        (source("volumeMounts: [{name: config, mountPath: /a}]"), "volumeMounts[0].name: expected a volume of this template"),
        (source("volumeMounts: [{name: ca, mountPath: /config/x}]"), "volumeMounts[0].mountPath: expected a path apart from those"),
        (source("volumeMounts: [{name: ca, mountPath: //pipes/}]"), "expected a path apart from those"),
        (source("volumeMounts: [{name: ca, mountPath: /}]"), "expected a path apart from those"),
        (source("volumeMounts: [{name: ca, mountPath: /a/../pipes}]"), "expected an absolute path"),
        ("[{spec: {containers: [{name: sidecar, env: [{name: DATABASE_URL, value: x}]}]}}]", "containers[sidecar].env[DATABASE_URL]: expected another name"),
        ("[{metadata: {name: x}}]", "metadata.name: belongs"),
        ("[{metadata: {labels: {jitsu.com/creator: x}}}]", "metadata.labels.jitsu.com/creator: expected another name; this one is the task's own"),
        ("[{metadata: {annotations: {Retries: '9'}}}]", "metadata.annotations.Retries: expected another name"),
        ("[{metadata: {annotations: {a: true}}}]", "metadata.annotations.a: expected a text"),
        ("[{spec: {nodeSelector: {since: 2026-01-01}}}]", "spec.nodeSelector.since: expected a text; put it in quotes"),
        ("[{spec: {affinity: {on: x}}}]", "spec.affinity: expected texts as names; put them in quotes"),
    ],
)  # fmt: skip
def test_what_would_break_a_pod_is_refused_by_name(text: str, said: str) -> None:
    """When the setting is read: place and what is expected, and no value."""
    assert f"SYNCCTL_POD_TEMPLATES: {said}" in refusal(text) or said in refusal(text)


def test_all_problems_are_named_at_once_and_no_value() -> None:
    """In their order."""
    said = refusal("[{spec: {hostPID: planted-value, hostIPC: true}}, {metadata: {uid: x}}]")
    assert re.findall(r"entry \d: [\w.]+", said) == [
        "entry 1: spec.hostPID",
        "entry 1: spec.hostIPC",
        "entry 2: metadata.uid",
    ]
    assert "planted" not in said


def test_what_a_pod_has_of_its_own_is_all_reserved() -> None:
    """The lists here against the pod that is made, in a later attempt of a task that refers to Secrets."""
    task = Task(Command.READ, "t", "a/b", "1", "s", "k", "me", 1, attempt=2)
    options = Options(retries=1, timeout_hours=1, stall_timeout_seconds=1)
    config = b'{"a":{"valueFrom":{"secretKeyRef":{"name":"credentials-a","key":"b"}}}}'
    pod = manifest.pod(task, Payload(config, b"{}", b"{}", options, resolve=True), pod_settings(), prefix="p_")
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == pod_templates.VOLUMES
    own = {name for name in pod["metadata"]["annotations"] if "/" not in name}
    assert own == pod_templates.ANNOTATIONS
    assert all(name.startswith(pod_templates.LABELS) for name in pod["metadata"]["labels"])
    every = pod["spec"]["containers"]
    assert {mount["mountPath"] for one in every for mount in one["volumeMounts"]} == {
        f"/{name}" for name in pod_templates.VOLUMES
    }
    assert {name.upper() for name in SidecarSettings.__struct_fields__} == pod_templates.SIDECAR_VARIABLES
    assert {"source", "sidecar"} == {containers.SOURCE, containers.SIDECAR}


def test_a_good_one_is_read_from_yaml_of_several_lines() -> None:
    """As it stands in a ConfigMap's syncctl.env, in quotes, or in a variable."""
    text = "- images: airbyte/source-*\n  metadata: {labels: {team: data}}\n  spec:\n    priorityClassName: low\n- {}\n"
    settings = Settings.load({"SYNCCTL_POD_TEMPLATES": text, "SYNCCTL_RAW_AUTH_TOKENS": "t"})
    assert settings.pod_templates == (
        PodTemplate("airbyte/source-*", {"labels": {"team": "data"}}, {"priorityClassName": "low"}), PodTemplate("", {}, {}),
    )  # fmt: skip


def test_processes_get_variables_and_resources_alone() -> None:
    """The one-machine edition has neither nodes nor mounts."""
    container = {"name": "source", "env": [], "resources": {}, "volumeMounts": [{"name": "ca", "mountPath": "/ca"}]}
    whole = PodTemplate("a/*", {"labels": {"a": "b"}}, {"volumes": [{"name": "ca"}], "containers": [container]})
    kept = {"name": "source", "env": [], "resources": {}}
    assert pod_templates.of_processes([whole]) == (PodTemplate("a/*", {}, {"containers": [kept]}),)
