"""embedded.containers.runtime: the command line that docker and podman share."""

import os
from pathlib import Path

import pytest

from common.errors import SettingsError
from embedded.containers import runtime
from embedded.containers.runtime import Runtime, Wanted
from syncctl.commands.embedded import RuntimeName

WANTED = Wanted(
    name="sync-functions-uid-source",
    pod="uid",
    image="airbyte/source-faker:7.2.1",
    command=["sh", "-c", "script"],
    mounts={Path("/home/pods/p/volumes/pipes"): "/pipes"},
    variables={"TOKEN": "s3cret", "PATH": "/opt/bin"},
    memory_bytes=512 * 1024**2,
    cpus="2.0",
)


def test_the_whole_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable's value is in no list of processes, unless the client has one of that name."""
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 100)
    assert runtime.arguments("/usr/bin/podman", WANTED, {"PATH": "/usr/bin"}) == [
        "/usr/bin/podman", "run",
        "--name", "sync-functions-uid-source", "--label", "sync-functions.pod=uid",
        "--pull", "never", "--network", "host",
        "--user", "1000:100", "--userns", "keep-id",
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "label=disable",
        "--volume", "/home/pods/p/volumes/pipes:/pipes",
        "--env", "TOKEN", "--env", "PATH=/opt/bin",
        "--memory", "536870912", "--cpus", "2.0",
        "--entrypoint", "sh", "docker.io/airbyte/source-faker:7.2.1", "-c", "script",
    ]  # fmt: skip


def test_docker_knows_no_keep_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does podman as root need it."""
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert "--userns" not in runtime.arguments("/usr/bin/docker", WANTED, {})
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "--userns" not in runtime.arguments("/usr/bin/podman", WANTED, {})


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("airbyte/source-faker:7.2.1", "docker.io/airbyte/source-faker:7.2.1"),
        ("localhost/mine:dev", "localhost/mine:dev"),
        ("registry.example.com:5000/team/source:1", "registry.example.com:5000/team/source:1"),
        ("me/mine", "docker.io/me/mine:latest"),
        ("me/mine@sha256:" + "0" * 64, "docker.io/me/mine@sha256:" + "0" * 64),
    ],
)
def test_names_are_whole(image: str, full: str) -> None:
    """Podman has no default registry in many installations."""
    assert runtime.reference(image) == full


@pytest.mark.fault(394)
def test_a_program_that_is_missing_or_broken_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything starts."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runtime.find(Runtime.PROCESSES) == ""
    with pytest.raises(SettingsError, match=r"no program docker\. Install it, such as by `apt install docker\.io`"):
        runtime.find(Runtime.DOCKER)
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\necho 'Error: cannot connect' >&2; exit 125\n")
    program.chmod(0o755)
    with pytest.raises(SettingsError, match=r"`podman info` fails: cannot connect\.$"):
        runtime.find(Runtime.PODMAN)


def test_the_command_line_has_the_same() -> None:
    """It does not import the edition for its help."""
    assert [str(name) for name in RuntimeName] == [str(name) for name in Runtime]
