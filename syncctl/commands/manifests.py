"""The connector that a command names: an image, or a low-code manifest that the CDK's image runs."""

import hashlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import typer
from msgspec import Raw

from common import images
from common.images import Image
from syncctl.commands.inputs import STDIN, read_object

if TYPE_CHECKING:
    from common.syncs.source import Document

_OPTION = "--manifest"
_EMPTY = Raw(b"{}")


class Chosen(NamedTuple):
    """A connector and its configuration; `default_sync` is a stable name for both, whatever their versions."""

    image: Image
    config: Raw
    default_sync: str


def choose(image: Image | None, config: str | None, manifest: str | None) -> Chosen:
    """Read the files. Raise typer.BadParameter (exit code 2) for those that cannot be used, or if one is missing."""
    if manifest is not None:
        return _low_code(image, config, manifest)
    if image is None:
        raise typer.BadParameter("Name an IMAGE, or the file of a manifest with --manifest.", param_hint="IMAGE")
    if config is None:
        raise typer.BadParameter("Name a file, or '-' for standard input.", param_hint="--config")
    given = read_object(config, "--config")
    return Chosen(image, given, _name(image.name, image, given))


def _low_code(image: Image | None, config: str | None, file: str) -> Chosen:
    from common.syncs.manifest import IMAGE

    image = image or Image(*images.split(IMAGE))
    given = _EMPTY if config is None else read_object(config, "--config")
    name = _name("manifest" if file == STDIN else Path(file).stem, image, given)
    return Chosen(image, _with_manifest(given, file, image), name)


def _with_manifest(config: Raw, file: str, image: Image) -> Raw:
    """Return the configuration with the manifest; its numbers keep their digits."""
    from common.protocol.manifests import INJECTED
    from common.syncs.manifest import findings, inject
    from common.syncs.source import shown

    members = msgspec.json.decode(config, type=dict[str, Raw])
    if INJECTED in members:
        raise typer.BadParameter(f"It holds {INJECTED} already; leave that, or --manifest, out.", param_hint="--config")
    document = _read(file)
    problems = sorted((document.line(path), shown(path), why) for path, why in findings(document.data, str(image)))
    if problems:
        lines = [f"{_shown(file)}:{line}: {field}: {why}" for line, field, why in problems]
        raise typer.BadParameter("\n".join(["It cannot be used:", *lines]), param_hint=_OPTION)
    return Raw(msgspec.json.encode(inject(members, document.data)))


def _read(file: str) -> "Document":
    from common.syncs import source

    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        documents = source.read(data)
    except OSError as error:
        raise typer.BadParameter(f"Cannot read {file}: {error.strerror}.", param_hint=_OPTION) from error
    except source.SourceError as error:
        field = f" {source.shown(error.path)}:" if error.path else ""
        raise typer.BadParameter(f"{_shown(file)}:{error.line}:{field} {error}.", param_hint=_OPTION) from None
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        raise typer.BadParameter(f"{_shown(file)} must hold one manifest, a mapping.", param_hint=_OPTION)
    return documents[0]


def _shown(file: str) -> str:
    return "stdin" if file == STDIN else file


def _name(name: str, image: Image, config: Raw) -> str:
    """Return a stable name for a connector with this configuration, whatever its version: the state stays good.

    A manifest counts by its file's name: it is changed more often than renamed.
    """
    canonical = msgspec.json.encode(msgspec.json.decode(config), order="sorted")
    digest = hashlib.sha256(image.package.encode() + b"\0" + canonical).hexdigest()[:8]
    return f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-') or 'manifest'}-{digest}"
