"""Images as they are, pulled by a container runtime; those that the user maps to a command still run that."""

from collections.abc import Callable

from embedded.connectors.install import Connectors
from embedded.containers import runtime
from embedded.pods.images import IN_CONTAINER


class ContainerImages:
    """The resolver of an edition that runs containers; as Connectors, which knows the mapped ones."""

    def __init__(self, program: str, mapped: Connectors) -> None:
        self._program, self._mapped = program, mapped

    def command(self, image: str) -> str:
        """Return the command line of a mapped image, else IN_CONTAINER."""
        return self._mapped.mapped(image) or IN_CONTAINER

    def is_ready(self, image: str) -> bool:
        """Tell whether the image is here, or needs none."""
        return bool(self._mapped.mapped(image)) or runtime.has(self._program, image)

    def install(self, image: str, report: Callable[[str], None]) -> None:
        """Pull the image, unless it is here. Raise Refused or Unavailable."""
        if not self.is_ready(image):
            report(f"pulling {image} ...")
            runtime.pull(self._program, image)
