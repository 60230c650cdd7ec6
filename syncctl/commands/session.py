"""What every command runs inside: errors become sentences and exit codes, never a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

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
    """Turns our errors into a sentence and `code`, and Ctrl-C into one line and 130."""
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
    """A deployment to ask and a output to show it on; whatever the deployment refuses ends in exit 5."""
    output = Output(as_json=as_json)
    with (
        exit_on_error(output, ExitCode.UNREACHABLE),
        _decoded(output, url),
        Deployment(url, token or saved_token(url), output.note) as deployment,
    ):
        yield deployment, output


@contextmanager
def _decoded(output: Output, url: str) -> Iterator[None]:
    """Results and log lines are decoded where they are shown; a strange one is the deployment's fault."""
    try:
        yield
    except models.DECODE_ERRORS as exc:
        output.error(
            f"{without_password(url)} sent what this version of syncctl cannot read: {exc}. --json may show it."
        )
        raise typer.Exit(ExitCode.UNREACHABLE) from exc
