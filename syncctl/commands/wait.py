"""`syncctl wait`: until tasks have ended."""

import math
import time
from typing import Annotated, NamedTuple, Self

import msgspec
import typer
from msgspec import Raw

from syncctl.api.client import Deployment
from syncctl.api.models import Task
from syncctl.api.poll import poll
from syncctl.commands.options import DEFAULT_URL, AsJson, Token, Url
from syncctl.commands.session import exit_on_error, session
from syncctl.completion import values
from syncctl.display.console import Output
from syncctl.display.progress import show_outcome
from syncctl.exit_codes import ExitCode, exit_code, is_final

TaskIds = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK_ID...",
        show_default=False,
        autocompletion=values.tasks,
        help="Tasks, as `syncctl tasks` lists them.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0, metavar="SECONDS", show_default="without limit", help="How long to wait."),
]


class Patience(NamedTuple):
    """How long to wait, and when that is over by the monotonic clock."""

    seconds: float
    ends: float

    @classmethod
    def of(cls, seconds: float | None) -> Self:
        """From now on; None is without limit."""
        given = math.inf if seconds is None else seconds
        return cls(given, time.monotonic() + given)


def wait(
    task_id: TaskIds,
    timeout: Timeout = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Wait until tasks have ended, and show their outcomes.

    The exit code is the outcome, as of `syncctl read --follow`: 0 SUCCESS, 1 FAILED, 3 PARTIAL, 4 CANCELLED; of
    several tasks the worst one: FAILED, CANCELLED, PARTIAL, SUCCESS. When the time is over it is 1; the tasks go on.

    Examples:

      syncctl wait 3f0c2a4e-... && dbt run
      syncctl wait $(syncctl tasks --status RUNNING --json | jq -r '.tasks[].taskId') --timeout 3600
    """
    patience = Patience.of(timeout)
    names = " ".join(task_id)
    with (
        session(url, token, as_json=as_json) as (deployment, output),
        exit_on_error(output, ExitCode.UNREACHABLE, f"Stopped waiting; nothing was cancelled: {names}."),
    ):
        ended = [_until_end(deployment, output, one, patience) for one in dict.fromkeys(task_id)]
        raise typer.Exit(exit_code(*ended))


def until_end(deployment: Deployment, output: Output, task_id: str, patience: Patience) -> Task:
    """Return a task that has ended. Exit with 1 if the patience ends before."""
    for task in poll(deployment, task_id, 1, ends=patience.ends):
        if not is_final(task) and time.monotonic() >= patience.ends:
            output.error(f"Task {task_id} is still {task.state} after {patience.seconds:g} s; it goes on.")
            raise typer.Exit(ExitCode.FAILED)
    return task


def _until_end(deployment: Deployment, output: Output, task_id: str, patience: Patience) -> Task:
    task = until_end(deployment, output, task_id, patience)
    members = msgspec.json.decode(task.raw, type=dict[str, Raw])
    members.pop("logs", None)  # one line of them was asked for
    output.json(Raw(msgspec.json.encode(members)))
    show_outcome(output, task)
    return task
