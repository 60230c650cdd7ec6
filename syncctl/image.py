"""A connector's image reference, as the command line takes it."""

from typing import NamedTuple


class Image(NamedTuple):
    """`package` and `version` as the deployment names them; a digest is a version that starts with sha256:."""

    package: str
    version: str

    @property
    def name(self) -> str:
        """The last part of the package: `source-faker`."""
        return self.package.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.package}{'@' if self.version.startswith('sha256:') else ':'}{self.version}"


def parse_image(text: str) -> Image:
    """Splits at the last colon behind the last slash (a registry may have a port); a digest wins over a tag.

    Raises ValueError with a sentence for users.
    """
    text = text.strip()
    reference, at, digest = text.partition("@")
    head, slash, last = reference.rpartition("/")
    name, colon, tag = last.rpartition(":")
    if at and digest.startswith("sha256:"):
        return Image(head + slash + (name if colon else last), digest)
    if at or not name or not tag:
        raise ValueError(
            f"'{text}' names no version. Write IMAGE:VERSION, such as airbyte/source-faker:7.2.1, or IMAGE@sha256:..."
        )
    return Image(head + slash + name, tag)
