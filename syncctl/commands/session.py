"""The frame of every command: errors become sentences and exit codes, never a traceback."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import typer

from common.errors import SyncError
from syncctl.api import models
from syncctl.api.client import Deployment
from syncctl.display.console import Output
from syncctl.exit_codes import ExitCode
from syncctl.settings import saved_token, without_password


@contextmanager
def exit_on_error(
    output: Output, code: ExitCode = ExitCode.FAILED, interrupted: str = "Interrupted."
) -> Iterator[None]:
    """Exit with the message and `code` on a SyncError, and with one line and 130 on Ctrl-C."""
    try:
        yield
    except SyncError as error:
        output.error(error.message)
        raise typer.Exit(code) from error
    except KeyboardInterrupt:
        output.note(interrupted)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


@contextmanager
def session(url: str, token: str, *, as_json: bool) -> Iterator[tuple[Deployment, Output]]:
    """Yield a deployment and where to show its answers; whatever it refuses ends in exit code 5."""
    output = Output(as_json=as_json)
    with exit_on_error(output, ExitCode.UNREACHABLE):
        try:
            with Deployment(url, token or saved_token(url), output.note) as deployment:
                yield deployment, output
        except models.DECODE_ERRORS as exc:  # results and log lines are decoded where they are shown
            raise SyncError(
                f"{without_password(url)} sent what this version of syncctl cannot read: {exc}. --json may show it."
            ) from exc


def detach_on_interrupt(output: Output, task_id: str) -> AbstractContextManager[None]:
    """Within a session, leave the task running on Ctrl-C: say so, and exit with 130."""
    return exit_on_error(
        output,
        ExitCode.UNREACHABLE,
        f"Stopped following; task {task_id} goes on. `syncctl tasks {task_id}` shows it, `syncctl logs {task_id} "
        f"--follow` follows it, `syncctl cancel {task_id}` ends it.",
    )
