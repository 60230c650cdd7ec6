"""Shows a task while it runs: a table redrawn in place, plain lines in a pipe, or JSON lines."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import msgspec
import typer
from msgspec import Raw
from rich.console import Group
from rich.live import Live
from rich.text import Text

from syncctl.api.models import StreamProgress, Task, decode_line
from syncctl.api.poll import LOG_LINES, Look
from syncctl.display import formatting, tables
from syncctl.display.console import Screen, draw, visible
from syncctl.exit_codes import ExitCode, is_final


def show(screen: Screen, looks: Iterable[Look], *, logs: bool = True) -> Task:
    """Shows every look and returns the last one's task."""
    if screen.as_json:
        return _each(looks, _json_lines(screen))
    if screen.live:
        return _redraw(screen, looks, logs=logs)
    return _each(looks, _plain(screen, logs=logs))


def show_lines(screen: Screen, looks: Iterable[Look]) -> Task:
    """Shows log lines alone."""
    return _each(looks, lambda look: _lines(screen, look))


@contextmanager
def leaving(screen: Screen, task_id: str) -> Iterator[None]:
    """While something is followed, Ctrl-C ends the following alone: it says so, and exits with 130."""
    try:
        yield
    except KeyboardInterrupt:
        screen.note(
            f"Stopped following; task {task_id} goes on. `syncctl tasks {task_id}` shows it, `syncctl logs {task_id} "
            f"--follow` follows it, `syncctl cancel {task_id}` ends it."
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def finish(screen: Screen, task: Task) -> None:
    """The last word on a read: all streams, the outcome and the reason."""
    if task.streams:
        screen.table(tables.streams(task))
    screen.show(tables.heading(task))
    if task.reason:
        screen.say(task.reason)
    for line in tables.why(task):
        screen.say(line, "dim")


def _each(looks: Iterable[Look], tell: Callable[[Look], None]) -> Task:
    last = None
    for last in looks:
        tell(last)
    assert last is not None, "a task is looked at at least once"  # noqa: S101 - for the type checker
    return last.task


def _redraw(screen: Screen, looks: Iterable[Look], *, logs: bool) -> Task:
    with Live(console=screen.out, auto_refresh=False, transient=True) as display:

        def tell(look: Look) -> None:
            if logs:
                _lines(screen, look)
            waits = Text(visible(look.task.reason or ""), "dim")
            display.update(Group(draw(tables.streams(look.task)), tables.heading(look.task), waits), refresh=True)

        return _each(looks, tell)


def _plain(screen: Screen, *, logs: bool) -> Callable[[Look], None]:
    told: dict[str, StreamProgress] = {}
    state = [("", 1)]

    def tell(look: Look) -> None:
        if logs:
            _lines(screen, look)
        task = look.task
        now = (": ".join(filter(None, [task.state, task.reason])), task.attempt)
        if now != state[0] and not is_final(task):
            state[0] = now
            # A task that waits for its next attempt says so itself.
            after = "" if task.reason else _attempt(task)
            screen.say(f"task {visible(task.task_id)} is {visible(now[0])}{after}")
        for name, progress in (look.task.streams or {}).items():
            if told.get(name) != progress and (progress.emitted or name in told):
                screen.say(_sentence(name, progress, look.task))
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


def _json_lines(screen: Screen) -> Callable[[Look], None]:
    """`{"event":"log"|"progress"|"end", ...}` lines; progress only when something has changed."""
    told = [b""]

    def tell(look: Look) -> None:
        for raw in look.lines:
            _event(screen, "log", "log", raw)
        brief = _without_logs(look.task)
        if is_final(look.task):
            _event(screen, "end", "task", brief)
        elif bytes(brief) != told[0]:
            told[0] = bytes(brief)
            _event(screen, "progress", "task", brief)

    return tell


def _event(screen: Screen, event: str, member: str, raw: Raw) -> None:
    screen.data(Raw(msgspec.json.encode({"event": event, member: raw})))


def _without_logs(task: Task) -> Raw:
    members = msgspec.json.decode(task.raw, type=dict[str, Raw])
    members.pop("logs", None)
    return Raw(msgspec.json.encode(members))


def _lines(screen: Screen, look: Look) -> None:
    if look.gap:
        screen.note(f"More than {LOG_LINES} lines came at once; the ones before these were not shown here.")
    for raw in look.lines:
        screen.data(raw)
        screen.show(tables.line(decode_line(raw)))
