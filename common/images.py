"""Parse and join image references, after github.com/distribution/reference (regexp.go, normalize.go)."""

import re

from msgspec import Struct

from common.errors import Refused

MAX_NAME_LENGTH = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_PORT = r"(?::[0-9]{1,5})"
_REGISTRY = rf"(?:{_LABEL}(?:\.{_LABEL})+{_PORT}?|{_LABEL}{_PORT}|localhost|\[[a-fA-F0-9:]+\]{_PORT}?)"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")
_HOST = re.compile(_REGISTRY, re.ASCII)
_DEFAULT_REGISTRY = "docker.io"
_OFFICIAL = "library/"


class Image(Struct, frozen=True):
    """A connector's image; `version` is a tag or a sha256 digest."""

    package: str
    version: str

    @property
    def name(self) -> str:
        """The last part of the package: `source-faker`."""
        return self.package.rpartition("/")[2]

    def __str__(self) -> str:
        """The reference as a pod's `image`."""
        return f"{self.package}{'@' if ':' in self.version else ':'}{self.version}"


def split(text: str) -> tuple[str, str]:
    """Return package and version of NAME:TAG or NAME@DIGEST, unchecked; the version is "" if there is none.

    A digest wins over a tag. A colon before the last slash belongs to a registry's port.
    """
    reference, _, digest = text.strip().partition("@")
    folder, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return folder + slash + name, digest or tag


def parse(package: str, version: str) -> Image:
    """Return the image. Raise Refused, which never repeats a part, if one is against the grammar."""
    if len(normalized(package)) > MAX_NAME_LENGTH:
        raise Refused(f"package: an image name, with its registry, has at most {MAX_NAME_LENGTH} characters.")
    registry, path = _split_registry(package)
    # Docker reads 64 hex digits as an image id.
    if not _HOST.fullmatch(registry) or not _PATH.fullmatch(path) or _IDENTIFIER.fullmatch(package):
        raise Refused(
            "package: not the name of an image. Expected lower-case path components with an optional registry in "
            "front, such as airbyte/source-faker or registry.example.com:5000/team/source; a tag or digest goes into "
            "version."
        )
    if not _TAG.fullmatch(version) and not _DIGEST.fullmatch(version):
        raise Refused(
            "version: not a tag (at most 128 letters, digits, dots, dashes, underscores, such as 1.2.3), nor a "
            "digest (sha256: and 64 lower-case hex digits)."
        )
    return Image(package, version)


def normalized(package: str) -> str:
    """Return the name with its registry, as Docker completes it: postgres is docker.io/library/postgres."""
    return "/".join(_split_registry(package))


def check_allowed(package: str, patterns: str) -> None:
    """Raise Refused unless the package matches one of SYNCCTL_ALLOWED_IMAGES's patterns; without any, all match.

    A star stands for part of one path component, never for a slash, nor for a registry that is not named. A name
    without a registry is Docker's own, in a pattern as in a package.
    """
    allowed = [_pattern(part.strip()) for part in patterns.split(",") if part.strip()]
    if allowed and not any(pattern.fullmatch(normalized(package)) for pattern in allowed):
        raise Refused(
            f"package: {package} is not among the images that this installation runs (SYNCCTL_ALLOWED_IMAGES); use "
            "one that is, or have its operator add it."
        )


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(map(re.escape, normalized(text).split("*"))))


def _split_registry(name: str) -> tuple[str, str]:
    """Return registry and path as those who pull an image do, whether or not both are legal."""
    first, slash, rest = name.partition("/")
    if not slash or not (set(".:") & set(first) or first == "localhost" or first != first.lower()):
        first, rest = _DEFAULT_REGISTRY, name
    if first == "index.docker.io":
        first = _DEFAULT_REGISTRY
    return first, rest if first != _DEFAULT_REGISTRY or "/" in rest else _OFFICIAL + rest
