"""Short-lived pods that look at Postgres, Bulker and the network from where the functions and the tasks are.

Both have the sidecar's image, and run `python3 -m sidecar.look`, which changes nothing. They go when they have looked;
an owner's reference takes the task pod's Secret along.
"""

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import msgspec
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.errors import SyncError
from syncctl.doctor.functions import starter
from syncctl.doctor.installation import CORE, Installation, need_tasks
from syncctl.doctor.seen import Looked
from syncctl.kn.kube import Kubernetes

SECONDS = 120.0
"""How long a pod may take: the image may have to be pulled."""
METADATA = "169.254.169.254:80"
"""The metadata service of most clouds, which task pods must not reach."""
PORT = 8765
LABELS = {"app.kubernetes.io/part-of": "sync-functions", "app.kubernetes.io/component": "doctor"}
_LABELS = ",".join(f"{name}={value}" for name, value in LABELS.items())
_LINE = "looked: "
_PAUSE_SECONDS = 0.5
_BEGUN = frozenset({"Running", "Succeeded", "Failed"})
_HOPELESS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CREDENTIALS = {"DATABASE_URL": "SYNCCTL_SIDECAR_DATABASE_URL", "BULKER_AUTH_TOKEN": "SYNCCTL_BULKER_AUTH_TOKEN"}
_PLAIN = {"DATABASE_SCHEMA": "SYNCCTL_DATABASE_SCHEMA", "BULKER_URL": "SYNCCTL_BULKER_URL"}

Object = dict[str, Any]


class NotSeen(SyncError):
    """A pod has not looked. `advice`: what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class View(msgspec.Struct, frozen=True):
    """What a pod has seen, with the times of this machine and of the API server around it, in Unix seconds."""

    looked: Looked
    asked_at: float
    created_at: str
    """The API server's time between the first two."""
    answered_at: float
    read_at: float
    address: str = ""


class Pods:
    """Makes the pods in a deployment's namespaces. Methods raise NotSeen, Denied or SyncError."""

    def __init__(self, cluster: Kubernetes, installation: Installation, seconds: float = SECONDS) -> None:
        self._cluster, self._installation, self._seconds = cluster, installation, seconds

    @contextmanager
    def of_tasks(self) -> Iterator[View]:
        """Yield what a task pod sees; it takes connections on PORT until the block ends."""
        tasks, name = need_tasks(self._installation), _name("tasks")
        given = self._installation.values()
        if not self._installation.hidden:  # else a hidden Secret may hold it, and the functions' stays with them
            given = {"SYNCCTL_SIDECAR_DATABASE_URL": given.get("SYNCCTL_DATABASE_URL", "")} | given
        plain = {key: given[setting] for key, setting in _PLAIN.items() if given.get(setting)}
        plain |= {"LOOK_AS": "tasks", "LOOK_AT": METADATA, "LOOK_PORT": str(PORT)}
        secret = {key: given[setting] for key, setting in _CREDENTIALS.items() if given.get(setting)}
        environment = _variables(plain)
        environment += [{"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}} for key in secret]
        spec = {"env": environment}
        with self._pod(tasks, name, spec, _of_pod(self._installation.settings)) as (pod, asked_at, answered_at):
            self._make_secret(tasks, pod, secret)
            yield self._wait(tasks, pod, asked_at, answered_at)

    @contextmanager
    def of_functions(self, address: str) -> Iterator[View]:
        """Yield what a pod with the functions' own variables sees, and whether it reaches PORT of a task pod."""
        container = starter(self._installation)
        if container is None:
            raise NotSeen("No function is there whose variables a pod could have.", "Deploy the functions first.")
        look_at = f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}"
        environment = _variables({"LOOK_AS": "functions", "LOOK_AT": look_at})
        spec = {"env": environment, "envFrom": [_optional(one) for one in container.get("envFrom") or []]}
        with self._pod(self._installation.namespace, _name("functions"), spec, {}) as (pod, asked_at, answered_at):
            yield self._wait(self._installation.namespace, pod, asked_at, answered_at)

    @contextmanager
    def _pod(self, namespace: str, name: str, spec: Object, more: Object) -> Iterator[tuple[Object, float, float]]:
        """Yield the pod, and the times before and after it was made; it goes with the block."""
        self._tidy(namespace)
        image = self._installation.settings.get("SYNCCTL_SIDECAR_IMAGE", "")
        body = _pod(namespace, name, image, spec, more)
        asked_at = time.time()
        pod = self._cluster.create(CORE.format(quote(namespace), "pods"), body, f"creating a pod in {namespace}")
        answered_at = time.time()
        try:
            yield pod, asked_at, answered_at
        finally:
            with suppress(SyncError):  # what was seen counts more
                self._cluster.delete(_path(namespace, pod), "deleting that pod")

    def _tidy(self, namespace: str) -> None:
        """Delete what an earlier run has left, if it was killed."""
        for pod in self._cluster.list(CORE.format(quote(namespace), "pods"), _LABELS, "listing pods") or []:
            if pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
                self._cluster.delete(_path(namespace, pod), "deleting the pod of an earlier run")

    def _make_secret(self, namespace: str, pod: Object, values: Mapping[str, str]) -> None:
        name = pod["metadata"]["name"]
        owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": pod["metadata"]["uid"]}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": LABELS, "ownerReferences": [owner]},
            "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
        }
        self._cluster.create(CORE.format(quote(namespace), "secrets"), body, f"creating a Secret in {namespace}")

    def _wait(self, namespace: str, pod: Object, asked_at: float, answered_at: float) -> View:
        path, ends = _path(namespace, pod), time.monotonic() + self._seconds
        while True:
            now = self._cluster.get(path, "reading the pod") or {}
            text = self._cluster.log(path, "reading the pod's log") if _has_begun(now) else ""
            if (looked := _find(text)) is not None:
                address = str(now.get("status", {}).get("podIP", ""))
                created = str(pod["metadata"].get("creationTimestamp", ""))
                return View(looked, asked_at, created, answered_at, time.time(), address)
            _raise_if_over(now, text, late=time.monotonic() > ends)
            time.sleep(_PAUSE_SECONDS)


