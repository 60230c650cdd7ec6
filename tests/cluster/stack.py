"""A deployment of the project's own files on the cluster, its images, and a way to call it and to look at its data."""

import hashlib
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.cluster import kube
from tests.cluster.kube import BACKING, CREATOR, FUNCTIONS, TASKS
from tests.cluster.settings import ClusterSettings
from tests.support import canaries

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("spec", "check", "discover", "read", "tasks", "cancel", "syncs", "metrics", "console", "sweeper")
FAKER_VERSION, TEST_VERSION = "7.2.1", "4"
FAKER, TEST = "dev.local/source-faker", "dev.local/source-test"
_PREFIX = "dev.local/sync-functions"
_FILE = f"{FUNCTIONS}_serving.knative.dev_v1_service_{{name}}.yaml"
"""As `kubectl kustomize -o` names a function's file."""

# What an image is made of: a change of any of it is another tag, and so another revision.
_SOURCES = {
    "functions": ("common", "functions", "images/functions"),
    "sidecar": ("common", "sidecar", "images/sidecar"),
    "development": ("common", "embedded", "images/development"),
}


@dataclass(frozen=True)
class Stack:
    """A running deployment."""

    settings: ClusterSettings
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120))

    def call(self, function: str, method: str, body: object = None, path: str = "", **query: str) -> httpx.Response:
        """Calls a function (or a `variant` of it) through Knative's ingress, as its own host; `path` is below its own."""
        host = f"{function}.{FUNCTIONS}.{self.settings.knative_domain}"
        url = f"{self.settings.knative_url}/{function.partition('-')[0]}{path}"
        return self.client.request(method, url, headers={"Host": host}, params=query, json=body)

    def start(self, do: str, function: str = "read", expected: int = 200, **config: object) -> dict[str, str]:
        """Starts a read of the test connector that has to be accepted, or answered as expected."""
        prefix = f"test_{uuid4().hex[:8]}_"
        given = {"tableNamePrefix": prefix, "package": TEST, "version": TEST_VERSION, **ids()}
        body = {"config": {"do": do, "password": canaries.CONFIG, **config}, "catalog": catalog("plants")}
        answer = self.call(function, "POST", body, **given)
        assert answer.status_code == expected, answer.text
        return given

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query on the deployment's Postgres, by psql beside it."""
        psql = "$(dirname $(readlink /proc/1/exe))/psql"
        wrapped = f"SELECT coalesce(json_agg(found), '[]') FROM ({query}) AS found"
        url = "postgresql://sync:development-only@127.0.0.1/sync"
        text = f"{psql} -X -A -t {url} -c {shlex.quote(wrapped)}"
        return list(json.loads(kube.observe("exec", "-n", BACKING, "deploy/postgres", "--", "sh", "-c", text)))

    def task(self, task_id: str) -> dict[str, Any]:
        """The row of a read that the caller's side sees."""
        (row,) = self.rows(f"SELECT * FROM newjitsu.source_task WHERE task_id = '{task_id}'")
        return row

    def own_task(self, task_id: str) -> dict[str, Any]:
        """The project's own row of a task."""
        (row,) = self.rows(f"SELECT * FROM syncctl.syncctl_task WHERE task_id = '{task_id}'")
        return row

    def ended(self, task_id: str, seconds: float = 120) -> dict[str, Any]:
        """The same row, once it is final."""

        def look() -> dict[str, Any] | None:
            row = self.task(task_id)
            return row if row["status"] != "RUNNING" else None

        return kube.wait_for(f"task {task_id} ends", look, seconds)

    def tables(self) -> dict[str, int]:
        """The warehouse's tables and how many rows each has."""
        path = f"/api/v1/namespaces/{BACKING}/services/warehouse:3042/proxy/tables"
        return dict(json.loads(kube.observe("get", "--raw", path)))


def ids() -> dict[str, str]:
    """A sync and a task that nothing else has."""
    return {"syncId": f"sync-{uuid4().hex[:12]}", "taskId": str(uuid4()), "connectorType": "airbyte"}


def catalog(*streams: str) -> dict[str, Any]:
    """A catalog that reads these streams in full."""
    modes = ["full_refresh", "incremental"]
    return {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": modes},
                "sync_mode": "full_refresh",
                "destination_sync_mode": "overwrite",
            }
            for name in streams
        ]
    }


