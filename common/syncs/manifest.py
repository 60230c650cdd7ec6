"""A low-code connector's manifest: data that the CDK's own image runs, so that no image of the connector is needed.

Airbyte's image `source-declarative-manifest` reads it from the configuration, where `inject` puts it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from common import images
from common.protocol.manifests import INJECTED
from common.syncs import source
from common.syncs.source import Path

PACKAGE = "airbyte/source-declarative-manifest"
VERSION = "7.39.1"
IMAGE = f"{PACKAGE}:{VERSION}"
"""The image that runs a manifest where none is named; its tags are the CDK's versions."""
ALLOW_CODE = "AIRBYTE_ENABLE_UNSAFE_CODE"
"""Variable of the CDK: `true` lets a manifest name Python classes (custom_code_compiler.py there)."""
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-.]?(?:a|b|rc|alpha|beta|dev|post).*)?")


_REFERENCE = (
    "expected a text; a reference to a Secret goes into the configuration, which a manifest reads: {{ config['NAME'] }}"
)
_CODE = (
    "expected a component of the CDK; {kind} is Python code, which a manifest alone does not bring: name an image that "
    f"has it and the variable {ALLOW_CODE}=true"
)


def inject(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration that makes the CDK's image this connector."""
    return {**config, INJECTED: manifest}


def findings(manifest: Mapping[str, Any], image: str = IMAGE, *, code: bool = False) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with a manifest for an image, by path; `code`: a variable allows Python classes.

    The CDK checks the rest when it runs; this is what shows a file that is none, or cannot run.
    """
    package, tag = images.split(image)
    code = code or images.normalized(package) != images.normalized(PACKAGE)
    yield from _head(manifest, tag)
    for path, value in source.paths(manifest):
        if isinstance(value, dict) and _is_reference(value):
            yield path, _REFERENCE
        elif isinstance(value, dict) and not code and _is_code(value):
            yield path, _CODE.format(kind=value["type"][: source.MAX_SHOWN])


def _head(manifest: Mapping[str, Any], tag: str) -> Iterator[tuple[Path, str]]:
    version = manifest.get("version")
    if not isinstance(version, str) or not (wanted := _parsed(version)):
        yield ("version",), 'expected a version in quotes, such as "6.5.2"'
    elif (offered := _parsed(tag)) and wanted > offered:
        yield ("version",), f"expected at most {tag}, the version of its image"
    if manifest.get("type", "DeclarativeSource") != "DeclarativeSource":
        yield ("type",), "expected DeclarativeSource"
    if not isinstance(manifest.get("check"), dict):
        yield ("check",), "expected a mapping with type"
    if not any(isinstance(manifest.get(name), list) and manifest[name] for name in ("streams", "dynamic_streams")):
        yield ("streams",), "expected a list of streams; or give dynamic_streams"


def _parsed(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; () for anything else, such as a digest."""
    found = _VERSION.fullmatch(version)
    return tuple(map(int, found.groups())) if found else ()


def _is_reference(value: Mapping[str, Any]) -> bool:
    """Tell a reference from a mapping that happens to have a member called valueFrom, such as a schema's."""
    within = value.get("valueFrom")
    return isinstance(within, dict) and "secretKeyRef" in within


def _is_code(component: Mapping[str, Any]) -> bool:
    return str(component.get("type")).startswith("Custom") and "class_name" in component
