"""`syncctl secret`: the values that declared syncs refer to, on one machine. On a cluster kubectl makes them."""

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import SettingsError, SyncError
from syncctl.commands.embedded import Home, set_up_process
from syncctl.commands.options import AsJson
from syncctl.commands.session import exit_on_error
from syncctl.commands.sync import Secrets
from syncctl.display.console import Grid, Output
from syncctl.exit_codes import ExitCode

if TYPE_CHECKING:
    from embedded.credentials import Credentials

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the Secret, such as credentials-shop.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of the Secret, such as api-key.")]
OneKey = Annotated[str | None, typer.Argument(metavar="KEY", help="Key; without it the whole Secret.")]
FromFile = Annotated[
    Path | None, typer.Option("--from-file", metavar="FILE", help="File that holds the value, such as a key file.")
]


def set_(name: Name, key: Key, home: Home, from_file: FromFile = None, secrets: Secrets = "credentials-*") -> None:
    """Keep a value for declared syncs, in a file of the home folder that this account alone can read.

    The value is asked for on a terminal, without showing it; else standard input has it, or a file. It is never an
    argument: other accounts could read it there. Runs that begin from now on have the new value. On a cluster:
    `kubectl create secret generic NAME --from-file=KEY=FILE`, in the namespace of the tasks.

    Examples:

      syncctl secret set credentials-shop api-key
      pass show shop | syncctl secret set credentials-shop api-key
      syncctl secret set credentials-shop key.json --from-file service-account.json
    """
    output = Output()
    set_up_process()
    with exit_on_error(output, ExitCode.USAGE):
        kept = _credentials(home)
        kept.set(name, key, _value(key, from_file))
        output.note(f"Kept: key {key} of {name}.")
        if not any(fnmatchcase(name, pattern.strip()) for pattern in secrets.split(",")):
            output.note(f"Syncs may not refer to it yet: SYNCCTL_SECRETS allows {secrets} alone.")


def list_(home: Home, as_json: AsJson = False) -> None:
    """List the Secrets and their keys, without values."""
    output = Output(as_json=as_json)
    with exit_on_error(output, ExitCode.USAGE):
        found = list(_credentials(home).all())
        if as_json:
            import json

            from msgspec import Raw

            output.json(Raw(json.dumps({"secrets": [{"name": name, "keys": keys} for name, keys in found]}).encode()))
        elif found:
            output.table(Grid(["NAME", "KEYS"], [[name, ", ".join(keys)] for name, keys in found]))
        else:
            output.note("There are no Secrets yet; `syncctl secret set NAME KEY` keeps one.")


def delete(name: Name, home: Home, key: OneKey = None) -> None:
    """Delete a Secret, or one key of it. Runs that have begun keep what they were given."""
    output = Output()
    with exit_on_error(output, ExitCode.USAGE):
        what = f"key {key} of {name}" if key else name
        if not _credentials(home).delete(name, key or ""):
            raise SyncError(f"There was nothing to delete: no {what}.")
        output.note(f"Deleted: {what}.")


def _credentials(home: Path) -> "Credentials":
    try:
        from embedded import credentials
    except ModuleNotFoundError as exc:
        raise SettingsError(
            f"The embedded edition is not installed ({exc.name} is missing); on a cluster kubectl makes Secrets."
        ) from exc
    return credentials.Credentials(home.expanduser().absolute() / credentials.FOLDER)


def _value(key: str, file: Path | None) -> bytes:
    """Return the value as it is, but for the line break at the end of a single line that was piped or typed."""
    if file is not None:
        try:
            return file.read_bytes()
        except OSError as error:
            raise SyncError(f"--from-file: {file} cannot be read ({error.strerror}).") from error
    if sys.stdin.isatty():
        return str(typer.prompt(f"Value of {key}", hide_input=True, err=True)).encode()
    data = sys.stdin.buffer.read()
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    return data if b"\n" in line else line