def replicas(function: str) -> int:
    """How many instances of a function there are."""
    selector = f"serving.knative.dev/service={function}"
    return sum(found["status"].get("replicas", 0) for found in kube.items("deployment", FUNCTIONS, selector))


def pod_of(task_id: str) -> dict[str, Any] | None:
    """The task's pod, if there is one."""
    pods = kube.items("pod", TASKS, CREATOR)
    return next((pod for pod in pods if pod["metadata"]["annotations"].get("TaskID") == task_id), None)


def started(task_id: str, seconds: float = 60) -> dict[str, Any]:
    """The task's pod, once all its containers run."""

    def look() -> dict[str, Any] | None:
        pod = pod_of(task_id)
        return pod if pod and pod["status"].get("phase") == "Running" else None

    return kube.wait_for(f"the pod of task {task_id} runs", look, seconds)


def nothing_left(pod: dict[str, Any], seconds: float = 120) -> None:
    """Waits until neither a pod (by its UID) nor its Secret is there."""
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]

    def is_gone() -> bool:
        found = kube.get("pod", name)
        return found is None or found["metadata"]["uid"] != uid

    kube.wait_for(f"pod {name} is gone", is_gone, seconds)
    kube.wait_for(f"the Secret of {name} is gone", lambda: kube.get("secret", f"{name}-config") is None, 60)


def started_again(deployed: Stack, task_id: str, pod: dict[str, Any], kind: str, *words: str) -> None:
    """The read runs once more in another pod, with what ended the first one beside it; both pods go with a cancel."""
    query = f"SELECT attempt, attempts FROM syncctl.syncctl_task WHERE task_id = '{task_id}' AND attempt = 2"
    [row] = kube.wait_for("another attempt", lambda: deployed.rows(query), 150)
    [first] = row["attempts"]
    assert first["kind"] == kind, first
    assert all(word in first["message"] for word in words), first
    nothing_left(pod, 150)
    again = started(task_id, 150)
    assert again["metadata"]["annotations"]["Attempt"] == "2"
    assert deployed.task(task_id)["status"] == "RUNNING"
    assert deployed.call("cancel", "POST", taskId=task_id).status_code == 200
    nothing_left(again, 150)


