"""The commands of `syncctl`, and its help."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer._completion_classes import completion_init
from typer.core import TyperGroup
from typer.exceptions import TyperException

from syncctl.commands import (
    completion,
    connector,
    console,
    demo,
    doctor,
    logs,
    mcp,
    read,
    run,
    secret,
    serve,
    state,
    sync,
    syncs,
    tasks,
    wait,
)
from syncctl.display.console import Output

ABOUT = """
Run Airbyte-protocol connectors through sync-functions, and follow what they do.

Start everything on this machine with `syncctl serve`, see it work with `syncctl demo`, or name a deployment with --url
(SYNCCTL_URL) and --token (SYNCCTL_TOKEN).

Exit codes: 0 SUCCESS, 1 FAILED, 2 usage, 3 PARTIAL, 4 CANCELLED, 5 the deployment cannot be reached or refused the
request, 130 Ctrl-C.
"""


def help_text(text: str) -> str:
    """Return a docstring with unwrapped paragraphs, for terminals of any width; indented blocks stay as they are."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith("  ") else " ".join(p.split()) for p in paragraphs)


def _add(panel: str, *commands: Callable[..., None], group: typer.Typer | None = None) -> None:
    for command in commands:
        name = command.__name__.strip("_")  # set_, where a name is taken
        (group or app).command(name, rich_help_panel=panel, help=help_text(command.__doc__ or ""))(command)


class Commands(TyperGroup):
    """With --json, errors of usage are objects too: the options of a wrong command line are never parsed."""

    as_json = False

    def wants_json(self, args: list[str]) -> bool:
        """Tell whether errors are wanted as JSON."""
        return "--json" in args

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Run; what a shell asks for its completion is answered too, although its scripts are our own."""
        completion_init()
        return super().main(*arguments, **more)

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **more: Any) -> Any:
        self.as_json = self.wants_json(args)
        with self._shown_as_json():
            return super().make_context(info_name, args, *rest, **more)

    def invoke(self, ctx: Any) -> Any:
        with self._shown_as_json():
            return super().invoke(ctx)

    @contextmanager
    def _shown_as_json(self) -> Iterator[None]:
        try:
            yield
        except TyperException as error:
            Output(as_json=self.as_json).refusal(error.format_message())
            raise


app = typer.Typer(
    cls=Commands,
    help=help_text(ABOUT),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,  # typer's scripts know neither the colon of an image nor kn
    context_settings={"help_option_names": ["-h", "--help"]},
)
_add("Ask a connector", connector.spec, connector.check, connector.discover)
_add("Read, and follow", read.read, tasks.tasks, logs.logs, wait.wait, tasks.cancel, console.console)
_add("Declare syncs", syncs.apply, syncs.get, run.run, syncs.suspend, syncs.resume, syncs.delete)
files = typer.Typer(help="Files of declared syncs.", no_args_is_help=True)
_add("Commands", sync.validate, group=files)
app.add_typer(files, name="sync", rich_help_panel="Declare syncs")
states = typer.Typer(help="The saved states of a sync: from where its next read goes on.", no_args_is_help=True)
_add("Commands", state.get, state.set_, state.reset, state.undo, state.copy, group=states)
app.add_typer(states, name="state", rich_help_panel="Declare syncs")
secrets = typer.Typer(help="Credentials that declared syncs on this machine refer to.", no_args_is_help=True)
_add("Commands", secret.set_, secret.list_, secret.delete, group=secrets)
app.add_typer(secrets, name="secret", rich_help_panel="Declare syncs")
_add("On this machine", serve.serve, demo.demo, completion.completion)
_add("Look after a deployment", doctor.doctor, mcp.mcp)
