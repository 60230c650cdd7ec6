"""A cluster that holds the project's own manifests, served by fake_kubernetes; its pods' programs are real.

Reviews of rights are answered from the Roles that are there. A pod's log is what `sidecar.look` really finds with the
pod's variables, but for the network, which has no pods here: `enforced` says whether a policy would be in force.
"""

import base64
import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common import VERSION
from sidecar.look import LINE, LookSettings, Place, look
from tests.support.docs import ROOT
from tests.support.fake_kubernetes import Answer, Asked, FakeKubernetes, fake_kubernetes, status

FUNCTIONS, TASKS = "sync-functions", "sync-tasks"
_FOLDERS = {
    "base/functions": FUNCTIONS, "functions": FUNCTIONS, "sweeper": FUNCTIONS, "gateway/nginx": FUNCTIONS,
    "tasks": TASKS, "tasks/quota": TASKS, "syncs": "",
}  # fmt: skip
_SETTINGS = "sync-settings-1a2b3c"
_READY = [{"type": "Ready", "status": "True"}]
Object = dict[str, Any]


@dataclass
class FakeCluster:
    """Objects by kind and name, to be changed by tests; `forbidden` are beginnings of paths the user may not ask."""

    api: FakeKubernetes
    kubeconfig: Path
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()
    enforced: bool = True
    image_pulls: bool = True
    look_missing: bool = False
    clock_seconds: float = 0.0
    """By how much the API server's clock is fast."""
    _logs: dict[str, str] = field(default_factory=dict)

    def of(self, kind: str, name: str) -> Object:
        """One object, to change it."""
        return self.objects[kind][name]

    def secret(self, name: str, **values: str) -> None:
        """Make a Secret of the functions, or replace it."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.objects["secrets"][name] = {"metadata": {"name": name, "namespace": FUNCTIONS}, "data": data}

    def answer(self, asked: Asked, _: int) -> Answer:
        """Answer as the API server does."""
        if self.forbidden and f"{asked.method} {asked.path}".startswith(self.forbidden):
            return status(403, "Forbidden", f'User "us" cannot do {asked.path}')
        if asked.path == "/version":
            return 200, self.of("version", "")
        if asked.path.startswith("/apis/authorization.k8s.io/"):
            return 201, {"status": {"allowed": self._allows(asked.body["spec"])}}
        parts = asked.path.strip("/").split("/")
        last = parts[-1]
        if asked.method == "POST":
            return self._create(last, asked.body, namespace=parts[-2])
        if last == "log":
            return 200, self._log(parts[-2]).encode()
        return self._get(asked, parts)

    def _get(self, asked: Asked, parts: list[str]) -> Answer:
        if parts[-1] in self.objects and parts[-2] not in {"namespaces", "customresourcedefinitions"}:
            namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
            found = self.objects[parts[-1]].values()
            return 200, {"items": [one for one in found if namespace in {"", one["metadata"].get("namespace")}]}
        kind, name = parts[-2:]
        one = self.objects.get(kind, {}).get(name)
        if asked.method == "DELETE":
            self.objects[kind].pop(name, None)
            return 200, {}
        return (200, one) if one else status(404, "NotFound", f"{kind} {name}")

    def _allows(self, spec: Object) -> bool:
        wanted = spec["resourceAttributes"]
        if "user" not in spec:
            return True
        *_, namespace, account = spec["user"].split(":")
        subject = {"kind": "ServiceAccount", "name": account}
        for binding in self.objects["rolebindings"].values():
            if namespace in {FUNCTIONS, TASKS} and subject in binding["subjects"]:
                for rule in self.of("roles", binding["roleRef"]["name"])["rules"]:
                    resource = "/".join(filter(None, (wanted["resource"], wanted["subresource"])))
                    named = wanted["group"] in rule["apiGroups"] and resource in rule["resources"]
                    if named and wanted["verb"] in rule["verbs"]:
                        return True
        return False

    def _create(self, kind: str, body: Object, namespace: str) -> Answer:
        name = body["metadata"]["name"]
        stamp = datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.clock_seconds, UTC)
        metadata = {"uid": f"uid-{name}", "namespace": namespace, "creationTimestamp": stamp.strftime("%FT%TZ")}
        made = {**body, "metadata": body["metadata"] | metadata}
        self.objects[kind][name if kind != "secrets" else f"{namespace}/{name}"] = made
        if kind == "pods":
            waiting = {"reason": "ImagePullBackOff", "message": "not found"}
            # A quick container has ended before its pod's phase follows.
            statuses = [{"state": {"terminated": {"exitCode": 0}} if self.image_pulls else {"waiting": waiting}}]
            phase = "Pending"
            made["status"] = {"phase": phase, "podIP": "10.0.0.7", "containerStatuses": statuses}
            if self.look_missing:
                made["status"] = {"phase": "Failed"}
        return 201, made

    def _log(self, name: str) -> str:
        if self.look_missing:
            return "/opt/venv/bin/python3: No module named sidecar.look\n"
        if name not in self._logs:
            pod = self.of("pods", name)
            environment = self._environment(pod)
            place = Place(environment["LOOK_AS"])
            found = look(LookSettings.load(environment, place), place)
            reached = dict.fromkeys(environment["LOOK_AT"].split(), not self.enforced)
            line = msgspec.json.encode(msgspec.structs.replace(found, reached=reached)).decode()
            self._logs[name] = f"a line of the image's own\n{LINE}{line}\n"
        return self._logs[name]

    def _environment(self, pod: Object) -> dict[str, str]:
        """The container's variables, as the kubelet makes them."""
        [container] = pod["spec"]["containers"]
        namespace = pod["metadata"]["namespace"]
        given: dict[str, str] = {}
        for source in container.get("envFrom") or ():
            if "configMapRef" in source:
                given |= self.of("configmaps", source["configMapRef"]["name"])["data"]
            elif found := self.objects["secrets"].get(source["secretRef"]["name"]):
                given |= _decoded(found)
        for one in container["env"]:
            if "value" in one:
                given[one["name"]] = one["value"].replace("$$", "$")
            else:
                reference = one["valueFrom"]["secretKeyRef"]
                given[one["name"]] = _decoded(self.of("secrets", f"{namespace}/{reference['name']}"))[reference["key"]]
        return given


