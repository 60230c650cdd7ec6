"""Syncs as kn shows its own objects: `kn sync list`, `describe`, `logs`, `wait`."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from common.errors import SyncError
from syncctl.api.client import FUNCTION, Deployment
from syncctl.api.errors import NoSuchTask, RequestRefused
from syncctl.api.models import Task
from syncctl.api.poll import LOG_LINES
from syncctl.api.syncs import DeclaredSyncs, View
from syncctl.commands.logs import MAX_LOG_LINES, FollowLog, Grep, Level, Since
from syncctl.commands.logs import logs as show_log
from syncctl.commands.session import exit_on_error, session
from syncctl.commands.syncs import table
from syncctl.commands.wait import Patience, until_end
from syncctl.completion import values
from syncctl.display import formatting
from syncctl.display.console import Grid, Output
from syncctl.display.formats import Format, Kind, parse_format, render
from syncctl.display.progress import show_outcome
from syncctl.display.tables import task_list
from syncctl.exit_codes import ExitCode, exit_code
from syncctl.kn import options
from syncctl.kn.target import Target, target, targets

_VERSION = "sync-functions.dev/v1alpha1"
_RUNS = 5
Document = dict[str, Any]

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, autocompletion=values.syncs, help="The sync.")]
NameOrTask = Annotated[
    str,
    typer.Argument(
        metavar="NAME", show_default=False, autocompletion=values.syncs, help="The sync, or the id of a task."
    ),
]
Lines = Annotated[
    int | None,
    typer.Option(
        "--lines",
        min=1,
        max=MAX_LOG_LINES,
        show_default=False,
        help=f"How many of the last lines; {LOG_LINES}, or with --since all, if it is left out.",
    ),
]
"""Without -n, which is the namespace's."""
All = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Those of every deployment in the cluster.")]
Wanted = Annotated[
    Format | None,
    typer.Option(
        "--output",
        "-o",
        parser=parse_format,
        metavar="FORMAT",
        show_default=False,
        help="json, yaml, name, url or jsonpath=TEMPLATE.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--wait-timeout", min=0, metavar="SECONDS", show_default="without limit", help="How long to wait."),
]


