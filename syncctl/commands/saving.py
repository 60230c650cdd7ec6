"""`syncctl read --save-as`: the file, and how to create the Secret that it refers to."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer
from msgspec import Raw

from common.errors import SyncError
from common.images import Image
from syncctl.commands.inputs import STDIN
from syncctl.display.console import Output
from syncctl.save import Saved, save
from syncctl.settings import is_local


def refuse_existing(path: Path | None) -> None:
    """Raise typer.BadParameter for a file that is there already, before anything is read."""
    if path is not None and path.exists():
        raise typer.BadParameter(f"{path} exists already; name a new file.", param_hint="--save-as")


class Saving:
    """A read that is kept as a document; `specification` is the connector's, if its manifest has none."""

    def __init__(self, path: Path, image: Image, settings: Raw, config: str | None) -> None:
        self._path, self._image, self._settings = path, image, settings
        self._config = "config.json" if config in {None, STDIN} else shlex.quote(str(config))
        self.specification = Raw(b"{}")

    def write(self, output: Output, query: Mapping[str, str], streams: Raw | None, url: str) -> None:
        """Write the document, and show what to do next; a secret's value is in neither."""
        prefix = query.get("tableNamePrefix", "")
        saved = save(query["syncId"], self._image, self._settings, self.specification, streams=streams, prefix=prefix)
        try:
            with self._path.open("x", encoding="utf-8") as file:
                file.write(saved.text)
        except OSError as error:
            raise SyncError(f"Cannot write {self._path}: {error.strerror}.") from error
        output.note(f"Saved as {self._path}.")
        if saved.keys:
            output.note("Its credentials are references. This creates what they refer to:")
            for line in _commands(saved, self._config, local=is_local(url)):
                output.note(f"  {line}")
        output.note(f"Declare it with `syncctl apply -f {shlex.quote(str(self._path))}`.")


def _commands(saved: Saved, config: str, *, local: bool) -> Iterator[str]:
    """Yield the commands that make the Secret out of the configuration's file; jq reads it."""
    values = {key: f"jq -j {shlex.quote(_pointer(path))} {config}" for key, path in saved.keys.items()}
    if local:
        for key, value in values.items():
            yield f"{value} | syncctl secret set {saved.secret} {key}"
        return
    parts = " ".join(f"--from-file={key}=<({value})" for key, value in values.items())
    yield f"kubectl create secret generic {saved.secret} -n sync-tasks {parts}"


def _pointer(path: tuple[str | int, ...]) -> str:
    return "." + "".join(f"[{one}]" if isinstance(one, int) else f"[{json.dumps(one)}]" for one in path)
