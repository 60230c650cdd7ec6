"""Tasks, streams, catalogs and log lines as grids and texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.text import Text

from syncctl.api.models import LogLine, Task, TaskFailure
from syncctl.catalogs import DiscoveredStream
from syncctl.display import formatting
from syncctl.display.console import STATE_STYLES, Grid, visible
from syncctl.exit_codes import TaskState

_ORIGINS = {
    "source": "the connector",
    "destination": "Bulker or the warehouse",
    "platform": "Kubernetes or the deployment",
    "user": "the request or the settings",
}
"""Whose fault a failure is."""
_WAITS_FOR = {
    "pod": "its pod",
    "quota": "room in the quota",
    "cluster": "the cluster",
    "node": "a node",
    "image": "an image",
    "container": "its containers",
    "report": "its sidecar's report",
    "retry": "its next attempt",
    "discovery": "its discovery",
    "rate_limit": "the source's rate limit",
}
"""What a task waits for, as a part of a sentence."""
_LEVEL_STYLES = {"ERROR": "red", "FATAL": "bold red", "ERRSTD": "yellow", "WARN": "yellow", "DEBUG": "dim"}


def task_list(rows: Sequence[Task], *, narrow: bool = False) -> Grid:
    """Return a list of tasks; a narrow one without sync and reason. Ids are whole, to copy."""
    headers = ("task", "command", "state", "started", "took", "connector", "sync", "reason")
    cells = [
        (
            task.task_id,
            task.command,
            task.state,
            formatting.clock(task.started_at or task.created_at, "%m-%d %H:%M" if narrow else "%Y-%m-%d %H:%M:%S"),
            _took(task),
            task.image.rpartition("/")[2] if narrow else task.image,
            task.sync_id,
            task.reason or "",
        )
        for task in rows
    ]
    end = -2 if narrow else len(headers)
    whole = frozenset({"task", "state", "started"})
    return Grid(headers[:end], [row[:end] for row in cells], right=frozenset({"took"}), whole=whole)


def stream_table(task: Task) -> Grid:
    """Return the streams of a read; refused rows, notes, errors and estimates have a column if there are any."""
    streams = task.streams or {}
    refused = any(progress.refused for progress in streams.values())
    errors = any(progress.error for progress in streams.values())
    notes = any(progress.note for progress in streams.values())
    estimates = any(progress.percent is not None for progress in streams.values())
    headers = ["stream", "status", "emitted", "stored", "bytes", "took", "rows/s"] + ["done"] * estimates
    headers += ["refused"] * refused + ["note"] * notes + ["error"] * errors
    rows = [
        [
            name,
            progress.status,
            formatting.count(progress.emitted),
            formatting.count(progress.stored),
            formatting.size(progress.size),
            "" if progress.seconds is None else formatting.duration(progress.seconds),
            formatting.rate(progress),
            *([formatting.how_far(progress.percent, progress.seconds_left)] if estimates else []),
            *([formatting.count(progress.refused)] if refused else []),
            *([progress.note or ""] if notes else []),
            *([progress.error or ""] if errors else []),
        ]
        for name, progress in streams.items()
    ]
    return Grid(headers, rows, right=frozenset({"emitted", "stored", "bytes", "took", "rows/s", "refused"}))


def task_heading(task: Task) -> Text:
    """Return one line on a task: command, image, state, id, sync, time, how far it is or what it waits for."""
    text = Text(visible(f"{task.command} {task.image}"), "bold")
    text.append("  ").append(visible(task.state), STATE_STYLES.get(task.state, ""))
    details = [f"task {task.task_id}", f"sync {task.sync_id}" if task.sync_id else "", _took(task), _now(task)]
    return text.append("  " + visible(" · ".join(filter(None, details))), "dim")


def failure_lines(task: Task) -> list[str]:
    """Return what explains a task's end beside its reason: earlier attempts, the kind of failure, and advice."""
    lines = [
        f"attempt {earlier.attempt} ended {formatting.clock(earlier.ended_at)} ({_kind(earlier)}): {earlier.message}"
        for earlier in task.attempts
    ]
    if failure := task.failure:
        known = failure.advice.rstrip(".").lower() in (task.reason or "").lower()
        meaning = f" ({_ORIGINS[failure.origin]})" if failure.origin in _ORIGINS else ""
        advice = "" if known else f" {failure.advice}"
        lines.append(f"K{_kind(failure)[1:]}{meaning}.{advice}")
    unfinished = {TaskState.PENDING, TaskState.RUNNING}
    if task.state == TaskState.CANCELLED and any(one.status in unfinished for one in (task.streams or {}).values()):
        # The cancel made the row final: only the log shows what the pod stores after it.
        lines.append("The counts are those before the cancel; the end of the log tells what was stored.")
    return lines


