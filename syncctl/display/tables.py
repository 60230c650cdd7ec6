"""Tasks, streams, catalogs and log lines, as grids and texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.text import Text

from syncctl.api.models import LogLine, Task, TaskFailure
from syncctl.catalogs import DiscoveredStream
from syncctl.display import formatting
from syncctl.display.console import STATE_STYLES, Grid, visible
from syncctl.exit_codes import TaskState

_LEVEL_STYLES = {"ERROR": "red", "FATAL": "bold red", "ERRSTD": "yellow", "WARN": "yellow", "DEBUG": "dim"}


def task_list(rows: Sequence[Task], *, narrow: bool = False) -> Grid:
    """A list of tasks; a narrow one leaves out what `syncctl tasks TASK_ID` shows anyway. Ids stay whole, to copy."""
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
    shown = -2 if narrow else len(headers)
    return Grid(
        headers[:shown],
        [row[:shown] for row in cells],
        right=frozenset({"took"}),
        whole=frozenset({"task", "state", "started"}),
    )


def stream_table(task: Task) -> Grid:
    """The streams of a read; refused rows and errors get a column only where there are any."""
    entries = list((task.streams or {}).items())
    refused = any(progress.refused for _, progress in entries)
    errors = any(progress.error for _, progress in entries)
    headers = ["stream", "status", "emitted", "stored", "bytes", "rows/s"]
    rows = [
        [
            name,
            progress.status,
            formatting.count(progress.emitted),
            formatting.count(progress.stored),
            formatting.size(progress.size),
            formatting.rate(progress, task),
            *([formatting.count(progress.refused)] if refused else []),
            *([progress.error or ""] if errors else []),
        ]
        for name, progress in entries
    ]
    headers += ["refused"] * refused + ["error"] * errors
    return Grid(headers, rows, right=frozenset({"emitted", "stored", "bytes", "rows/s", "refused"}))


def task_heading(task: Task) -> Text:
    """One line about a task: what it is and where it stands."""
    text = Text(visible(f"{task.command} {task.image}"), "bold")
    text.append("  ").append(visible(task.state), STATE_STYLES.get(task.state, ""))
    details = [f"task {task.task_id}", f"sync {task.sync_id}" if task.sync_id else "", _took(task)]
    return text.append("  " + visible(" · ".join(filter(None, details))), "dim")


def failure_lines(task: Task) -> list[str]:
    """What ended a task beside the words of its reason: earlier attempts, the kind, and what to do."""
    lines = [
        f"attempt {earlier.attempt} ended {formatting.clock(earlier.ended_at)} ({_kind_of(earlier)}): {earlier.message}"
        for earlier in task.attempts
    ]
    if failure := task.failure:
        known = failure.advice.lower() in (task.reason or "").lower()
        lines.append(_kind_of(failure) + ("" if known else f": {failure.advice}"))
    open_ended = any(
        progress.status in {TaskState.PENDING, TaskState.RUNNING} for progress in (task.streams or {}).values()
    )
    if task.state == TaskState.CANCELLED and open_ended:
        # The cancel made the row final: what the pod still saves is in its log alone.
        lines.append("The counts are those before the cancel; the end of the log tells what was stored.")
    return lines


def _kind_of(failure: TaskFailure) -> str:
    return f"{failure.origin}, {failure.kind}"


def log_line(log: LogLine) -> Text:
    """One log line; further lines of its message are indented, so that none can pass for a line of its own."""
    text = Text(formatting.clock(log.timestamp, "%H:%M:%S"), "dim")
    text.append(f" {visible(log.level):<6}", _LEVEL_STYLES.get(log.level, "default"))
    text.append(f" {visible(log.logger)}", "dim").append("  ")
    return text.append(visible(log.message, lines=True).replace("\n", "\n    "), "default")


def catalog(entries: Sequence[DiscoveredStream]) -> Grid:
    """A discovered catalog."""
    return Grid(
        ("stream", "modes", "cursor", "primary key", "fields"),
        [
            (
                stream.key,
                ", ".join(stream.supported_sync_modes or []),
                _cursor(stream),
                ", ".join(".".join(path) for path in stream.source_defined_primary_key or []),
                formatting.count(_size(stream.json_schema.get("properties"))),
            )
            for stream in entries
        ],
        right=frozenset({"fields"}),
    )


def _cursor(stream: DiscoveredStream) -> str:
    own = "(the source's own)" if stream.source_defined_cursor else ""
    return ".".join(stream.default_cursor_field or []) or own


def spec_fields(spec: Mapping[str, Any]) -> Grid:
    """The fields that a connector's configuration may hold, nested ones by dotted names."""
    schema = spec.get("connectionSpecification")
    return Grid(
        ("field", "type", "required", "default", "description"),
        list(_fields(schema, "")) if isinstance(schema, Mapping) else [],
    )


def _fields(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
    properties, required = schema.get("properties"), schema.get("required")
    for name, field in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(field, Mapping):
            continue
        needed = "yes" if isinstance(required, list) and name in required else ""
        value = field.get("default", "")
        default = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        described = str(field.get("description") or field.get("title") or "")
        yield prefix + name, _kind(field), needed, default, " ".join(described.split())
        yield from _fields(field, f"{prefix}{name}.")


def _kind(field: Mapping[str, Any]) -> str:
    if field.get("airbyte_secret"):
        return "secret"
    if isinstance(choices := field.get("oneOf"), list):
        titles = [str(choice.get("title", "?")) for choice in choices if isinstance(choice, Mapping)]
        return "one of: " + " | ".join(titles)
    if isinstance(values := field.get("enum"), list):
        return " | ".join(str(value) for value in values)
    kind = field.get("type", "any")
    return ", ".join(str(part) for part in kind) if isinstance(kind, list) else str(kind)


def _size(value: object) -> int:
    return len(value) if isinstance(value, Mapping) else 0


def _took(task: Task) -> str:
    seconds = formatting.elapsed_seconds(task)
    return "" if seconds is None else formatting.duration(seconds)
