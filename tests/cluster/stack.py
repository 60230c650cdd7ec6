"""A deployment of the project's own files on the cluster, its images, and a way to call it and to look at its data."""

import hashlib
import json
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.cluster import kube
from tests.cluster.kube import BACKING, FUNCTIONS
from tests.cluster.settings import ClusterSettings

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("spec", "check", "discover", "read", "tasks", "cancel", "sweeper")
FAKER_VERSION, TEST_VERSION = "7.2.1", "1"
FAKER, TEST = "dev.local/source-faker", "dev.local/source-test"
_PREFIX = "dev.local/sync-functions"

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

    def call(self, function: str, method: str, body: object = None, **query: str) -> httpx.Response:
        """Calls a function through Knative's ingress, as its own host."""
        host = f"{function}.{FUNCTIONS}.{self.settings.knative_domain}"
        url = f"{self.settings.knative_url}/{function}"
        return self.client.request(method, url, headers={"Host": host}, params=query, json=body)

    def read(self, package: str, version: str, config: object, catalog: object, **query: str) -> dict[str, str]:
        """Starts a read that has to be accepted; gives its query."""
        ids = {"syncId": f"sync-{uuid4().hex[:12]}", "taskId": str(uuid4())} | query
        given = {"package": package, "version": version, "connectorType": "airbyte", **ids}
        answer = self.call("read", "POST", {"config": config, "catalog": catalog}, **given)
        assert answer.status_code == 200, answer.text
        assert answer.json()["ok"] is True
        return given

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query on the deployment's Postgres, by psql beside it."""
        psql = "$(dirname $(readlink /proc/1/exe))/psql"
        wrapped = f"SELECT coalesce(json_agg(found), '[]') FROM ({query}) AS found"
        url = "postgresql://sync:sync@127.0.0.1/sync"
        text = f"{psql} -X -A -t {url} -c {shlex.quote(wrapped)}"
        return list(json.loads(kube.kubectl("exec", "-n", BACKING, "deploy/postgres", "--", "sh", "-c", text)))

    def task(self, task_id: str) -> dict[str, Any]:
        """The row of a read that the caller's side sees."""
        (row,) = self.rows(f"SELECT * FROM newjitsu.source_task WHERE task_id = '{task_id}'")
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
        return dict(json.loads(kube.kubectl("get", "--raw", path)))


def deploy(settings: ClusterSettings) -> Stack:
    """Builds the images, applies the development overlay, and every function by its own file with kn."""
    tags = {name: _digest(folders) for name, folders in _SOURCES.items()}
    for name, tag in tags.items():
        _image(settings, f"{_PREFIX}/{name}:{tag}", f"images/{name}")
    _image(settings, f"{_PREFIX}/nginx:1", "tests/cluster/images/nginx")
    rendered = kube.kubectl("kustomize", str(ROOT / "knative/overlays/development"))
    for name, tag in tags.items():
        rendered = rendered.replace(f"{_PREFIX}/{name}:0.1.0", f"{_PREFIX}/{name}:{tag}")
    rendered = rendered.replace("nginxinc/nginx-unprivileged:1.29-alpine", f"{_PREFIX}/nginx:1")
    others, services = _split(rendered)
    assert len(services) == len(NAMES)
    kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=others)
    kube.kubectl("wait", "--for=condition=Available", "deployment", "--all", "-n", BACKING, "--timeout=120s")
    for name in NAMES:
        file, image = str(ROOT / f"knative/functions/{name}.yaml"), f"{_PREFIX}/functions:{tags['functions']}"
        kube.run("kn", "service", "apply", name, "-f", file, "-n", FUNCTIONS, "--image", image, "--wait-timeout=120")
    kube.kubectl("wait", "--for=condition=Available", "deployment/gateway", "-n", FUNCTIONS, "--timeout=120s")
    return Stack(settings)


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
    tool = [sys.executable, "-m", "tests.cluster.tool", "image", "--unless-loaded", name, "--file", file, str(ROOT)]
    kube.run(*tool, *argument, seconds=1800)


def _digest(folders: Iterable[str]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


def _split(rendered: str) -> tuple[str, list[str]]:
    documents = rendered.split("\n---\n")
    services = [document for document in documents if "apiVersion: serving.knative.dev" in document.split("kind:")[0]]
    return "\n---\n".join(document for document in documents if document not in services), services
