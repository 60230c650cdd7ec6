"""Shows a task while it runs: a table redrawn in place, plain lines in a pipe, or JSON lines."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import msgspec
import typer
from msgspec import Raw
from rich.console import Group
from rich.live import Live
from rich.text import Text

from syncctl.api.models import StreamProgress, Task, decode_log_line
from syncctl.api.poll import LOG_LINES, TaskSnapshot
from syncctl.display import formatting, tables
from syncctl.display.console import Output, rich_table, visible
from syncctl.exit_codes import ExitCode, is_final


def show_progress(output: Output, snapshots: Iterable[TaskSnapshot], *, logs: bool = True) -> Task:
    """Shows every snapshot and returns the last one's task."""
    if output.as_json:
        return _each(snapshots, _json_lines(output))
    if output.is_live:
        return _redraw(output, snapshots, logs=logs)
    return _each(snapshots, _plain(output, logs=logs))


def show_logs(output: Output, snapshots: Iterable[TaskSnapshot]) -> Task:
    """Shows log lines alone."""
    return _each(snapshots, lambda snapshot: _lines(output, snapshot))


@contextmanager
def detach_on_interrupt(output: Output, task_id: str) -> Iterator[None]:
    """While something is followed, Ctrl-C ends the following alone: it says so, and exits with 130."""
    try:
        yield
    except KeyboardInterrupt:
        output.note(
            f"Stopped following; task {task_id} goes on. `syncctl tasks {task_id}` shows it, `syncctl logs {task_id} "
            f"--follow` follows it, `syncctl cancel {task_id}` ends it."
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def show_outcome(output: Output, task: Task) -> None:
    """The last word on a read: all streams, the outcome and the reason."""
    if task.streams:
        output.table(tables.stream_table(task))
    output.render(tables.task_heading(task))
    if task.reason:
        output.print(task.reason)
    for line in tables.failure_lines(task):
        output.print(line, "dim")


def _each(snapshots: Iterable[TaskSnapshot], tell: Callable[[TaskSnapshot], None]) -> Task:
    last = None
    for last in snapshots:
        tell(last)
    assert last is not None, "a task is looked at at least once"  # noqa: S101 - for the type checker
    return last.task


def _redraw(output: Output, snapshots: Iterable[TaskSnapshot], *, logs: bool) -> Task:
    with Live(console=output.out, auto_refresh=False, transient=True) as display:

        def tell(snapshot: TaskSnapshot) -> None:
            if logs:
                _lines(output, snapshot)
            waits = Text(visible(snapshot.task.reason or ""), "dim")
            display.update(
                Group(rich_table(tables.stream_table(snapshot.task)), tables.task_heading(snapshot.task), waits),
                refresh=True,
            )

        return _each(snapshots, tell)


def _plain(output: Output, *, logs: bool) -> Callable[[TaskSnapshot], None]:
    told: dict[str, StreamProgress] = {}
    state = [("", 1)]

    def tell(snapshot: TaskSnapshot) -> None:
        if logs:
            _lines(output, snapshot)
        task = snapshot.task
        now = (": ".join(filter(None, [task.state, task.reason])), task.attempt)
        if now != state[0] and not is_final(task):
            state[0] = now
            # A task that waits for its next attempt says so itself.
            after = "" if task.reason else _attempt(task)
            output.print(f"task {visible(task.task_id)} is {visible(now[0])}{after}")
        for name, progress in (snapshot.task.streams or {}).items():
            if told.get(name) != progress and (progress.emitted or name in told):
                output.print(_sentence(name, progress, snapshot.task))
            told[name] = progress

    return tell


def _attempt(task: Task) -> str:
    """Why it is not the first one, where it is not."""
    return f", attempt {task.attempt} after {visible(task.attempts[-1].kind)}" if task.attempts else ""


def _sentence(name: str, progress: StreamProgress, task: Task) -> str:
    parts = [
        f"{formatting.count(progress.emitted)} emitted",
        f"{formatting.count(progress.stored)} stored",
        formatting.size(progress.size),
        f"{formatting.rate(progress, task)} rows/s" if progress.stored else "",
    ]
    return f"{visible(name)}: {visible(progress.status)}, {', '.join(filter(None, parts))}"


def _json_lines(output: Output) -> Callable[[TaskSnapshot], None]:
    """`{"event":"log"|"progress"|"end", ...}` lines; progress only when something has changed."""
    told = [b""]

    def tell(snapshot: TaskSnapshot) -> None:
        for raw in snapshot.lines:
            _event(output, "log", "log", raw)
        brief = _without_logs(snapshot.task)
        if is_final(snapshot.task):
            _event(output, "end", "task", brief)
        elif bytes(brief) != told[0]:
            told[0] = bytes(brief)
            _event(output, "progress", "task", brief)

    return tell


def _event(output: Output, event: str, member: str, raw: Raw) -> None:
    output.json(Raw(msgspec.json.encode({"event": event, member: raw})))


def _without_logs(task: Task) -> Raw:
    members = msgspec.json.decode(task.raw, type=dict[str, Raw])
    members.pop("logs", None)
    return Raw(msgspec.json.encode(members))


def _lines(output: Output, snapshot: TaskSnapshot) -> None:
    if snapshot.gap:
        output.note(f"More than {LOG_LINES} lines came at once; the ones before these were not shown here.")
    for raw in snapshot.lines:
        output.json(raw)
        output.render(tables.log_line(decode_log_line(raw)))
