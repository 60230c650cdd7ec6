"""`syncctl doctor`."""

from collections.abc import Generator
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import Raw
from rich.text import Text

from common.errors import SyncError
from syncctl.commands.embedded import Home
from syncctl.commands.options import DEFAULT_PORT, AsJson
from syncctl.commands.serve import Port
from syncctl.commands.session import exit_on_error
from syncctl.display.console import Output, visible
from syncctl.exit_codes import ExitCode
from syncctl.kn import options

if TYPE_CHECKING:
    from syncctl.doctor.finding import Finding

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}
_WIDTH = 20


class Where(StrEnum):
    """What is looked at."""

    CLUSTER = "cluster"
    MACHINE = "machine"


What = Annotated[
    Where,
    typer.Argument(metavar="WHERE", help="cluster: the deployment that the kubeconfig leads to; machine: this one."),
]


def doctor(
    home: Home,
    where: What = Where.CLUSTER,
    port: Port = DEFAULT_PORT,
    kubeconfig: options.Kubeconfig = "",
    context: options.Context = "",
    namespace: options.Namespace = "",
    as_json: AsJson = False,
) -> None:
    """Look at a deployment, or at this machine, and say what is wrong and what to do.

    Of a deployment: versions, rights, Secrets, callers, room, network; and what Postgres and Bulker are from where the
    functions and the tasks run, by two pods that go when they have looked. Nothing is changed.

    Exit code 1 if something failed, 0 with warnings alone, 5 if no deployment is found.

    Examples:

      syncctl doctor
      syncctl doctor -n team-a --json | jq '.findings[] | select(.level != "ok")'
      syncctl doctor machine
    """
    output = Output(as_json=as_json)
    found: list[Finding] = []
    # Closed, so that the pods go even where Ctrl-C comes while a line is shown.
    with (
        exit_on_error(output, ExitCode.UNREACHABLE),
        closing(_findings(where, home, port, kubeconfig, context, namespace)) as findings,
    ):
        for one in findings:
            found.append(one)
            _show(output, one)
    counts = {level: sum(one.level == level for one in found) for level in _STYLES}
    good = not counts["failed"]
    output.json(Raw(msgspec.json.encode({"ok": good, "findings": found})))
    output.note(f"{counts['ok']} ok, {counts['warning']} warnings, {counts['failed']} failed.")
    raise typer.Exit(ExitCode.SUCCESS if good else ExitCode.FAILED)


def _findings(
    where: Where, home: Home, port: int, kubeconfig: str, context: str, namespace: str
) -> "Generator[Finding, None, None]":
    # Both are imported only when they are asked for: other commands do without Kubernetes, and without the edition.
    if where is Where.MACHINE:
        from syncctl.doctor import machine

        yield from machine.look(home, port)
        return
    from syncctl.doctor import cluster
    from syncctl.kn.kube import Kubernetes

    try:
        yield from cluster.look(Kubernetes(kubeconfig, context), namespace)
    except SyncError as error:
        raise SyncError(f"{error.message} `syncctl doctor machine` looks at the edition on this machine.") from error


def _show(output: Output, finding: "Finding") -> None:
    line = Text(f"{finding.level:<8}", _STYLES[finding.level])
    line.append(f"{finding.check:<{_WIDTH}}", "bold").append(visible(finding.message), "default")
    output.render(line)
    if finding.advice:
        output.render(Text(" " * 8 + visible(finding.advice), "dim"))