def _decoded(secret: Object) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def _manifests() -> Iterator[tuple[str, Object]]:
    for folder, namespace in _FOLDERS.items():
        for path in sorted((ROOT / "knative" / folder).glob("*.yaml")):
            if path.name != "kustomization.yaml":
                for one in filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8"))):
                    labels = one["metadata"].get("labels", {}) | {
                        "app.kubernetes.io/part-of": "sync-functions", "app.kubernetes.io/version": VERSION
                    }  # fmt: skip
                    metadata = one["metadata"] | {"labels": labels, "generation": 1}
                    yield namespace, one | {"metadata": metadata | ({"namespace": namespace} if namespace else {})}


def _as_deployed(namespace: str, one: Object, url: str) -> Object:
    """The object as a cluster has it, with the status of one that is well."""
    kind, name, now = one["kind"], one["metadata"]["name"], datetime.now(UTC).strftime("%FT%TZ")
    if kind == "Namespace":
        one["metadata"]["name"] = namespace
    elif kind == "Service" and "template" in one["spec"]:
        local = f"http://{name}.{FUNCTIONS}.svc.cluster.local"
        address = local if name == "sweeper" else url.format(name)
        one["status"] = {"url": address, "conditions": _READY, "observedGeneration": 1}
        for source in one["spec"]["template"]["spec"]["containers"][0].get("envFrom", ()):
            if "configMapRef" in source:
                source["configMapRef"]["name"] = _SETTINGS
    elif kind == "ApiServerSource":
        one["spec"]["namespaceSelector"]["matchLabels"] = {"kubernetes.io/metadata.name": TASKS}
        one["status"] = {"conditions": _READY}
    elif kind == "CronJob":
        one["metadata"]["creationTimestamp"] = now
        one["status"] = {"lastSuccessfulTime": now}
    elif kind == "Deployment":
        one["status"] = {"availableReplicas": 1}
    elif kind == "CustomResourceDefinition":
        one["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    return one


@contextmanager
def fake_cluster(folder: Path, url: str, bulker_url: str) -> Iterator[FakeCluster]:
    """A running API server with a deployment that is well, but for its Secrets, and a kubeconfig for it in `folder`."""
    with fake_kubernetes() as api:
        path = folder / "secrets" / "kubeconfig"  # a folder that may hold secrets
        path.parent.mkdir()
        path.write_text(api.kubeconfig.replace("current-context: nowhere", "current-context: used"))
        cluster = FakeCluster(api, path)
        kinds = ("secrets", "pods", "httproutes", "resourcequotas", "networkpolicies")
        cluster.objects = {kind: {} for kind in kinds}
        for namespace, one in _manifests():
            plural = f"{one['kind'].lower()}s".replace("policys", "policies")
            made = _as_deployed(namespace, deepcopy(one), url)
            if one["kind"] != "Service" or "template" in one["spec"]:
                cluster.objects.setdefault(plural, {})[made["metadata"]["name"]] = made
        lines = (ROOT / "knative/base/functions/settings.env").read_text(encoding="utf-8").splitlines()
        settings = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        settings |= {"SYNCCTL_BULKER_URL": bulker_url, "SYNCCTL_KUBERNETES_NAMESPACE": TASKS}
        cluster.objects["configmaps"] = {_SETTINGS: {"metadata": {"name": _SETTINGS}, "data": settings}}
        cluster.objects["version"] = {"": {"gitVersion": "v1.34.4"}}
        for name in ("serving", "eventing"):
            labels = {"app.kubernetes.io/version": "1.22.0"}
            cluster.objects["namespaces"][f"knative-{name}"] = {"metadata": {"labels": labels}}
        api.fail = cluster.answer
        yield cluster
        with contextlib.suppress(KeyError):
            assert cluster.objects["pods"] == {}, json.dumps(cluster.objects["pods"])