def log_line(log: LogLine) -> Text:
    """Return one log line; further lines of its message are indented, so that none can pass for a line of its own."""
    text = Text(formatting.clock(log.timestamp, "%H:%M:%S"), "dim")
    text.append(f" {visible(log.level):<6}", _LEVEL_STYLES.get(log.level, "default"))
    text.append(f" {visible(log.logger)}", "dim").append("  ")
    return text.append(visible(log.message, lines=True).replace("\n", "\n    "), "default")


def catalog(streams: Sequence[DiscoveredStream]) -> Grid:
    """Return a discovered catalog."""
    rows = []
    for stream in streams:
        modes = ", ".join(stream.supported_sync_modes or [])
        own = "(the source's own)" if stream.source_defined_cursor else ""
        cursor = ".".join(stream.default_cursor_field or []) or own
        key = ", ".join(".".join(path) for path in stream.source_defined_primary_key or [])
        properties = stream.json_schema.get("properties")
        fields = formatting.count(len(properties) if isinstance(properties, Mapping) else 0)
        rows.append((stream.key, modes, cursor, key, fields))
    return Grid(("stream", "modes", "cursor", "primary key", "fields"), rows, right=frozenset({"fields"}))


def spec_fields(spec: Mapping[str, Any]) -> Grid:
    """Return the fields of a connector's configuration, nested ones by dotted names."""
    headers = ("field", "type", "required", "default", "description")
    return Grid(headers, list(_fields(spec.get("connectionSpecification"), "")))


def _fields(schema: object, prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
    schema = schema if isinstance(schema, Mapping) else {}
    properties, required = schema.get("properties"), schema.get("required")
    for name, field in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(field, Mapping):
            continue
        needed = "yes" if isinstance(required, list) and name in required else ""
        value = field.get("default", "")
        default = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        description = str(field.get("description") or field.get("title") or "")
        yield prefix + name, _field_type(field), needed, default, " ".join(description.split())
        yield from _fields(field, f"{prefix}{name}.")


def _field_type(field: Mapping[str, Any]) -> str:
    if field.get("airbyte_secret"):
        return "secret"
    if isinstance(choices := field.get("oneOf"), list):
        titles = [str(choice.get("title", "?")) for choice in choices if isinstance(choice, Mapping)]
        return "one of: " + " | ".join(titles)
    if isinstance(values := field.get("enum"), list):
        return " | ".join(map(str, values))
    kind = field.get("type", "any")
    return ", ".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _kind(failure: TaskFailure) -> str:
    return f"kind of failure: {failure.kind}, origin: {failure.origin}"


def _now(task: Task) -> str:
    if waiting := task.waiting:
        until = f", until {formatting.clock(waiting.until)}" if waiting.until else ""
        kind = _WAITS_FOR.get(waiting.kind, waiting.kind)
        return f"waits for {kind} ({formatting.duration(waiting.seconds)}{until})"
    return formatting.how_far(task.progress.percent, task.progress.seconds_left) if task.progress else ""


def _took(task: Task) -> str:
    seconds = formatting.elapsed_seconds(task)
    return "" if seconds is None else formatting.duration(seconds)
