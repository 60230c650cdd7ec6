"""images/: which tool builds them, and that what they leave out is never missed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.docs import ROOT

_USES = """
import importlib.abc, json, sys

class LeftOut(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GIVEN or name.startswith(("kubernetes.aio", "kubernetes.client.models.", "kubernetes.client.api.")):
            raise ModuleNotFoundError(f"{name} is not in the image")

sys.meta_path.insert(0, LeftOut())
import functions_framework._cli, functions_framework._http.gunicorn
from cloudevents.http import from_http
import common.declared.write
from common.cluster import api
from common.errors import ClusterUnavailable
from common.settings import Settings

for name in ("spec", "check", "discover", "read", "tasks", "cancel", "syncs", "metrics", "console", "sweeper"):
    app = functions_framework.create_app(name, f"functions/{name}/main.py")
    assert app.test_client().get("/health").status_code == 200
config = {
    "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "echo", "args": [
        '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}']}}}],
}
settings = Settings.load({"SYNCCTL_KUBERNETES_CLIENT_CONFIG": json.dumps(config, indent=1)})
try:
    api.connect(settings).call("POST", "/api", {"a": 1}, {"b": 2}, doing="asking")
except ClusterUnavailable:
    print("complete")
"""


def test_no_function_misses_what_its_image_leaves_out() -> None:
    """All functions start, take an event and call Kubernetes without the packages that the lock of their image lacks."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    [names] = re.findall(r"^LEFT_OUT := (.*)$", makefile, re.MULTILINE)
    lock = (ROOT / "images/functions/requirements.lock").read_text(encoding="utf-8")
    assert not [name for name in names.split() if re.search(rf"^{name}==", lock, re.MULTILINE)]
    others = {"websocket-client": "websocket", "attrs": "attr"}
    modules = {others.get(name, name).replace("-", "_") for name in names.split()}
    code = f"GIVEN = {modules!r}\n{_USES}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "complete\n", done.stderr


@pytest.mark.parametrize(
    ("tools", "chosen"),
    [
        ({"docker": 0, "buildah": 0}, "docker"),
        ({"docker": 1, "buildah": 0}, "buildah"),
        ({"docker": 1, "podman": 1, "buildah": 0}, "buildah"),
        ({"docker": 1, "podman": 0}, "podman"),
        ({"docker": 1}, ""),
        ({}, ""),
    ],
)
def test_images_are_built_with_a_tool_that_works(tools: dict[str, int], chosen: str, tmp_path: Path) -> None:
    """A docker client whose daemon does not answer builds nothing, so the next tool is taken."""
    for name, status in tools.items():
        program = tmp_path / name
        text = f'[ "$1" != version ] || exit {status}\necho "{name} $*"'
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
    for needed in ("sed", "dirname"):
        (tmp_path / needed).symlink_to(_found(needed))
    done = subprocess.run(
        ["/bin/sh", ROOT / "images/build.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    if chosen:
        assert f"{chosen} build --build-arg VERSION=" in done.stdout
    else:
        assert done.returncode == 1
        assert ("no daemon answers" if tools else "No tool") in done.stderr


def test_a_base_image_may_be_given_by_its_digest(tmp_path: Path) -> None:
    """As `make images PYTHON_IMAGE=...` hands it on, every image is built on exactly that one."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "docker $*"\n', encoding="utf-8")
    docker.chmod(0o755)
    base = "python:3.11-slim@sha256:" + "0a" * 32
    done = subprocess.run(
        ["make", "images", f"PYTHON_IMAGE={base}", "IMAGES=functions sidecar development"],
        cwd=ROOT, env={"PATH": f"{tmp_path}:{os.defpath}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    builds = [line for line in done.stdout.splitlines() if line.startswith("docker build")]
    assert len(builds) == 3
    assert all(f"--build-arg PYTHON_IMAGE={base}" in build for build in builds)
    for dockerfile in ROOT.glob("images/*/Dockerfile"):
        bases = re.findall(r"^FROM (\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(bases) == {"${PYTHON_IMAGE}"}


def _found(program: str) -> Path:
    return next(path for folder in os.defpath.split(":") if (path := Path(folder, program)).exists())
