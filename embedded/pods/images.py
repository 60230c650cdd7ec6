"""A connector's image name resolves to a shell command line; how a runner, another process, gets the resolver."""

import importlib
from typing import TYPE_CHECKING

from msgspec import Struct

from common import images
from common.errors import Refused

if TYPE_CHECKING:
    from embedded.connectors.install import Connectors
    from embedded.containers.images import ContainerImages


IN_CONTAINER = ""
"""In place of a command line: a container runtime runs the image as it is."""


class Images(Struct, frozen=True):
    """How a runner makes its own Connectors: `factory` is called with the other fields."""

    cache: str
    local_images: dict[str, str] = {}
    environment: dict[str, str] = {}
    packages: tuple[str, ...] = ()
    runtime: str = ""
    """The program that runs images as containers; "": their Python packages run as processes."""
    factory: str = "embedded.connectors.install:Connectors"


def resolver(known: Images) -> "Connectors | ContainerImages":
    """Make the resolver of this process."""
    from pathlib import Path

    module, _, name = known.factory.partition(":")
    made: Connectors = getattr(importlib.import_module(module), name)(
        cache=Path(known.cache),
        local_images=known.local_images,
        environment=known.environment,
        packages=known.packages,
    )
    if not known.runtime:
        return made
    from embedded.containers.images import ContainerImages

    return ContainerImages(known.runtime, made)


def is_reference(image: str) -> bool:
    """Return whether a container runtime could read this image name."""
    package, version = images.split(image)
    try:
        images.parse(package, "latest" if package == image else version)
    except Refused:
        return False
    return True
