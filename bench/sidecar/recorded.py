"""What a current connector really prints: recorded at bench time, where it is installed; never kept."""

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from embedded.connectors.install import Connectors
from embedded.settings import connectors_folder

IMAGE = "airbyte/source-faker:7.2.1"
_CONFIG = {"seed": 1, "parallelism": 1, "always_updated": False}


def record(folder: Path, recording: Path, count: int, times: int) -> tuple[dict[str, Any], int] | str:
    """Writes the recording, its records (and log lines) so many times; the catalog and the number of records.

    Or why there is none.
    """
    connectors = Connectors(connectors_folder(), {}, {})
    if not connectors.is_ready(IMAGE):
        return f"{IMAGE} is left out: it is not installed (syncctl demo installs it)"
    command = connectors.command(IMAGE)
    config, catalog_file = folder / "faker.json", folder / "faker-catalog.json"
    config.write_text(json.dumps(_CONFIG | {"count": count}))
    catalog = {
        "streams": [
            {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
            for stream in _streams(command, config)
        ]
    }
    catalog_file.write_text(json.dumps(catalog))
    said = _run(f"{command} read --config {config} --catalog {catalog_file}").splitlines(keepends=True)
    rest = [line for line in said if not line.startswith((b'{"type":"STATE"', b'{"type":"TRACE"'))]
    recording.write_bytes(b"".join(rest * (times - 1) + said))
    return catalog, sum(line.startswith(b'{"type":"RECORD"') for line in said) * times


def _streams(command: str, config: Path) -> list[dict[str, Any]]:
    said = _run(f"{command} discover --config {config}").splitlines()
    messages = [msgspec.json.decode(line) for line in said if line.startswith(b"{")]
    [catalog] = [message["catalog"] for message in messages if message["type"] == "CATALOG"]
    streams: list[dict[str, Any]] = catalog["streams"]
    return streams


def _run(command: str) -> bytes:
    return subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
