"""What a container's process is given of its manifest."""

from pathlib import Path

import pytest

from common.pods.containers import PATHS
from embedded.pods.launch import launch
from embedded.pods.manifest import Container, Variable, VolumeMount
from embedded.pods.pod_dir import PodFolder

MOUNTS = (VolumeMount("config", "/config"), VolumeMount("configmap", "/configmap"))


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("/config", "{volumes}/config"),
        ("/config/state.json", "{volumes}/config/state.json"),
        ("/configmap", "{volumes}/configmap"),
        ("/configuration", "/configuration"),
        ("/etc/config", "/etc/config"),
        ("http://host/config", "http://host/config"),
        ("$(MOUNT_CONFIG)", "$(MOUNT_CONFIG)"),
    ],
)
def test_a_path_below_a_mount_is_moved(tmp_path: Path, value: str, moved: str) -> None:
    """In a variable that holds a path, at its beginning alone; commands find the folders by variables."""
    command = ("sh", "-c", "cat /config/state.json")
    container = Container(
        "source",
        command=command,
        env=(Variable("CONFIG_FOLDER", value), Variable("TASK_ID", value)),
        volume_mounts=MOUNTS,
    )
    started = launch(container, PodFolder(tmp_path), {}, {}, path_variables=PATHS)
    assert started.environment is not None
    volumes = tmp_path / "volumes"
    assert started.environment["CONFIG_FOLDER"] == moved.format(volumes=volumes)
    assert started.environment["TASK_ID"] == value
    assert started.environment["MOUNT_CONFIG"] == str(volumes / "config")
    assert started.environment["MOUNT_CONFIGMAP"] == str(volumes / "configmap")
    assert started.arguments == list(command)
