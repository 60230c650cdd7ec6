"""A pod's manifest as a runner reads it: what local processes need of it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from common.cluster.objects import Metadata, Part, Resources


class SecretKey(Part, frozen=True):
    name: str
    key: str


class ValueFrom(Part, frozen=True):
    secret_key_ref: SecretKey | None = None


class Variable(Part, frozen=True):
    name: str
    value: str = ""
    value_from: ValueFrom = ValueFrom()


class VolumeMount(Part, frozen=True):
    name: str
    mount_path: str


class Container(Part, frozen=True):
    name: str
    image: str = ""
    command: tuple[str, ...] | None = None
    """None: the image's own."""
    env: tuple[Variable, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    resources: Resources = Resources()
    termination_message_policy: str = ""


class KeyPath(Part, frozen=True):
    key: str
    path: str


class SecretVolume(Part, frozen=True):
    secret_name: str
    items: tuple[KeyPath, ...] = ()
    """Without any, each key is a file."""


class ProjectedSecret(Part, frozen=True):
    name: str
    items: tuple[KeyPath, ...] = ()
    optional: bool = False


class ProjectedSource(Part, frozen=True):
    secret: ProjectedSecret | None = None


class ProjectedVolume(Part, frozen=True):
    sources: tuple[ProjectedSource, ...] = ()

    @property
    def secrets(self) -> tuple[ProjectedSecret, ...]:
        return tuple(source.secret for source in self.sources if source.secret)


class Volume(Part, frozen=True):
    name: str
    secret: SecretVolume | None = None
    projected: ProjectedVolume | None = None


class PodSpec(Part, frozen=True):
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    termination_grace_period_seconds: float | None = None
    active_deadline_seconds: float | None = None

    @property
    def every(self) -> tuple[Container, ...]:
        """All containers, init containers first."""
        return (*self.init_containers, *self.containers)

    def own_secrets(self) -> set[str]:
        """Return the names of the task's own Secrets, made after its pod, which waits for them."""
        keys = (variable.value_from.secret_key_ref for container in self.every for variable in container.env)
        every = {volume.secret.secret_name for volume in self.volumes if volume.secret} | {k.name for k in keys if k}
        return every - {source.name for source in self.projected}

    @property
    def projected(self) -> tuple[ProjectedSecret, ...]:
        """The user's Secrets that the task refers to, in its configuration or its variables."""
        return tuple(secret for volume in self.volumes if volume.projected for secret in volume.projected.secrets)


class PodManifest(Part, frozen=True):
    metadata: Metadata
    spec: PodSpec


def parse(pod: Mapping[str, Any]) -> PodManifest:
    """Convert a wire-shaped manifest that has a uid."""
    return msgspec.convert(dict(pod), PodManifest)


def read(data: bytes) -> PodManifest:
    return msgspec.json.decode(data, type=PodManifest)
