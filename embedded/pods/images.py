"""What stands for container images here: a connector's image name resolves to a shell command line.

The one place that knows how a runner (another process) gets at the resolver.
"""

import importlib
import re
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

_NAME = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)


class ImageResolver(Protocol):
    """Makes connectors runnable on this machine (embedded.connectors.install.Connectors)."""

    def is_ready(self, image: str) -> bool:
        """Whether `command` would give something that runs now."""
        ...

    def install(self, image: str, report: Callable[[str], None]) -> None:
        """Makes the image ready; `report` takes sentences on the progress.

        Raises Refused where trying again cannot help, Unavailable where it may.
        """
        ...

    def command(self, image: str) -> str:
        """The command line, for a POSIX shell, that stands for the image's entry point."""
        ...


class Images(Struct, frozen=True):
    """How a runner makes its own ImageResolver: `factory` is called with the other three fields."""

    cache: str
    local_images: dict[str, str] = {}
    environment: dict[str, str] = {}
    factory: str = "embedded.connectors.install:Connectors"


def resolver(images: Images) -> ImageResolver:
    """The resolver of this process."""
    from pathlib import Path

    module, _, name = images.factory.partition(":")
    made: ImageResolver = getattr(importlib.import_module(module), name)(
        cache=Path(images.cache),
        local_images=images.local_images,
        environment=images.environment,
    )
    return made


def is_reference(image: str) -> bool:
    """Whether a container runtime could read this image name at all."""
    return _NAME.fullmatch(image) is not None
