"""`syncctl run`: start a declared sync now, and follow it with --follow."""

import secrets
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from msgspec import Raw

from common.errors import SyncError
from syncctl.api.client import Deployment
from syncctl.api.models import RunOf
from syncctl.api.poll import follow
from syncctl.api.syncs import DeclaredSyncs
from syncctl.commands.options import DEFAULT_URL, AsJson, Token, Url
from syncctl.commands.read import Follow, NewTaskId
from syncctl.commands.session import detach_on_interrupt, session
from syncctl.completion import values
from syncctl.display.progress import show_outcome, show_progress
from syncctl.exit_codes import exit_code

NameArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", show_default=False, autocompletion=values.syncs, help="A declared sync.")
]
Again = Annotated[
    str | None,
    typer.Option(
        "--again",
        metavar="TASK_ID",
        autocompletion=values.tasks,
        help="In place of NAME: what this task was a run of, with the same streams, and --full-sync if it had that.",
    ),
]
StreamNames = Annotated[
    list[str] | None,
    typer.Option(
        "--stream",
        metavar="NAME",
        autocompletion=values.streams,
        help="Run only this stream of the sync's; may be repeated.",
    ),
]
FullSync = Annotated[
    bool, typer.Option("--full-sync", help="Forget the saved states of these streams first, and read all their rows.")
]


def run(
    name: NameArgument = None,
    again: Again = None,
    stream: StreamNames = None,
    full_sync: FullSync = False,
    task: NewTaskId = None,
    follow_it: Follow = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Run a declared sync now, whatever its schedule; one that is suspended runs, too.

    Prints the task's id and returns; with --follow it stays to the end, and exits with the outcome: 0 SUCCESS,
    1 FAILED, 3 PARTIAL, 4 CANCELLED. Ctrl-C stops the following, not the run.

    Examples:

      syncctl run nightly --follow
      syncctl run nightly --stream users --full-sync
      syncctl run --again nightly-20261130T020000 --follow
    """
    if (name is None) == (again is None):
        raise typer.BadParameter("expected the NAME of a declared sync, or --again TASK_ID.")
    if again and (stream or full_sync):
        raise typer.BadParameter(
            "--again takes streams and --full-sync from the task; leave them out, or name the sync."
        )
    with session(url, token, as_json=as_json) as (deployment, output):
        wanted = _run_of(deployment, again) if again else RunOf(name or "", tuple(stream or ()), full_sync)
        name = wanted.sync
        new = task or _task_id(name)
        started = DeclaredSyncs(deployment).run(name, new, wanted.streams, full_sync=wanted.full_sync)
        if again:
            output.note(f"{_described(wanted)}, as task {again} did.")
        if follow_it:
            with detach_on_interrupt(output, started.task_id):
                ended = show_progress(output, follow(deployment, started.task_id))
                show_outcome(output, ended)
            raise typer.Exit(exit_code(ended))
        answer = {"ok": True, "taskId": started.task_id, "sync": name, "startedAt": started.started_at}
        output.json(Raw(msgspec.json.encode(answer)))
        output.print(f"Started task {started.task_id} of sync {name}.")
        output.note(
            f"Follow it with `syncctl logs {started.task_id} --follow`; `syncctl tasks {started.task_id}` shows it."
        )


def _run_of(deployment: Deployment, task_id: str) -> RunOf:
    """Return what a task was asked for. Raise SyncError, with what to do, if it was not a run of a declared sync."""
    task = deployment.task(task_id, 1)
    if task.run is not None:
        return task.run
    command = f"syncctl {task.command} {task.image}" + ("" if task.command == "spec" else " --config FILE")
    if task.command == "read":
        command += f" --sync {task.sync_id}"
    kept = "; it goes on from the sync's saved states" if task.command == "read" else ""
    raise SyncError(
        f"Task {task_id} is not a run of a declared sync, and configurations of others are not kept. Start it with "
        f"`{command}`{kept}. `syncctl read --help` tells how to declare a sync (--save-as)."
    )


def _described(wanted: RunOf) -> str:
    streams = f"streams {', '.join(wanted.streams)}" if wanted.streams else "all its streams"
    return f"Runs sync {wanted.sync} again, {streams}{' from nothing (--full-sync)' if wanted.full_sync else ''}"


def _task_id(name: str) -> str:
    """Return a new id, as the deployment would; with it, a request that got no answer can be repeated."""
    return f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
