"""A task while it runs: a table redrawn in place, plain lines in a pipe, or JSON lines."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw
from rich.console import Group
from rich.live import Live
from rich.text import Text

from syncctl.api.models import StreamProgress, Task, decode_log_line
from syncctl.api.poll import TaskSnapshot
from syncctl.display import formatting, tables
from syncctl.display.console import Output, rich_table, visible
from syncctl.exit_codes import TaskState, is_final

_MOVING: dict[str, Any] = {"seconds": None, "rate": None, "percent": None, "seconds_left": None}
"""What changes of a stream while nothing comes."""


def show_progress(output: Output, snapshots: Iterable[TaskSnapshot], *, logs: bool = True) -> Task:
    """Show a read until its end; return the task then. There must be a snapshot."""
    if output.as_json:
        return _print_events(output, snapshots)
    if output.is_live:
        return _redraw(output, snapshots, logs=logs)
    return _print_changes(output, snapshots, logs=logs)


def show_lines(output: Output, lines: Iterable[Raw]) -> None:
    """Show log lines."""
    for raw in lines:
        output.json(raw)
        output.render(tables.log_line(decode_log_line(raw)))


def show_outcome(output: Output, task: Task) -> None:
    """Show all streams of a task, its state, its reason and what else explains its end."""
    if task.streams:
        output.table(tables.stream_table(task))
    output.render(tables.task_heading(task))
    if task.reason:
        output.print(task.reason)
    for line in tables.failure_lines(task):
        output.print(line, "dim")


def _redraw(output: Output, snapshots: Iterable[TaskSnapshot], *, logs: bool) -> Task:
    failed: set[str] = set()
    with Live(console=output.out, auto_refresh=False, transient=True) as display:
        for snapshot in snapshots:
            task = snapshot.task
            if logs:
                show_lines(output, snapshot.lines)
            for name in _new_failures(task, failed):
                output.print(_stream_line(name, task, with_error=True), "red")
            reason = Text(visible(task.reason or ""), "dim")
            parts = Group(rich_table(tables.stream_table(task)), tables.task_heading(task), reason)
            display.update(parts, refresh=True)
    return task


def _print_changes(output: Output, snapshots: Iterable[TaskSnapshot], *, logs: bool) -> Task:
    shown = ("", 1)
    streams: dict[str, StreamProgress] = {}
    failed: set[str] = set()
    for snapshot in snapshots:
        task = snapshot.task
        if logs:
            show_lines(output, snapshot.lines)
        now = (": ".join(filter(None, [task.state, task.reason])), task.attempt)
        if now != shown and not is_final(task):
            shown = now
            # The reason of a task that waits for its next attempt names the failure already.
            line = f"task {visible(task.task_id)} is {visible(now[0])}"
            if task.attempts and not task.reason:
                line += f", attempt {task.attempt} after {visible(task.attempts[-1].kind)}"
            output.print(line)
        new = _new_failures(task, failed)
        for name, progress in (task.streams or {}).items():
            counts = msgspec.structs.replace(progress, **_MOVING)
            if name in new or (streams.get(name) != counts and (progress.emitted or name in streams)):
                output.print(_stream_line(name, task, with_error=name in new))
            streams[name] = counts
    return task


def _new_failures(task: Task, failed: set[str]) -> list[str]:
    """Return the streams that have failed while the task runs, and add them to `failed`, which had none of them."""
    streams = {} if is_final(task) else task.streams or {}
    new = [name for name, one in streams.items() if one.status == TaskState.FAILED and name not in failed]
    failed.update(new)
    return new


def _stream_line(name: str, task: Task, *, with_error: bool = False) -> str:
    progress = (task.streams or {})[name]
    parts = [
        f"{formatting.count(progress.emitted)} emitted",
        f"{formatting.count(progress.stored)} stored",
        formatting.size(progress.size),
        f"{rate} rows/s" if (rate := formatting.rate(progress)) else "",
        formatting.how_far(progress.percent, progress.seconds_left),
        visible(progress.note or ""),
    ]
    error = f": {visible(progress.error)}" if with_error and progress.error else ""
    return f"{visible(name)}: {visible(progress.status)}, {', '.join(filter(None, parts))}{error}"


def _print_events(output: Output, snapshots: Iterable[TaskSnapshot]) -> Task:
    """Print `{"event":"log"|"progress"|"end", ...}` lines; progress only if something has changed."""
    shown = b""
    for snapshot in snapshots:
        for raw in snapshot.lines:
            _print_event(output, "log", "log", raw)
        members = msgspec.json.decode(snapshot.task.raw, type=dict[str, Raw])
        members.pop("logs", None)
        task = msgspec.json.encode(members)
        members.pop("waiting", None)  # its age grows with each answer
        news = msgspec.json.encode(members)
        if is_final(snapshot.task):
            _print_event(output, "end", "task", Raw(task))
        elif news != shown:
            shown = news
            _print_event(output, "progress", "task", Raw(task))
    return snapshot.task


def _print_event(output: Output, event: str, member: str, value: Raw) -> None:
    output.json(Raw(msgspec.json.encode({"event": event, member: value})))