def list_(
    everywhere: All = False,
    output: Wanted = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = "",
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """List syncs: their state, last success and next run.

    Examples:

      kn sync list
      kn sync list -A -o jsonpath='{range .items[*]}{.metadata.name}{"\\n"}{end}'
    """
    with exit_on_error(Output(as_json=_is_json(output)), ExitCode.UNREACHABLE):
        found = (
            targets(kubeconfig, context, token) if everywhere else [target(kubeconfig, context, namespace, url, token)]
        )
    rows: list[tuple[Target, Document]] = []
    for one in found:
        with session(one.url, one.token, as_json=_is_json(output)) as (deployment, _):
            rows += [(one, document) for document in DeclaredSyncs(deployment).list_all()]
    if output is None:
        _show_list(Output(), rows, everywhere=everywhere)
        return
    whole = {"apiVersion": _VERSION, "kind": "SyncList", "items": [document for _, document in rows]}
    _print(whole, output, rows)


def describe(
    name: Name,
    output: Wanted = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = "",
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Show one sync: what is declared, its state, and its last runs.

    Examples:

      kn sync describe nightly
      kn sync describe nightly -o jsonpath='{.status.state}'
    """
    with exit_on_error(Output(as_json=_is_json(output)), ExitCode.UNREACHABLE):
        found = target(kubeconfig, context, namespace, url, token)
    with session(found.url, found.token, as_json=_is_json(output)) as (deployment, shown):
        view = DeclaredSyncs(deployment).view(name)
        document = view.sync
        if output is not None:
            _print(document, output, [(found, document)])
            return
        for label, text in _fields(document, found):
            if text:
                shown.print(f"{label + ':':<15}{text}")
        if view.streams:
            shown.print()
            shown.table(_streams(view))
        if runs := _runs(deployment, _sync_id(document), _RUNS):
            shown.print()
            shown.table(task_list(runs, narrow=shown.narrow))


def logs(
    name: NameOrTask,
    follow_it: FollowLog = False,
    lines: Lines = None,
    level: Level = None,
    grep: Grep = None,
    since: Since = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORMAT", help="json: JSON alone.")] = "",
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = "",
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Show the log of a sync's last run, or of a task.

    Examples:

      kn sync logs nightly --follow
      kn sync logs nightly --level ERROR --since 1h
    """
    as_json = output == Kind.JSON
    with exit_on_error(Output(as_json=as_json), ExitCode.UNREACHABLE):
        found = target(kubeconfig, context, namespace, url, token)
    with session(found.url, found.token, as_json=as_json) as (deployment, _):
        task_id = _newest(deployment, name).task_id
    show_log(task_id, follow_it, lines, level, grep, since, found.url, found.token, as_json)


def wait(
    name: NameOrTask,
    wait_timeout: Timeout = None,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = "",
    url: options.Url = "",
    token: options.Token = "",
) -> None:
    """Wait until a sync's run has ended, and show its outcome.

    Of a sync that does not run, the last run's outcome is shown at once.

    Examples:

      kn sync run nightly && kn sync wait nightly --wait-timeout 3600
    """
    with exit_on_error(Output(), ExitCode.UNREACHABLE):
        found = target(kubeconfig, context, namespace, url, token)
    with session(found.url, found.token, as_json=False) as (deployment, output):
        task = _newest(deployment, name)
        task = until_end(deployment, output, task.task_id, Patience.of(wait_timeout))
        show_outcome(output, task)
        raise typer.Exit(exit_code(task))


def _newest(deployment: Deployment, name: str) -> Task:
    """Return a sync's last run, by the sync's name or id, else the task of that id."""
    try:
        sync_id = _sync_id(DeclaredSyncs(deployment).get(name))
    except RequestRefused as refused:
        if refused.code != 404:
            raise
        sync_id = name
    if found := _runs(deployment, sync_id, 1):
        return found[0]
    try:
        return deployment.task(name)
    except NoSuchTask:
        raise SyncError(f"{name} is neither a sync that has run nor a task; `kn sync list` lists syncs.") from None


def _runs(deployment: Deployment, sync_id: str, limit: int) -> list[Task]:
    page = deployment.tasks({"syncId": sync_id, "command": "read", "limit": str(limit)})
    return [deployment.decode(raw) for raw in page.tasks]


def _sync_id(document: Document) -> str:
    return str(document.get("spec", {}).get("syncId") or document["metadata"]["name"])


def _fields(document: Document, found: Target) -> list[tuple[str, str]]:
    spec, status = document.get("spec", {}), document.get("status", {})
    zone = f" ({spec['timeZone']})" if spec.get("timeZone") else ""
    streams = [one["name"] for one in spec.get("streams") or ()]
    return [
        ("Name", document["metadata"]["name"]),
        ("Namespace", found.namespace),
        ("URL", _url(found, document)),
        ("State", status.get("state", "")),
        ("Message", status.get("message", "")),
        ("Connector", spec.get("image", "")),
        ("Schedule", f"{spec['schedule']}{zone}" if spec.get("schedule") else "on request"),
        ("After", ", ".join(spec.get("after") or ())),
        ("Suspended", "yes" if spec.get("suspend") else ""),
        ("Streams", ", ".join(streams) or "all"),
        ("Last success", formatting.clock(status.get("lastSuccess"))),
        ("Next run", formatting.clock(status.get("nextRun"))),
    ]


def _show_list(output: Output, rows: list[tuple[Target, Document]], *, everywhere: bool) -> None:
    if not rows:
        output.note("No syncs are declared. `kn sync apply -f FILE` declares some.")
        return
    grid = table([document for _, document in rows])
    if everywhere:
        cells = [(found.namespace, *row) for (found, _), row in zip(rows, grid.rows, strict=True)]
        grid = Grid(("NAMESPACE", *grid.headers), cells, whole=grid.whole)
    output.table(grid)


def _streams(view: View) -> Grid:
    """Return the streams, with when their states were saved."""
    saved = {one.key: formatting.clock(one.saved_at) for one in view.states}
    of_all = next((text for key, text in saved.items() if key in {"_GLOBAL_STATE", "_LEGACY_STATE"}), "")
    rows = [
        (
            one.stream,
            one.status,
            "" if one.rows is None else formatting.count(one.rows),
            formatting.clock(one.last_record),
            saved.get(one.stream, of_all),
        )
        for one in view.streams
    ]
    return Grid(("stream", "status", "rows", "last record", "state saved"), rows, right=frozenset({"rows"}))


def _print(value: Any, wanted: Format, rows: list[tuple[Target, Document]]) -> None:
    names = [f"sync.sync-functions.dev/{document['metadata']['name']}" for _, document in rows]
    typer.echo(render(value, wanted, names=names, urls=[_url(*row) for row in rows]))


def _url(found: Target, document: Document) -> str:
    return f"{found.url.replace(FUNCTION, 'syncs')}/syncs/{quote(document['metadata']['name'], safe='')}"


def _is_json(wanted: Format | None) -> bool:
    return wanted is not None and wanted.kind is Kind.JSON
