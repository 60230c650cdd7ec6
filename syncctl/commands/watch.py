"""`syncctl tasks --watch`: the list again and again."""

import time
from collections.abc import Callable, Iterator, Sequence

from rich.live import Live

from syncctl.api.models import Task
from syncctl.display import formatting, tables
from syncctl.display.console import Output, rich_table, visible

_PAUSE_SECONDS = 1.0
_NOTHING = "No tasks match yet."


def watch(output: Output, find: Callable[[], Sequence[Task]]) -> None:
    """Show tasks until Ctrl-C: the list redrawn in place, or a line for each that is new or has changed its state."""
    if output.is_live:
        _redraw(output, find)
    else:
        _print_changes(output, find)


def _redraw(output: Output, find: Callable[[], Sequence[Task]]) -> None:
    with Live(console=output.out, auto_refresh=False) as display:
        for found in _again(find):
            table = rich_table(tables.task_list(found, narrow=output.narrow)) if found else _NOTHING
            display.update(table, refresh=True)


def _print_changes(output: Output, find: Callable[[], Sequence[Task]]) -> None:
    shown: dict[str, tuple[str, int]] = {}
    for found in _again(find):
        for task in reversed(found):
            now = (task.state, task.attempt)
            if shown.get(task.task_id) != now:
                output.json(task.raw)
                output.print(_line(task))
            shown[task.task_id] = now


def _line(task: Task) -> str:
    when = formatting.clock(task.finished_at or task.updated_at or task.created_at)
    attempt = f"attempt {task.attempt}" if task.attempt > 1 else ""
    parts = (when, task.task_id, task.command, task.state, task.image, task.sync_id, attempt, task.reason or "")
    return "  ".join(visible(part) for part in parts if part)


def _again(find: Callable[[], Sequence[Task]]) -> Iterator[Sequence[Task]]:
    while True:
        yield find()
        time.sleep(_PAUSE_SECONDS)
