"""A pod's manifest as a runner reads it: what local processes need of it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from common.cluster.objects import Metadata, Part, Resources


class SecretKey(Part, frozen=True):
    """A key of a Secret."""

    name: str
    key: str


class ValueFrom(Part, frozen=True):
    """Where a variable's value comes from."""

    secret_key_ref: SecretKey | None = None


class Variable(Part, frozen=True):
    """A variable of a container's environment."""

    name: str
    value: str = ""
    value_from: ValueFrom = ValueFrom()


class VolumeMount(Part, frozen=True):
    """A volume in a container's file system."""

    name: str
    mount_path: str


class Container(Part, frozen=True):
    """A container; without a `command` the image's own runs."""

    name: str
    image: str = ""
    command: tuple[str, ...] | None = None
    env: tuple[Variable, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    resources: Resources = Resources()


class KeyPath(Part, frozen=True):
    """Which key of a Secret becomes which file."""

    key: str
    path: str


class SecretVolume(Part, frozen=True):
    """A Secret as files; without `items` each key is one."""

    secret_name: str
    items: tuple[KeyPath, ...] = ()


class Volume(Part, frozen=True):
    """A folder of the pod, empty at first unless it is a Secret's."""

    name: str
    secret: SecretVolume | None = None


class PodSpec(Part, frozen=True):
    """What a pod consists of."""

    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    termination_grace_period_seconds: float | None = None
    active_deadline_seconds: float | None = None

    @property
    def every(self) -> tuple[Container, ...]:
        """All containers, init containers first."""
        return (*self.init_containers, *self.containers)

    def required_secrets(self) -> set[str]:
        """Return the names of the Secrets without which the pod cannot start."""
        keys = (variable.value_from.secret_key_ref for container in self.every for variable in container.env)
        return {volume.secret.secret_name for volume in self.volumes if volume.secret} | {k.name for k in keys if k}


class PodManifest(Struct, frozen=True):
    """A pod as it was created."""

    metadata: Metadata
    spec: PodSpec


def parse(pod: Mapping[str, Any]) -> PodManifest:
    """Read a wire-shaped manifest with a uid."""
    return msgspec.convert(dict(pod), PodManifest)


def read(data: bytes) -> PodManifest:
    """Decode a manifest."""
    return msgspec.json.decode(data, type=PodManifest)