def _name(place: str) -> str:
    return f"doctor-{place}-{uuid4().hex[:10]}"


def _variables(plain: Mapping[str, str]) -> list[Object]:
    """Return a container's variables; a dollar sign begins no reference."""
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in plain.items()]


def _optional(source: Object) -> Object:
    """Return a source of variables without which the pod starts all the same: another check names what is missing."""
    return {kind: one | {"optional": True} if isinstance(one, dict) else one for kind, one in source.items()}


def _find(text: str) -> Looked | None:
    """Return what a log tells; raise NotSeen if this version cannot read it."""
    lines = [line.removeprefix(_LINE) for line in text.splitlines() if line.startswith(_LINE)]
    try:
        return msgspec.json.decode(lines[-1], type=Looked) if lines else None
    except msgspec.MsgspecError as error:
        raise NotSeen(
            f"The sidecar's image tells what this syncctl cannot read ({error}).", "Use the deployment's version of it."
        ) from error


def _raise_if_over(pod: Object, log: str, *, late: bool) -> None:
    """Raise NotSeen if the pod will not look any more."""
    status = pod.get("status", {})
    state = _state(pod)
    waiting = state.get("waiting") or {}
    image = next((one["image"] for one in pod.get("spec", {}).get("containers") or ()), "")
    if waiting.get("reason") in _HOPELESS:
        raise NotSeen(
            f"The sidecar's image {image} cannot be pulled: {waiting.get('message') or waiting['reason']}",
            "Push it, correct its name in your overlay's images, or give the account its imagePullSecrets.",
        )
    if "terminated" in state or status.get("phase") in {"Succeeded", "Failed"}:
        last = (log.strip().splitlines() or [str(status.get("message") or "it left no log")])[-1]
        hint = "Deploy this version's image." if "sidecar.look" in last else "Look at the image, and at the node."
        raise NotSeen(f"A pod of {image} has ended before it looked: {last}", hint)
    if late or not pod:
        conditions = [one.get("message") for one in status.get("conditions") or () if one.get("message")]
        why = waiting.get("message") or waiting.get("reason") or next(iter(conditions), "") or "no reason is given"
        raise NotSeen(
            f"A pod of {image} did not start in time: {why}", "Look at `kubectl get events`, and at the nodes' room."
        )


def _has_begun(pod: Object) -> bool:
    """Tell whether there may be a log. A quick container has ended while its pod's phase is still Pending."""
    state = _state(pod)
    return bool(state.keys() & {"running", "terminated"}) or pod.get("status", {}).get("phase") in _BEGUN


def _state(pod: Object) -> Object:
    """Return the state of the pod's only container."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return next((one.get("state") or {} for one in statuses), {})


def _path(namespace: str, pod: Object) -> str:
    return CORE.format(quote(namespace), f"pods/{quote(pod['metadata']['name'])}")


def _of_pod(settings: Mapping[str, str]) -> Object:
    """Return what a task's pod has of the settings: its account, and the nodes that it may run on."""
    account = settings.get("SYNCCTL_PODS_SERVICE_ACCOUNT")
    try:
        nodes = yaml.safe_load(settings.get("SYNCCTL_KUBERNETES_NODE_SELECTOR") or "{}")
    except yaml.YAMLError:
        nodes = {}
    more: Object = {"serviceAccountName": account} if account else {}
    return more | ({"nodeSelector": nodes} if isinstance(nodes, dict) and nodes else {})


def _pod(namespace: str, name: str, image: str, container: Mapping[str, Sequence[Object]], more: Object) -> Object:
    """Return a pod that Pod Security "restricted" admits, and that ends by itself."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "activeDeadlineSeconds": int(SECONDS) * 2,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "look",
                    "image": image,
                    "command": ["python3", "-m", "sidecar.look"],
                    **container,
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "16Mi"},
                        "limits": {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "64Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
            **more,
        },
    }
