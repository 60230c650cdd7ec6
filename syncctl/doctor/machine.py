"""The report about the one-machine edition."""

from collections.abc import Callable, Iterator
from pathlib import Path

from common.errors import SyncError
from syncctl.doctor.finding import Finding, failed, ok, warning

_NEXT = "Then look again: `syncctl doctor machine`."


def look(home: Path, port: int) -> Iterator[Finding]:
    """Yield all findings about this machine; the edition may run or not."""
    try:
        from embedded import look as machine
    except ModuleNotFoundError as error:
        yield failed(
            "packages", f"The embedded edition is not installed ({error.name} is missing).",
            "Install it: `pip install 'sync-functions[embedded]'`.",
        )  # fmt: skip
        return
    yield ok("packages", "The embedded edition is installed.")
    home = home.expanduser().absolute()
    yield _line("edition", lambda: _edition(machine.is_running(home), home), machine.Notice)
    yield _line("home", lambda: machine.folder(home), machine.Notice)
    yield _line("port", lambda: machine.port(home, port), machine.Notice)
    yield _line("postgres", lambda: machine.database(home), machine.Notice)
    yield _line("warehouse", lambda: machine.warehouse(home), machine.Notice)
    yield _line("connectors", machine.connectors, machine.Notice)
    yield _line("installer", machine.installer, machine.Notice)


def _edition(runs: bool, home: Path) -> str:
    return f"{'An edition runs' if runs else 'No edition runs'} on {home}."


def _line(check: str, look_at: Callable[[], str], notice: type[SyncError]) -> Finding:
    try:
        return ok(check, look_at())
    except notice as error:
        return warning(check, error.message, _NEXT)
    except SyncError as error:
        return failed(check, error.message, _NEXT)
    except OSError as error:
        return failed(check, f"{error.filename or 'A file'} cannot be read: {error.strerror or error}.", _NEXT)
