"""A connector's image name resolves to a shell command line; how a runner, another process, gets the resolver."""

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


def resolver(images: Images) -> ImageResolver:
    """Make the resolver of this process."""
    from pathlib import Path

    module, _, name = images.factory.partition(":")
    made: ImageResolver = getattr(importlib.import_module(module), name)(
        cache=Path(images.cache),
        local_images=images.local_images,
        environment=images.environment,
    )
    return made


def is_reference(image: str) -> bool:
    """Return whether a container runtime could read this image name."""
    return _NAME.fullmatch(image) is not None
