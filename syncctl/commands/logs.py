"""`syncctl logs`: a task's log, or what of it is wanted."""

from collections.abc import Iterable
from typing import Annotated, Literal

import typer

from syncctl.api.client import Deployment
from syncctl.api.models import LogPage
from syncctl.api.poll import LOG_LINES, follow_log, last_lines, pages_after
from syncctl.commands.options import DEFAULT_URL, AsJson, TaskId, Token, Url
from syncctl.commands.session import detach_on_interrupt, session
from syncctl.commands.times import parse_time
from syncctl.display.console import Output
from syncctl.display.progress import show_lines
from syncctl.exit_codes import exit_code, is_final

MAX_LOG_LINES = 1_000_000

FollowLog = Annotated[bool, typer.Option("--follow", "-f", help="Stay until the task has ended.")]
Lines = Annotated[
    int | None,
    typer.Option(
        "--lines",
        "-n",
        min=1,
        max=MAX_LOG_LINES,
        show_default=False,
        help=f"How many of the last lines; {LOG_LINES}, or with --since all, if it is left out.",
    ),
]
Level = Annotated[
    Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] | None,
    typer.Option(
        "--level", case_sensitive=False, help="Only lines of this level or a higher one; standard error is an ERROR."
    ),
]
Grep = Annotated[
    str | None,
    typer.Option("--grep", metavar="TEXT", help="Only lines whose message has this text, in whatever case."),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        parser=parse_time,
        help="Only lines from then on: 90s, 10m, 2h or 1d ago, or a time such as 2026-11-30T02:00.",
    ),
]


def logs(
    task_id: TaskId,
    follow_it: FollowLog = False,
    lines: Lines = None,
    level: Level = None,
    grep: Grep = None,
    since: Since = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show a task's log, letter for letter; characters that could disturb the terminal are made visible.

    The exit code is the task's outcome, and 0 while it goes on. With --json each line is an object with
    timestamp, level, logger and message.

    Examples:

      syncctl logs 3f0c2a4e-... --follow
      syncctl logs 3f0c2a4e-... --level WARN --grep timeout
      syncctl logs 3f0c2a4e-... --since 10m
      syncctl logs 3f0c2a4e-... --lines 50 --json | jq -r .message
    """
    given = {"level": level, "q": grep, "since": since}
    wanted = {name: value for name, value in given.items() if value}
    with session(url, token, as_json=as_json) as (deployment, output):
        with detach_on_interrupt(output, task_id):
            page, count = _show(deployment, output, task_id, lines or (0 if since else LOG_LINES), wanted)
            if follow_it and not is_final(page):
                page, more = _show_pages(output, follow_log(deployment, task_id, page.after, wanted))
                count += more
        if not count:
            _explain(deployment, output, task_id, wanted)
        raise typer.Exit(exit_code(page))


def _show(
    deployment: Deployment, output: Output, task_id: str, lines: int, wanted: dict[str, str]
) -> tuple[LogPage, int]:
    """Show the last lines, or if `lines` is 0 all; return where they end, and how many they were."""
    pages = (
        [last_lines(deployment, task_id, lines, wanted)] if lines else pages_after(deployment, task_id, "start", wanted)
    )
    return _show_pages(output, pages)


def _show_pages(output: Output, pages: Iterable[LogPage]) -> tuple[LogPage, int]:
    count = 0
    for page in pages:
        show_lines(output, page.logs)
        count += len(page.logs)
    return page, count


def _explain(deployment: Deployment, output: Output, task_id: str, wanted: dict[str, str]) -> None:
    task = deployment.task(task_id, 1)
    if wanted and task.logs:
        output.note(
            f"No line of task {task_id} is like that; it is {task.state}. Leave out --level, --grep or --since."
        )
    else:
        output.note(f"Task {task_id} is {task.state} and has no log lines. {task.reason or ''}")
