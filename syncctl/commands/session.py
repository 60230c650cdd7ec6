"""What every command runs inside: errors become sentences and exit codes, never a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from common.errors import SyncError
from syncctl.api import models
from syncctl.api.client import Deployment
from syncctl.display.console import Screen
from syncctl.exit_codes import ExitCode
from syncctl.settings import saved_token, shown


@contextmanager
def guard(screen: Screen, code: ExitCode = ExitCode.FAILED, interrupted: str = "Interrupted.") -> Iterator[None]:
    """Turns our errors into a sentence and `code`, and Ctrl-C into one line and 130."""
    try:
        yield
    except SyncError as error:
        screen.fail(error.message)
        raise typer.Exit(code) from error
    except KeyboardInterrupt:
        screen.note(interrupted)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


@contextmanager
def session(url: str, token: str, *, as_json: bool) -> Iterator[tuple[Deployment, Screen]]:
    """A deployment to ask and a screen to show it on; whatever the deployment refuses ends in exit 5."""
    screen = Screen(as_json=as_json)
    with (
        guard(screen, ExitCode.UNREACHABLE),
        _decoded(screen, url),
        Deployment(url, token or saved_token(url), screen.note) as deployment,
    ):
        yield deployment, screen


@contextmanager
def _decoded(screen: Screen, url: str) -> Iterator[None]:
    """Results and log lines are decoded where they are shown; a strange one is the deployment's fault."""
    try:
        yield
    except models.UNREADABLE as exc:
        screen.fail(f"{shown(url)} sent something that this version of syncctl cannot read: {exc}. --json may show it.")
        raise typer.Exit(ExitCode.UNREACHABLE) from exc
