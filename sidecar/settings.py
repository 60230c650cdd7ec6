"""The sidecar's environment: the original sidecar's variables and a few more (docs/reference/contract.md C14, C15)."""

import gzip
import os
import zlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from common import DATABASE_SCHEMA
from common.errors import SettingsError
from common.protocol.commands import Command
from common.store import Task
from sidecar import secret_values
from sidecar.secret_values import Resolved


class SidecarSettings(Struct, frozen=True, rename="upper"):
    """One attribute per variable, in lower case. Times in seconds, sizes in bytes."""

    command: Command
    package: str
    package_version: str
    database_url: str
    database_schema: str = DATABASE_SCHEMA
    """The schema of our own tables, if there are some."""
    stdout_pipe_file: str = "/pipes/stdout"
    stderr_pipe_file: str = "/pipes/stderr"
    exit_code_file: str = ""
    """Where the source's exit code appears; empty if another controller made the pod."""
    source_alive_file: str = ""
    """A pipe that appears when the source begins, and that nobody holds open once it has ended; empty as above."""
    pipes_folder: str = ""
    """Where this sidecar makes the pipes (sidecar.prepare); empty if an init container has made them."""
    files_folder: str = ""
    """Where it puts the connector's files; empty as above, and for a command without files."""
    config_folder: str = "/config"
    bulker_url: str = ""
    bulker_auth_token: str = ""
    encryption_key: str = ""
    """What encrypts a configuration that the connector changes; empty: it is kept in the clear."""
    bulker_any_number: bool = False
    """Whether that Bulker loads numbers that neither 64 bits nor a double hold, as the embedded warehouse does."""
    bulker_logs_connection_id: str = ""
    table_name_prefix: str = ""
    sync_id: str = ""
    task_id: str = ""
    storage_key: str = ""
    started_by: str = ""
    started_at: str = ""
    attempt: int = 1
    """The number of this start of the task."""
    resume_folder: str = ""
    """Where a later attempt finds files that replace the first one's."""
    references: str = ""
    """What the task refers to, as JSON, if this sidecar is to resolve it (sidecar.resolve)."""
    resolve_config: bool = False
    """Whether the configuration refers to it, and not only variables of the source."""
    references_folder: str = ""
    """Where the kubelet keeps the values that the task refers to, as they are at present; empty without references."""
    resolved_file: str = ""
    """Those values as the connector was given them."""
    stall_timeout_seconds: int = 0
    """How long the source may send nothing at all; 0 for no limit."""
    grace_seconds: int = 60
    """How long the pod has between SIGTERM and SIGKILL."""
    drain_seconds: int = 10
    """How long a pipe may stay open and silent after the source's exit code is there."""
    commit_bytes: int = 100_000_000
    commit_seconds: int = 30
    """A stream's open request ends at the first state after this much data or time."""
    store_patience_seconds: int = 300
    """How long to wait for Postgres before a state or the outcome is given up."""
    task_log_bytes: int = 64 * 1024 * 1024
    """How much of task_log this attempt may fill."""
    sweep_wait_seconds: int = 120
    """How long to wait for a sweep after a proposal; 0 where one is certain to come. Sweeps are seconds apart."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Load the environment, white space trimmed; raise SettingsError with the variable's name."""
        values = {key: value.strip() for key, value in (os.environ if environ is None else environ).items()}  # noqa: TID251 - the one place
        try:
            settings = msgspec.convert({key: value for key, value in values.items() if value}, cls, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"The sidecar's environment is not usable: {error}") from None
        if settings.command is Command.READ and not _is_address(settings.bulker_url):
            raise SettingsError("BULKER_URL: expected http://host:port of the Bulker to send rows to.")
        return settings

    @property
    def task(self) -> Task:
        """The sidecar's task."""
        return Task(
            command=self.command,
            task_id=self.task_id,
            package=self.package,
            version=self.package_version,
            sync_id=self.sync_id,
            storage_key=self.storage_key,
            started_by=self.started_by,
            started_at=_unix(self.started_at),
            attempt=self.attempt,
        )

    def resolved(self) -> Resolved:
        """Return the values that the task refers to; raise SettingsError."""
        return secret_values.load(Path(self.resolved_file)) if self.resolved_file else Resolved()

    def file(self, name: str) -> bytes:
        """Return one of the connector's files (config, catalog, state); b"" if there is none; raise SettingsError."""
        try:
            for folder in filter(None, (self.resume_folder, self.config_folder)):
                plain = Path(folder) / f"{name}.json"
                packed = plain.with_suffix(".json.gz")
                if packed.exists():
                    return gzip.decompress(packed.read_bytes())
                if plain.exists():
                    return plain.read_bytes()
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or "it is no gzip"
            raise SettingsError(f"The task's {name}.json cannot be read: {reason}.") from error
        return b""


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _unix(stamp: str) -> int:
    """Return STARTED_AT as Unix seconds; 0 if it cannot be read (the rows then show 1970, not a wrong "now")."""
    try:
        return int(datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return 0
