"""The connector that everything is measured with: its catalog, and a read of it alone, into /dev/null."""

import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from embedded.connectors import uv
from embedded.connectors.install import Connectors
from embedded.settings import connectors_folder, environment

PACKAGE, VERSION = "airbyte/source-hardcoded-records", "0.0.48"
IMAGE = f"{PACKAGE}:{VERSION}"


class Work(Struct, frozen=True):
    """What is read: so many rows of each of these streams."""

    name: str
    each: int
    streams: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return self.each * len(self.streams)

    @property
    def config(self) -> dict[str, Any]:
        """The connector's configuration."""
        return {"count": self.each}


class Connector:
    """The installed connector, as a command; raise SyncError if it cannot be had."""

    def __init__(self, folder: Path) -> None:
        connectors = Connectors(connectors_folder(), {}, uv.install_variables(environment()))
        connectors.install(IMAGE, lambda _: None)
        self._folder, self.command = folder, connectors.command(IMAGE)

    @property
    def executable(self) -> str:
        """The program."""
        return shlex.split(self.command)[-1]

    def catalog(self, streams: Collection[str]) -> dict[str, Any]:
        """Return a configured catalog: each stream is read whole, and replaces its table."""
        config = self._write("config.json", {"count": 1})
        printed = subprocess.run(
            ["sh", "-c", f"{self.command} discover --config {config}"], stdout=subprocess.PIPE, check=True
        ).stdout
        messages = [msgspec.json.decode(line) for line in printed.splitlines() if line.startswith(b"{")]
        [found] = [message["catalog"] for message in messages if message["type"] == "CATALOG"]
        return {
            "streams": [
                {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
                for stream in found["streams"]
                if stream["name"] in streams
            ]
        }

    def alone(self, work: Work, catalog: dict[str, Any]) -> float:
        """Return the seconds of a read into /dev/null."""
        with Path(os.devnull).open("wb") as nowhere:
            return self._read(work, catalog, nowhere)

    def size(self, work: Work, catalog: dict[str, Any]) -> int:
        """Return how many bytes it prints."""
        with tempfile.TemporaryFile(dir=self._folder) as file:
            self._read(work, catalog, file)
            return file.tell()

    def _read(self, work: Work, catalog: dict[str, Any], output: IO[bytes]) -> float:
        config, streams = self._write("config.json", work.config), self._write("catalog.json", catalog)
        command = f"{self.command} read --config {config} --catalog {streams}"
        began = time.perf_counter()
        subprocess.run(["sh", "-c", command], stdout=output, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began

    def _write(self, name: str, value: dict[str, Any]) -> str:
        path = self._folder / name
        path.write_text(json.dumps(value))
        return shlex.quote(str(path))
