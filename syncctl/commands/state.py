"""`syncctl state`: the saved states of a sync, seen and changed by hand."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer
from msgspec import Raw

from syncctl.api.states import Changed, SyncStates
from syncctl.commands.inputs import read_object, read_state
from syncctl.commands.options import DEFAULT_URL, AsJson, Token, Url
from syncctl.commands.session import session
from syncctl.completion import values
from syncctl.display.console import Output

_FILE = "--file"

Sync = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        show_default=False,
        autocompletion=values.sync_ids,
        help="A declared sync, or the ID of one that has tasks.",
    ),
]
Other = Annotated[
    str,
    typer.Argument(
        metavar="OTHER", show_default=False, autocompletion=values.sync_ids, help="The sync that gets the states."
    ),
]
MaybeStream = Annotated[
    str | None,
    typer.Argument(
        metavar="STREAM",
        show_default=False,
        autocompletion=values.streams_with_state,
        help="One stream: its name, or NAMESPACE.NAME.",
    ),
]
Streams = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="STREAM", show_default=False, autocompletion=values.streams_with_state, help="Only these streams."
    ),
]
StateFile = Annotated[
    str,
    typer.Option(
        _FILE, "-f", metavar="FILE", show_default=False,
        help="With STREAM, its state: a JSON object. Else what `get` prints, or a list of STATE messages. '-' reads "
        "standard input.",
    ),
]  # fmt: skip
Force = Annotated[bool, typer.Option("--force", help="Go back behind what a read has saved since.")]


def get(
    name: Sync, stream: MaybeStream = None, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False
) -> None:
    """Print a sync's saved states, or one stream's, as `set` takes them.

    A sync whose source has one state for all streams shows it as _GLOBAL_STATE or _LEGACY_STATE. The part that a stream
    has in _GLOBAL_STATE can be printed and changed by the stream's name, too.

    Examples:

      syncctl state get nightly > states.json
      syncctl state get nightly users | jq .updated_at
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        states = SyncStates(deployment, name)
        if stream is not None:
            output.document(states.get_one(stream))
            return
        found = states.get()
        if as_json:
            output.json(found.raw)
            return
        output.document(Raw(msgspec.json.encode({"states": found.states})))
        for key, saved_at in found.saved_at.items():
            output.note(f"{key}: saved {saved_at}")
        if not found.states:
            output.note("No state is saved: the next read begins from nothing.")
        if found.active_task:
            output.note(f"Task {found.active_task} reads this sync, and may save newer ones.")


def set_(
    name: Sync,
    file: StateFile,
    stream: MaybeStream = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Replace a sync's saved states, or one stream's. What is not in the file is forgotten.

    Refused while a read is active.

    Examples:

      syncctl state set nightly users -f users.json
      syncctl state get staging | syncctl state set nightly -f -
    """
    given = read_state(file, _FILE) if stream is None else read_object(file, _FILE)
    with session(url, token, as_json=as_json) as (deployment, output):
        states = SyncStates(deployment, name)
        _show(output, name, states.set(given) if stream is None else states.set_one(stream, given))


def reset(
    name: Sync, streams: Streams = None, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False
) -> None:
    """Forget a sync's saved states, or those of some streams: the next read of them begins from nothing.

    Their tables are replaced by that read. Refused while a read is active.

    Examples:

      syncctl state reset nightly users
      syncctl state reset nightly
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        states = SyncStates(deployment, name)
        chosen: Sequence[str | None] = streams or [None]
        for stream in chosen:
            _show(output, name, states.reset(stream), stream or "")


def undo(name: Sync, force: Force = False, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Take back the last change of a sync's states by hand; once more, the one before it.

    Refused while a read is active, and if a read has saved one of these states since.

    Examples:

      syncctl state undo nightly
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        _show(output, name, SyncStates(deployment, name).undo(force=force))


def copy(name: Sync, other: Other, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Give another sync the saved states of this one, in the place of its own.

    Refused while a read of the other one is active.

    Examples:

      syncctl state copy nightly nightly-eu
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        _show(output, other, SyncStates(deployment, name).copy(other))


def _show(output: Output, name: str, done: Changed, stream: str = "") -> None:
    output.json(done.raw)
    what = f"undo of {done.undone}" if done.undone else done.action
    # A stream's part of a state of all changes that.
    changed = ", ".join(done.changed) if not stream or stream in done.changed else f"{stream} in {done.changed[0]}"
    output.print(f"state/{name} {what}: {changed}" if done.changed else f"state/{name} unchanged")
    if done.undo:
        output.note(f"`syncctl state undo {name}` brings back what was there; --json shows it.")
