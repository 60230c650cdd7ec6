"""A connector's image name resolves to a shell command line; how a runner, another process, gets the resolver."""

import importlib
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from common import images
from common.errors import Refused


class ImageResolver(Protocol):
    """Makes connectors runnable on this machine (embedded.connectors.install.Connectors)."""

    def is_ready(self, image: str) -> bool:
        """Return whether the command line would run now."""
        ...

    def install(self, image: str, report: Callable[[str], None]) -> None:
        """Make the image ready; `report` takes sentences on the progress.

        Raise Refused if trying again cannot help, Unavailable if it may.
        """
        ...

    def command(self, image: str) -> str:
        """Return the command line, for a POSIX shell, that replaces the image's entry point."""
        ...


class Images(Struct, frozen=True):
    """How a runner makes its own ImageResolver: `factory` is called with the other three fields."""

    cache: str
    local_images: dict[str, str] = {}
    environment: dict[str, str] = {}
    factory: str = "embedded.connectors.install:Connectors"


def resolver(known: Images) -> ImageResolver:
    """Make the resolver of this process."""
    from pathlib import Path

    module, _, name = known.factory.partition(":")
    made: ImageResolver = getattr(importlib.import_module(module), name)(
        cache=Path(known.cache),
        local_images=known.local_images,
        environment=known.environment,
    )
    return made


def is_reference(image: str) -> bool:
    """Return whether a container runtime could read this image name."""
    package, version = images.split(image)
    try:
        images.parse(package, "latest" if package == image else version)
    except Refused:
        return False
    return True