@contextmanager
def variant(function: str, name: str, **environment: str) -> Iterator[None]:
    """A function beside the deployed one, with other settings, for the length of the block."""
    deployed = kube.get("ksvc", function, FUNCTIONS)
    assert deployed is not None
    spec = {"template": {"metadata": {}, "spec": deployed["spec"]["template"]["spec"]}}
    container = spec["template"]["spec"]["containers"][0]
    given = {one["name"]: one for one in container["env"]}
    container["env"] = list((given | {k: {"name": k, "value": v} for k, v in environment.items()}).values())
    metadata = {"name": name, "namespace": FUNCTIONS}
    kube.apply({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": metadata, "spec": spec})
    try:
        kube.kubectl("wait", "--for=condition=Ready", f"ksvc/{name}", "-n", FUNCTIONS, "--timeout=90s")
        yield
    finally:
        kube.kubectl("delete", "ksvc", name, "-n", FUNCTIONS)


@contextmanager
def sweeper_with(*settings: str) -> Iterator[None]:
    """The deployed sweeper with more settings (NAME=value) for the length of the block."""

    def update(*environment: str) -> None:
        kube.run("kn", "service", "update", "sweeper", "-n", FUNCTIONS, *(f"--env={one}" for one in environment))

    update(*settings)
    try:
        yield
    finally:
        update(*(f"{setting.partition('=')[0]}-" for setting in settings))


@contextmanager
def every(schedule: str) -> Iterator[None]:
    """The CronJob that sweeps has this schedule for the length of the block."""

    def patch(given: str) -> None:
        text = json.dumps({"spec": {"schedule": given}})
        kube.kubectl("patch", "cronjob", "sweep", "-n", FUNCTIONS, "--type=merge", "-p", text)

    job = kube.get("cronjob", "sweep", FUNCTIONS)
    assert job is not None
    patch(schedule)
    try:
        yield
    finally:
        patch(job["spec"]["schedule"])


def deploy(settings: ClusterSettings) -> Stack:
    """Builds the images, applies the development overlay, and every function by its own file with kn."""
    tags = {name: _digest(folders) for name, folders in _SOURCES.items()}
    for name, tag in tags.items():
        _image(settings, f"{_PREFIX}/{name}:{tag}", f"images/{name}")
    _image(settings, f"{_PREFIX}/nginx:1", "tests/cluster/images/nginx")
    with overlay(**tags) as folder, tempfile.TemporaryDirectory() as files:
        kube.kubectl("kustomize", str(folder), "-o", files)
        services = {name: Path(files, _FILE.format(name=name)) for name in NAMES}
        others = [f"-f={path}" for path in sorted(Path(files).iterdir()) if path not in services.values()]
        namespaces = [one for one in others if "_namespace_" in one]
        for some in (namespaces, others):
            kube.kubectl("apply", "--server-side", "--force-conflicts", *some)
        kube.kubectl("wait", "--for=condition=Available", "deployment", "--all", "-n", BACKING, "--timeout=120s")
        with ThreadPoolExecutor(len(NAMES)) as pool:
            list(pool.map(lambda name: apply_function(name, services[name]), NAMES))
    kube.kubectl("wait", "--for=condition=Available", "deployment/gateway", "-n", FUNCTIONS, "--timeout=120s")
    return Stack(settings)


@contextmanager
def overlay(base: str = "overlays/development", component: str = "", more: str = "", **tags: str) -> Iterator[Path]:
    """An overlay on folders of knative/, with the images of these tags (by default: of the present code), and more."""
    tags = tags or {name: _digest(folders) for name, folders in _SOURCES.items()}
    lines = [f"  - {{name: {_PREFIX}/{name}, newTag: {tag}}}" for name, tag in tags.items()]
    lines.append(f"  - {{name: nginxinc/nginx-unprivileged, newName: {_PREFIX}/nginx, newTag: '1'}}")
    with tempfile.TemporaryDirectory() as folder:
        # kustomize takes relative paths alone.
        knative = os.path.relpath(ROOT / "knative", Path(folder).resolve())
        parts = [f"resources: [{knative}/{base}]", f"components: [{knative}/{component}]" if component else ""]
        text = "\n".join([*parts, "images:", *lines, more, ""])
        Path(folder, "kustomization.yaml").write_text(text, encoding="utf-8")
        yield Path(folder)


def apply_function(name: str, file: Path) -> None:
    """Deploys one function by its own file, as docs/how-to/deploy.md says, and waits until it is ready."""
    kube.run("kn", "service", "apply", name, "-f", str(file), "-n", FUNCTIONS, "--wait-timeout=180")


def deployed_settings() -> dict[str, str]:
    """What the deployed functions read from their ConfigMap, whose name has a hash."""
    read = kube.get("ksvc", "read", FUNCTIONS)
    assert read is not None
    (container,) = read["spec"]["template"]["spec"]["containers"]
    [name] = [one["configMapRef"]["name"] for one in container["envFrom"] if "configMapRef" in one]
    found = kube.get("configmap", name, FUNCTIONS)
    assert found is not None
    return dict(found["data"])


def ensure_connectors(settings: ClusterSettings) -> None:
    """Builds and loads the connectors that tests run."""
    _image(settings, f"{FAKER}:{FAKER_VERSION}", "tests/cluster/images/source-faker")
    _image(settings, f"{TEST}:{TEST_VERSION}", "tests/cluster/images/source-test")


def _image(settings: ClusterSettings, name: str, folder: str) -> None:
    argument = ["--build-arg", f"PYTHON_IMAGE={settings.python_image}"] if settings.python_image else []
    file = f"{ROOT / folder}/Dockerfile"
    if settings.load_command:
        kube.run("docker", "build", "--tag", name, "--file", file, *argument, str(ROOT), seconds=1800)
        kube.run(*shlex.split(settings.load_command), name, seconds=1800)
        return
    tool = [sys.executable, "-m", "tools.cluster", "image", "--unless-loaded", name, "--file", file, str(ROOT)]
    kube.run(*tool, *argument, seconds=1800)


def _digest(folders: Iterable[str]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]
