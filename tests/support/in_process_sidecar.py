"""A read without process, pipes or Postgres: what a connector prints goes in, requests, states and outcome come out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import redaction
from common.errors import SyncError
from common.protocol.catalogs import decode_catalog
from common.protocol.commands import Command
from common.store import Outcome
from sidecar.bulker.upload import CapDeadline
from sidecar.read.consumer import ReadConsumer
from sidecar.report.heartbeat import Heartbeat
from sidecar.report.log_shipper import LogShipper
from sidecar.settings import SidecarSettings
from sidecar.source.diagnostics import SourceDiagnostics
from sidecar.source.pipes import End
from tests.support.fake_bulker import wait_for
from tests.support.sidecar_process import lines


class InProcessSidecar:
    """The sidecar's own classes with a Bulker by HTTP; the log shipper is never started, so its lines stay in memory."""

    def __init__(
        self,
        folder: Path,
        bulker_url: str,
        catalog: Any,
        *,
        state: Any = None,
        config: Any = None,
        save: Callable[[str, bytes, Callable[[SyncError], None]], None] | None = None,
        cap_deadline: CapDeadline = lambda deadline: deadline,
        **settings: Any,
    ) -> None:
        (folder / "state.json").write_text(json.dumps(state if state is not None else {}))
        given: dict[str, Any] = {
            "command": Command.READ, "package": "airbyte/source-garden", "package_version": "1", "sync_id": "s",
            "database_url": "postgresql://nowhere/none", "bulker_url": bulker_url, "bulker_auth_token": "bulker-token",
            "config_folder": str(folder), "exit_code_file": "/pipes/exit-code", "commit_seconds": 1000,
        }  # fmt: skip
        self.settings = SidecarSettings(**given | settings)
        self.redactor = redaction.of_config(json.dumps(config or {}).encode())
        heartbeat = Heartbeat(self.settings.task, lambda: None, lambda: None)
        self.logs = LogShipper(self.settings, self.redactor, heartbeat)
        self.saves: list[tuple[str, Any]] = []
        """Each state as it was saved, in order."""
        self.configs: list[Any] = []
        self.diagnostics = SourceDiagnostics("p", self.logs)
        self.read = ReadConsumer(
            self.settings, decode_catalog(json.dumps(catalog).encode()), self.diagnostics, self.redactor.redact,
            save or self._save, lambda config: self.configs.append(json.loads(config)), cap_deadline,
        )  # fmt: skip
        self.streams: dict[str, Any] = {}

    def feed(self, *messages: Any) -> "InProcessSidecar":
        """What the connector prints."""
        self.read.on_stdout(lines(messages))
        return self

    def tick_until_acknowledged(self) -> "InProcessSidecar":
        """Let time pass until Bulker has answered for every stream that is complete."""

        def acknowledged() -> bool:
            self.read.tick()
            return not any(stream.awaits_ack for stream in self.read._streams.known)

        wait_for(acknowledged, what="the acknowledgements")
        return self

    def end(self, exit_code: int | None = 0, insist: Callable[[], None] = lambda: None, **end: Any) -> Outcome:
        """The connector is done; `streams` is then the accounting."""
        outcome = self.read.settle(End(exit_code=exit_code, **end), insist)
        self.streams = outcome.streams or {}
        return outcome

    @property
    def states(self) -> dict[str, Any]:
        """The newest saved state of each key."""
        return dict(self.saves)

    @property
    def log(self) -> list[str]:
        """`LEVEL message` each."""
        self.diagnostics.drain_logs()
        said = [line for _, together in self.logs._queued for line in together]
        return [f"{line.level} {self.redactor.redact(line.message)}" for line in said]

    def _save(self, key: str, state: bytes, refused: Callable[[SyncError], None]) -> None:  # noqa: ARG002 - it never is
        self.saves.append((key, json.loads(state)))


def shared(value: Any, count: float | None = None, streams: dict[str, Any] | None = None) -> dict[str, Any]:
    """A GLOBAL STATE."""
    parts = [{"stream_descriptor": {"name": name}, "stream_state": state} for name, state in (streams or {}).items()]
    body: dict[str, Any] = {"type": "GLOBAL", "global": {"shared_state": value, "stream_states": parts}}
    return {"type": "STATE", "state": body | ({"sourceStats": {"recordCount": count}} if count is not None else {})}


def legacy(value: Any, count: float | None = None) -> dict[str, Any]:
    """A STATE of the oldest kind."""
    stats = {"sourceStats": {"recordCount": count}} if count is not None else {}
    return {"type": "STATE", "state": {"data": value} | stats}
