"""`syncctl apply`, `get`, `delete`, `suspend` and `resume`: the declared syncs of a deployment."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from msgspec import Raw

from syncctl.api.errors import RequestRefused
from syncctl.api.models import WrittenSync
from syncctl.api.syncs import DeclaredSyncs
from syncctl.commands.options import DEFAULT_URL, AsJson, Token, Url
from syncctl.commands.session import session
from syncctl.commands.sync_files import Filenames, Files, read_files
from syncctl.completion import values
from syncctl.display import formatting
from syncctl.display.console import Grid, Output
from syncctl.exit_codes import ExitCode

if TYPE_CHECKING:
    from common.syncs.check import Declared, Problem

BATCH_BYTES = 2 * 1024 * 1024
"""Of documents in one request: a deployment takes 4 MiB unless it is set otherwise."""


class Kind(StrEnum):
    """What `get` shows."""

    SYNCS = "syncs"
    SYNC = "sync"


class Form(StrEnum):
    """How `get` shows it."""

    YAML = "yaml"
    NAME = "name"


KindArgument = Annotated[Kind, typer.Argument(metavar="KIND", show_default=False, help="What to show: syncs.")]
MaybeName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", show_default=False, autocompletion=values.syncs, help="One sync."),
]
Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME", show_default=False, autocompletion=values.syncs, help="Declared syncs."),
]
FormOption = Annotated[
    Form | None,
    typer.Option("--output", "-o", show_default=False, help="yaml: documents that can be applied; name: names alone."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the files against the deployment, and write nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Delete it although other syncs start after it.")]


def apply(
    files: Files = None,
    filenames: Filenames = None,
    dry_run: DryRun = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Create or change declared syncs as files have them.

    All files are checked as a whole first, here and by the deployment. If anything is wrong, nothing is written: each
    problem is a line FILE:LINE: FIELD: what was expected, and the exit code is 2. Syncs that no file names stay as they
    are.

    Examples:

      syncctl apply -f nightly.yaml
      syncctl apply -f syncs/ --dry-run
      git show main:nightly.yaml | syncctl apply -f -
    """
    from common.syncs.check import check, unknown_after
    from common.syncs.validate import Rules

    with session(url, token, as_json=as_json) as (deployment, output):
        # Which Secrets and images are allowed is the deployment's to say.
        found = check(read_files([*(filenames or ()), *(files or ())]), Rules(secrets="*"))
        _refuse(output, found.problems)
        syncs = DeclaredSyncs(deployment)
        written = _send(output, syncs, found.syncs, dry_run=dry_run)
        _show_written(output, written, " (dry run)" if dry_run else "")
        if unknown := unknown_after(found.syncs):
            known = {document["metadata"]["name"] for document in syncs.list_all()}
            for name in sorted(set(unknown) - known):
                output.note(f"{name}: is in `after`, and not declared.")


