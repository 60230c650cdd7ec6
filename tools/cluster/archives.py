"""OCI image archives of single programs, written without any image tool."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Image:
    """An image of one layer: files by the path that they get, then what to run."""

    name: str
    files: Mapping[str, Path]
    entrypoint: tuple[str, ...]


def write(output: IO[bytes], images: Iterable[Image]) -> None:
    """Writes images as one OCI archive to a stream."""
    index = []
    with tarfile.open(fileobj=output, mode="w|") as archive:
        _add_file(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        for image in images:
            layer = _layer(image)
            config = _add_blob(archive, "config.v1+json", _json(_config(image, layer)))
            layers = [_add_blob(archive, "layer.v1.tar", layer)]
            manifest = {"schemaVersion": 2, "config": config, "layers": layers}
            entry = _add_blob(archive, "manifest.v1+json", _json(manifest))
            index.append(entry | {"annotations": {"io.containerd.image.name": image.name}})
        _add_file(archive, "index.json", _json({"schemaVersion": 2, "manifests": index}))


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, source in image.files.items():
            _add_file(archive, path.lstrip("/"), source.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _config(image: Image, layer: bytes) -> dict[str, Any]:
    # A number, since runAsNonRoot cannot judge a name.
    run_as = {"User": "65532:65532", "Entrypoint": list(image.entrypoint)}
    filesystem = {"type": "layers", "diff_ids": [_sha256(layer)]}
    return {"architecture": "amd64", "os": "linux", "config": run_as, "rootfs": filesystem}


def _add_file(archive: tarfile.TarFile, path: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def _add_blob(archive: tarfile.TarFile, media_type: str, data: bytes) -> dict[str, Any]:
    """Adds data and returns the descriptor that points to it."""
    _add_file(archive, "blobs/" + _sha256(data).replace(":", "/"), data)
    return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": _sha256(data), "size": len(data)}


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
