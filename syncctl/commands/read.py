"""`syncctl read`: start a read, and follow it with --follow."""

import uuid
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Raw

from syncctl.api.client import Deployment
from syncctl.api.errors import NoSuchTask
from syncctl.api.models import Started, Task
from syncctl.api.poll import follow
from syncctl.catalogs import configure
from syncctl.commands import saving
from syncctl.commands.connector import discover_catalog, find_specification
from syncctl.commands.inputs import read_object, read_state, refuse_two_from_stdin
from syncctl.commands.manifests import choose
from syncctl.commands.options import DEFAULT_URL, AsJson, Config, ImageOrManifest, ManifestFile, Token, Url
from syncctl.commands.session import detach_on_interrupt, session
from syncctl.completion import values
from syncctl.display.console import Output
from syncctl.display.progress import show_outcome, show_progress
from syncctl.exit_codes import TaskState, exit_code

STARTED_BY = '{"trigger":"syncctl"}'

CatalogFile = Annotated[
    str | None,
    typer.Option(
        "--catalog",
        metavar="FILE",
        help="A configured catalog, or a discovered one: then all its streams are read, incrementally where "
        "they can be. Without it, `discover` is asked first. '-' reads standard input.",
    ),
]
StateFile = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="FILE",
        help="State to start from, passed on as it is. Without it, the read resumes from what the deployment "
        "saved for this sync.",
    ),
]
StreamNames = Annotated[
    list[str] | None,
    typer.Option(
        "--stream", metavar="NAME", autocompletion=values.streams, help="Read only this stream; may be repeated."
    ),
]
SyncId = Annotated[
    str | None,
    typer.Option(
        "--sync",
        metavar="ID",
        autocompletion=values.sync_ids,
        help="Name of the sync: states are saved under it, and a real Bulker takes it for its destination's id. "
        "Without it, a name is made from connector and configuration: the same command again resumes.",
    ),
]
NewTaskId = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="ID", help="The task's id, a new one if absent. Repeating an id starts nothing twice."
    ),
]
Prefix = Annotated[
    str,
    typer.Option(
        "--prefix",
        metavar="TEXT",
        show_default=False,
        help="Prefix of table names, which are those of the streams: two syncs with a stream of the same name need "
        "different ones.",
    ),
]
FullSync = Annotated[
    bool, typer.Option("--full-sync", help="Forget these streams' saved states first, and read everything.")
]
SaveAs = Annotated[
    Path | None,
    typer.Option(
        "--save-as",
        metavar="FILE",
        show_default=False,
        help="Write this read as a declared sync to a new file; with --follow, once it has succeeded. Credentials "
        "become references to a Secret, and the command that creates it is shown.",
    ),
]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Stay, show rows and log lines, and exit with the read's outcome.")
]


def read(
    image: ImageOrManifest = None,
    config: Config = None,
    manifest: ManifestFile = None,
    catalog: CatalogFile = None,
    state: StateFile = None,
    stream: StreamNames = None,
    sync: SyncId = None,
    task: NewTaskId = None,
    prefix: Prefix = "",
    full_sync: FullSync = False,
    save_as: SaveAs = None,
    follow_it: Follow = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Read a connector's streams into the warehouse.

    Prints the task's id and returns; with --follow it stays to the end, and exits with the outcome: 0 SUCCESS,
    1 FAILED, 3 PARTIAL, 4 CANCELLED. Ctrl-C stops the following, not the read.

    Examples:

      syncctl read airbyte/source-faker:7.2.1 --config config.json --follow
      syncctl read --manifest shop.yaml --config config.json --follow
      syncctl read airbyte/source-faker:7.2.1 -c config.json --stream users --prefix raw_ -f
      syncctl read airbyte/source-faker:7.2.1 -c config.json --sync nightly --full-sync --json -f > events.jsonl
      syncctl read airbyte/source-faker:7.2.1 -c config.json --sync nightly -f --save-as nightly.yaml
    """
    saving.refuse_existing(save_as)
    refuse_two_from_stdin([config, manifest, catalog, state])
    image, settings, default_sync = choose(image, config, manifest)
    body = {"config": settings} | ({"state": read_state(state, "--state")} if state else {})
    chosen = configure(read_object(catalog, "--catalog"), stream or []) if catalog else None
    query = {"syncId": sync or default_sync, "taskId": task or str(uuid.uuid4())}
    query |= {"startedBy": STARTED_BY} | ({"tableNamePrefix": prefix} if prefix else {})
    query |= {"fullSync": "true"} if full_sync else {}
    with session(url, token, as_json=as_json) as (deployment, output):
        kept = saving.Saving(save_as, image, settings, config) if save_as else None
        if kept and not manifest:
            kept.specification = find_specification(deployment, output, image)
        body["catalog"] = chosen or configure(discover_catalog(deployment, output, image, settings), stream or [])
        streams = body["catalog"] if catalog or stream else None
        known = _known(deployment, task) if task else None
        started = deployment.read(image, query, body)
        if known:
            output.note(f"Task {known.task_id} was there already, {known.state}; no second one was started.")
        if follow_it:
            with detach_on_interrupt(output, started.task_id):
                ended = show_progress(output, follow(deployment, started.task_id))
                show_outcome(output, ended)
            if kept and ended.state == TaskState.SUCCESS:
                kept.write(output, query, streams, url)
            raise typer.Exit(exit_code(ended))
        _show_start(output, started, query["syncId"], known)
        if kept:
            kept.write(output, query, streams, url)


def _known(deployment: Deployment, task_id: str) -> Task | None:
    try:
        return deployment.task(task_id)
    except NoSuchTask:
        return None


def _show_start(output: Output, started: Started, sync: str, known: Task | None) -> None:
    answer = {"ok": True, "taskId": started.task_id, "syncId": sync, "startedAt": started.started_at}
    output.json(Raw(msgspec.json.encode(answer)))
    if known is None:
        output.print(f"Started task {started.task_id} of sync {sync}.")
    output.note(
        f"Follow it with `syncctl logs {started.task_id} --follow`; `syncctl tasks {started.task_id}` shows it."
    )
