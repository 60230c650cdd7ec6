"""The sidecar alone, for real: its process, two named pipes, an exit-code file, a Postgres, some Bulker."""

import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.errors import TablesMissing
from common.store import Database, outcomes, sweeps
from tests.support import canaries
from tests.support.databases import TestDatabase

TASK, SYNC = "task-1", "sync-1"


class SidecarProcess:
    """`play` runs the sidecar on what a connector would print; `start` leaves the pipes to the test."""

    def __init__(self, folder: Path, database: TestDatabase, bulker_url: str) -> None:
        self.folder, self.database = folder, database
        for name in ("pipes", "config"):
            (folder / name).mkdir(exist_ok=True)
        self.stdout, self.stderr = folder / "pipes/stdout", folder / "pipes/stderr"
        self.exit_code_file = folder / "pipes/exit-code"
        for pipe in (self.stdout, self.stderr):
            os.mkfifo(pipe)
        self.environment = {
            "COMMAND": "read", "PACKAGE": "airbyte/source-garden", "PACKAGE_VERSION": "1.4.0",
            "DATABASE_URL": database.url, "BULKER_URL": bulker_url, "BULKER_AUTH_TOKEN": canaries.BULKER,
            "STDOUT_PIPE_FILE": str(self.stdout), "STDERR_PIPE_FILE": str(self.stderr),
            "EXIT_CODE_FILE": str(self.exit_code_file), "CONFIG_FOLDER": str(folder / "config"),
            "SYNC_ID": SYNC, "TASK_ID": TASK, "STARTED_AT": "2026-09-01T10:00:00Z",
            "DRAIN_SECONDS": "3", "STORE_PATIENCE_SECONDS": "20", "SWEEP_WAIT_SECONDS": "0",
        }  # fmt: skip
        self.output = b""
        self.give(config={"api_key": canaries.CONFIG})

    def give(self, **files: Any) -> None:
        """Writes config, catalog or state."""
        for name, value in files.items():
            text = value if isinstance(value, str | bytes) else json.dumps(value)
            data = text if isinstance(text, bytes) else text.encode()
            (self.folder / "config" / f"{name}.json").write_bytes(data)

    def announce(self, state: str = "RUNNING") -> None:
        """The rows that the start of a read leaves."""
        self.database.rows(
            "INSERT INTO source_task (sync_id, task_id, package, version, status, description, started_at)"
            " VALUES (:s, :t, 'airbyte/source-garden', '1.4.0', 'RUNNING', 'CREATED: ', '2026-09-01T10:00:00Z')",
            s=SYNC, t=TASK,
        )  # fmt: skip
        self.database.rows(
            "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, given_hash,"
            " state) VALUES (:t, 'read', :s, 'airbyte/source-garden', '1.4.0', 'p', 'h', 'given', :state)",
            s=SYNC, t=TASK, state=state,
        )  # fmt: skip

    @contextlib.contextmanager
    def start(self, *launcher: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """The running sidecar, as a program's argument if one is given; killed if it is still there at the end."""
        process = subprocess.Popen(
            [*launcher, sys.executable, "-m", "sidecar"], cwd=self.folder, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "COVERAGE_PROCESS_CONFIG": os.getenv("COVERAGE_PROCESS_CONFIG", "")}  # noqa: TID251 - a child gets the tests' own
            | self.environment | environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        reader = threading.Thread(target=self._collect, args=(process,))
        reader.start()
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join()
            if process.stdout:
                process.stdout.close()
        canaries.refuse("the sidecar's output", self.output)

    def play(
        self, output: bytes | Sequence[Any], *, exit_code: int | None = 0, stderr: bytes = b"", chunk: int = 0,
        seconds: float = 60.0, **environment: str,
    ) -> int:  # fmt: skip
        """Runs the sidecar to its end on this output (bytes, or messages); returns its exit code."""
        data = output if isinstance(output, bytes) else lines(output)
        with self.start(**environment) as process:
            with self.stderr.open("wb") as pipe:
                pipe.write(stderr)
            with contextlib.suppress(BrokenPipeError), self.stdout.open("wb", buffering=0) as pipe:
                for at in range(0, len(data), chunk or max(len(data), 1)):
                    _write_all(pipe.fileno(), data[at : at + chunk] if chunk else data)
            self.leave(exit_code)
            code = process.wait(seconds)
        self.sweep()
        return code

    def sweep(self) -> None:
        """Concludes what the sidecar has proposed, as a sweep that finds its pod ended and starts nothing again."""
        with Database(self.database.url, make_tables=False) as db, contextlib.suppress(TablesMissing):
            pods = db.transact(lambda db: sweeps.expected_pods(db, ""))
            for row in db.transact(lambda db: sweeps.active_of(db, list(pods), "")):
                if row.proposal:
                    db.transact(functools.partial(outcomes.conclude, task=row.task, outcome=row.proposal))

    def leave(self, exit_code: int | None) -> None:
        """Leaves the exit code as the source's wrapper does."""
        if exit_code is not None:
            new = self.exit_code_file.with_suffix(".new")
            new.write_text(f"{exit_code}\n")
            new.rename(self.exit_code_file)

    def _collect(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output += line

    @property
    def task(self) -> dict[str, Any]:
        """The caller's row."""
        [row] = self.database.rows("SELECT * FROM source_task WHERE task_id = :t", t=TASK)
        return row

    @property
    def ours(self) -> dict[str, Any]:
        """Our row."""
        [row] = self.database.rows("SELECT * FROM syncctl_task WHERE task_id = :t", t=TASK)
        return row

    @property
    def streams(self) -> dict[str, Any]:
        """The caller's per-stream counts."""
        streams: dict[str, Any] = json.loads(self.task["description"])
        return streams

    @property
    def states(self) -> dict[str, Any]:
        """The saved states by key."""
        rows = self.database.rows("SELECT stream, state FROM source_state WHERE sync_id = :s", s=SYNC)
        return {row["stream"]: row["state"] for row in rows}

    @property
    def log(self) -> list[str]:
        """The task's log, `LEVEL message` each, in order."""
        rows = self.database.rows("SELECT level, message FROM task_log ORDER BY timestamp, id")
        return [f"{row['level']} {row['message']}" for row in rows]


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def lines(messages: Sequence[Any]) -> bytes:
    """Messages as a connector prints them; bytes and texts go as they are."""
    out = []
    for message in messages:
        if isinstance(message, bytes):
            out.append(message)
        elif isinstance(message, str):
            out.append(message.encode())
        else:
            out.append(json.dumps(message, separators=(",", ":")).encode())
    return b"".join(line + b"\n" for line in out)


def record(stream: str, data: Any, namespace: str | None = None) -> dict[str, Any]:
    body = {"stream": stream, "data": data, "emitted_at": 1790000000000}
    return {"type": "RECORD", "record": body | ({"namespace": namespace} if namespace else {})}


def state(stream: str, value: Any, count: float | None = None, namespace: str | None = None) -> dict[str, Any]:
    descriptor = {"name": stream} | ({"namespace": namespace} if namespace else {})
    body: dict[str, Any] = {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": value}}
    return {"type": "STATE", "state": body | ({"sourceStats": {"recordCount": count}} if count is not None else {})}


def status(stream: str, value: str, namespace: str | None = None) -> dict[str, Any]:
    descriptor = {"name": stream} | ({"namespace": namespace} if namespace else {})
    body = {"stream_descriptor": descriptor, "status": value}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": body}}


def trace_error(message: str, stream: str | None = None, kind: str = "system_error") -> dict[str, Any]:
    error: dict[str, Any] = {"message": message, "failure_type": kind}
    if stream:
        error["stream_descriptor"] = {"name": stream}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.5, "error": error}}


def log(message: str, level: str = "INFO") -> dict[str, Any]:
    return {"type": "LOG", "log": {"level": level, "message": message}}


def catalog(*streams: str, incremental: bool = False, keys: list[list[str]] | None = None) -> dict[str, Any]:
    """A configured catalog of streams with an id and a name."""
    properties = {"id": {"type": "integer"}, "name": {"type": ["null", "string"]}}
    return {
        "streams": [
            {
                "stream": {
                    "name": name,
                    "json_schema": {"type": "object", "properties": properties},
                    **({"source_defined_primary_key": keys} if keys else {}),
                },
                "sync_mode": "incremental" if incremental else "full_refresh",
                "destination_sync_mode": ("append_dedup" if keys else "append") if incremental else "overwrite",
            }
            for name in streams
        ]
    }
