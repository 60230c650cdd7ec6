"""What the project's images add to their base: as they lie on a node, and compressed as a node pulls them.

Both are built on one base, whose layers they share; all other layers are theirs.
"""

import gzip
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from msgspec import Struct

from bench.results import Goal, left_out, publish

ROOT = Path(__file__).parents[2]
_MEGABYTE = 1_000_000
_MOST = {"functions": 40.0, "sidecar": 6.0}
_LEVEL = 6
"""As most tools compress layers."""


class Layer(Struct, frozen=True):
    """A layer's name in its archive, which is its digest, and its sizes in MB."""

    name: str
    megabytes: float
    compressed: float


def run() -> bool:
    """Build and print both images."""
    if not shutil.which("buildah"):
        return left_out("cluster images", "buildah is not installed; `python -m tools.cluster build` does that")
    layers = {name: _layers(name) for name in _MOST}
    base = {layer.name for layer in layers["functions"]} & {layer.name for layer in layers["sidecar"]}
    rows, goals = [], []
    for name, found in layers.items():
        own = [layer for layer in found if layer.name not in base]
        added = sum(layer.megabytes for layer in own)
        rows.append((name, added, sum(one.compressed for one in own), sum(one.compressed for one in found)))
        goals.append(Goal(f"image-{name}-over-base-mb", added, _MOST[name], at_most=True))
    return publish(
        "images", ("image", "over its base MB", "the same, compressed", "to pull, base and all"), rows, goals
    )


def _layers(image: str) -> list[Layer]:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "image.tar")
        name = f"dev.local/sync-functions/{image}:bench"
        options = ("--file", f"images/{image}/Dockerfile", "--output", str(archive))
        command = [sys.executable, "-m", "tools.cluster", "image", name, *options, str(ROOT)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(archive) as found:
            [manifest] = json.loads(_read(found, "manifest.json"))
            return [_layer(layer, _read(found, layer)) for layer in manifest["Layers"]]


def _layer(name: str, content: bytes) -> Layer:
    return Layer(name, len(content) / _MEGABYTE, len(gzip.compress(content, _LEVEL)) / _MEGABYTE)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, name
    return file.read()
