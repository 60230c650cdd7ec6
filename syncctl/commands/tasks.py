"""`syncctl tasks` and `cancel`."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import typer
from msgspec import Raw

from syncctl.api.client import LONG_RETRIES, SHORT_RETRIES, Deployment
from syncctl.api.models import Task
from syncctl.api.poll import follow
from syncctl.catalogs import discovered_streams
from syncctl.commands.connector import show_check, show_spec
from syncctl.commands.options import DEFAULT_URL, AsJson, TaskId, Token, Url
from syncctl.commands.session import detach_on_interrupt, session
from syncctl.commands.times import parse_time
from syncctl.commands.watch import watch as watch_list
from syncctl.completion import values
from syncctl.display import formatting, tables
from syncctl.display.console import Output
from syncctl.display.progress import show_lines, show_outcome, show_progress
from syncctl.exit_codes import TaskState, exit_code, is_final

PAGE = 100
"""Tasks of one request."""

MaybeTaskId = Annotated[
    str | None,
    typer.Argument(metavar="TASK_ID", show_default=False, autocompletion=values.tasks, help="Show this task in full."),
]
Sync = Annotated[
    str | None,
    typer.Option("--sync", metavar="ID", autocompletion=values.sync_ids, help="Only tasks of this sync."),
]
Status = Annotated[TaskState | None, typer.Option("--status", case_sensitive=False, help="Only tasks in this state.")]
OfCommand = Annotated[
    Literal["spec", "check", "discover", "read"] | None,
    typer.Option("--command", case_sensitive=False, help="Only tasks of this kind."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many, newest first.")]
Package = Annotated[
    str | None, typer.Option("--package", metavar="NAME", help="Only tasks of this connector: airbyte/source-faker.")
]
StartedBy = Annotated[
    str | None,
    typer.Option(
        "--started-by",
        metavar="TEXT",
        help="Only tasks that were started by this: schedule, after or manual (runs of declared syncs), syncctl, or "
        "what another caller has sent.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        parser=parse_time,
        help="Only tasks from then on: 90s, 10m, 2h or 1d ago, or a time such as 2026-11-30T02:00.",
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", parser=parse_time, help="Only tasks from before that time.")
]
Watch = Annotated[
    bool,
    typer.Option("--watch", "-w", help="Stay until Ctrl-C, and show what changes; of one task, until it has ended."),
]


def tasks(
    task_id: MaybeTaskId = None,
    sync: Sync = None,
    status: Status = None,
    command: OfCommand = None,
    package: Package = None,
    started_by: StartedBy = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    watch: Watch = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first; or show one in full.

    One task's exit code is its outcome: 0 SUCCESS, 1 FAILED, 3 PARTIAL, 4 CANCELLED, and 0 while it goes on.

    Examples:

      syncctl tasks --status RUNNING
      syncctl tasks --command read --sync nightly --limit 5
      syncctl tasks --status FAILED --since 1d
      syncctl tasks --started-by schedule --watch
      syncctl tasks 3f0c2a4e-... --json | jq .streams
    """
    filters = {"syncId": sync, "status": status, "command": command, "package": package, "startedBy": started_by}
    filters |= {"from": since, "to": until}
    query = {key: str(value) for key, value in filters.items() if value}
    with session(url, token, as_json=as_json) as (deployment, output):
        if task_id is not None:
            raise typer.Exit(
                exit_code(_watch_one(deployment, output, task_id) if watch else _detail(deployment, output, task_id))
            )
        if watch:
            watch_list(output, lambda: _collect(deployment, query, limit, LONG_RETRIES))
        found = _collect(deployment, query, limit)
        output.json(Raw(msgspec.json.encode({"tasks": [task.raw for task in found]})))
        if found:
            output.table(tables.task_list(found, narrow=output.narrow))
        else:
            output.note("No tasks match. `syncctl read IMAGE --config FILE` starts one.")


def cancel(task_id: TaskId, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """End a task: what the warehouse has acknowledged so far stays, and its state is saved.

    Examples:

      syncctl cancel 3f0c2a4e-...
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        before = deployment.task(task_id)
        note = deployment.cancel(before)
        task = deployment.task(task_id, pauses=LONG_RETRIES)
        output.json(task.raw)
        output.render(tables.task_heading(task))
        if note:
            output.note(note)
        if is_final(before):
            output.note(f"It had ended before, {before.state}: there was nothing to cancel.")
        elif task.command == "read" and task.state == TaskState.CANCELLED:
            output.note(
                f"It saves now what the warehouse has acknowledged; `syncctl logs {task.task_id}` tells how much. The "
                "next read of the sync resumes from there."
            )


def _collect(
    deployment: Deployment, query: dict[str, str], limit: int, pauses: Sequence[float] = SHORT_RETRIES
) -> list[Task]:
    """Return `limit` tasks, or all there are, from as many pages as that takes."""
    found: list[Task] = []
    while len(found) < limit:
        page = deployment.tasks(query | {"limit": str(min(limit - len(found), PAGE))}, pauses)
        found += [deployment.decode(raw) for raw in page.tasks]
        if not page.next or not page.tasks:
            break
        query = query | {"cursor": page.next}
    return found[:limit]


def _watch_one(deployment: Deployment, output: Output, task_id: str) -> Task:
    with detach_on_interrupt(output, task_id):
        task = show_progress(output, follow(deployment, task_id), logs=False)
        show_outcome(output, task)
    return task


def _detail(deployment: Deployment, output: Output, task_id: str) -> Task:
    task = deployment.task(task_id)
    output.json(task.raw)
    show_outcome(output, task)
    times = {"created": task.created_at, "started": task.started_at, "finished": task.finished_at}
    output.print(" · ".join(f"{name} {formatting.clock(time) or 'not yet'}" for name, time in times.items()), "dim")
    if task.has_result:
        _show_result(output, task)
    if task.logs and not output.as_json:
        output.print()
        show_lines(output, task.logs)
    return task


def _show_result(output: Output, task: Task) -> None:
    output.print()
    if task.command == "spec":
        show_spec(output, task.result)
    elif task.command == "check":
        show_check(output, task)
    elif task.command == "discover":
        output.table(tables.catalog(discovered_streams(task.result)))