def get(
    kind: KindArgument,
    name: MaybeName = None,
    form: FormOption = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Show declared syncs: a table of all, or of one.

    With --json, and with -o yaml, the documents as they are stored.

    Examples:

      syncctl get syncs
      syncctl get syncs nightly -o yaml
      syncctl get syncs --json | jq '.syncs[].status.state'
    """
    del kind
    with session(url, token, as_json=as_json) as (deployment, output):
        syncs = DeclaredSyncs(deployment)
        found = syncs.list_all() if name is None else [syncs.get(name)]
        output.json(Raw(msgspec.json.encode({"syncs": found} if name is None else found[0])))
        if form is Form.YAML:
            from common.syncs import writing

            output.print("---\n".join(writing.dump(_applicable(one)) for one in found).rstrip("\n"))
        elif form is Form.NAME:
            output.print("\n".join(f"sync/{one['metadata']['name']}" for one in found))
        elif found:
            output.table(table(found))
            for one in found:
                if message := one.get("status", {}).get("message"):
                    output.note(f"{one['metadata']['name']}: {message}")
        else:
            output.note("No syncs are declared. `syncctl apply -f FILE` declares one.")


def delete(
    names: Names, force: Force = False, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False
) -> None:
    """Delete declared syncs. Tables, states and tasks stay, and a run that is active goes on to its end.

    A sync that others start after is deleted with --force alone.

    Examples:

      syncctl delete nightly
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        for name in names:
            gone = DeclaredSyncs(deployment).delete(name, force=force)
            output.json(Raw(msgspec.json.encode({"name": name, "result": "deleted", "activeTask": gone.active_task})))
            output.print(f"sync/{name} deleted")
            if gone.active_task:
                output.note(f"Its run {gone.active_task} goes on; `syncctl cancel {gone.active_task}` ends it.")
            if gone.was_after:
                output.note(f"Nothing starts {', '.join(gone.was_after)} after it any more.")


def suspend(names: Names, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Let declared syncs start nothing by schedule or after others, until they are resumed.

    A run that is active goes on; `syncctl run` works. On one machine the comments of a file stay.

    Examples:

      syncctl suspend nightly
    """
    _suspend(names, url, token, as_json=as_json, suspended=True)


def resume(names: Names, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Let declared syncs that are suspended start again by schedule and after others.

    Examples:

      syncctl resume nightly
    """
    _suspend(names, url, token, as_json=as_json, suspended=False)


def table(syncs: Sequence[Mapping[str, Any]]) -> Grid:
    """Return declared syncs as kubectl shows them."""
    rows = []
    for one in syncs:
        status, spec = one.get("status", {}), one.get("spec", {})
        state = status.get("state") or ("SUSPENDED" if spec.get("suspend") else "NEW")
        success, following = (formatting.clock(status.get(moment)) for moment in ("lastSuccess", "nextRun"))
        rows.append((one["metadata"]["name"], state, success, following, spec.get("schedule", "")))
    headers = ("NAME", "STATE", "LAST SUCCESS", "NEXT RUN", "SCHEDULE")
    return Grid(headers, rows, whole=frozenset(headers))


def _suspend(names: Sequence[str], url: str, token: str, *, as_json: bool, suspended: bool) -> None:
    with session(url, token, as_json=as_json) as (deployment, output):
        for name in names:
            written = DeclaredSyncs(deployment).suspend(name, suspend=suspended)
            output.json(Raw(msgspec.json.encode({"name": name, "result": written.result})))
            unchanged = " already" if written.result == "unchanged" else ""
            output.print(f"sync/{name}{unchanged} {'suspended' if suspended else 'resumed'}")


def _send(output: Output, syncs: DeclaredSyncs, declared: "Sequence[Declared]", *, dry_run: bool) -> list[WrittenSync]:
    """Write in as few requests as possible. Of several, all are checked before the first one writes."""
    batches = list(_batches(declared))
    written: list[WrittenSync] = []
    for only_check in (True,) if dry_run else (True, False) if len(batches) > 1 else (False,):
        written = []
        for batch in batches:
            try:
                written += syncs.apply([one.document.data for one in batch], dry_run=only_check)
            except RequestRefused as refused:
                answer = refused.answer
                _show_written(output, [*written, *(answer.results if answer else ())] if not only_check else [])
                problems = answer.problems if answer else []
                _refuse(output, [batch[one.document].problem(tuple(one.path), one.message) for one in problems])
                raise
    return written


def _batches(declared: "Sequence[Declared]") -> "Iterator[list[Declared]]":
    batch: list[Declared] = []
    size = 0
    for one in declared:
        length = len(msgspec.json.encode(one.document.data))
        if batch and size + length > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


def _show_written(output: Output, written: Sequence[WrittenSync], more: str = "") -> None:
    if written:
        results = [{"name": one.name, "result": one.result} for one in written]
        output.json(Raw(msgspec.json.encode({"results": results})))
        output.print("\n".join(f"sync/{one.name} {one.result}{more}" for one in written))


def _refuse(output: Output, problems: "Sequence[Problem]") -> None:
    """Show problems and exit, if there are any."""
    if problems:
        output.json(Raw(msgspec.json.encode({"ok": False, "problems": problems})))
        for problem in problems:
            output.line(str(problem))
        raise typer.Exit(ExitCode.USAGE)


def _applicable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without what only its home writes."""
    kept = ("name", "labels", "annotations")
    metadata = {key: value for key, value in document["metadata"].items() if key in kept}
    head = {key: document[key] for key in ("apiVersion", "kind") if key in document}
    return {**head, "metadata": metadata, "spec": document.get("spec", {})}
