"""The commands of `syncctl`, and its help."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from syncctl.commands import connector, demo, read, serve, sync, tasks
from syncctl.display.console import Output

ABOUT = """
Run Airbyte-protocol connectors through sync-functions, and follow what they do.

Start everything on this machine with `syncctl serve`, see it work with `syncctl demo`, or name a deployment with --url
(SYNCCTL_URL) and --token (SYNCCTL_TOKEN).

Exit codes: 0 SUCCESS, 1 FAILED, 2 usage, 3 PARTIAL, 4 CANCELLED, 5 the deployment cannot be reached or refused the
request, 130 Ctrl-C.
"""


def _help(text: str) -> str:
    """Return a docstring with unwrapped paragraphs, for terminals of any width; indented blocks stay as they are."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(p if p.startswith("  ") else " ".join(p.split()) for p in paragraphs)


def _add(panel: str, *commands: Callable[..., None], group: typer.Typer | None = None) -> None:
    for command in commands:
        (group or app).command(rich_help_panel=panel, help=_help(command.__doc__ or ""))(command)


class _Commands(TyperGroup):
    """With --json, errors of usage are objects too: the options of a wrong command line are never parsed."""

    as_json = False

    def make_context(self, info_name: Any, args: list[str], *rest: Any, **more: Any) -> Any:
        self.as_json = "--json" in args
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
    cls=_Commands,
    help=_help(ABOUT),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_add("Ask a connector", connector.spec, connector.check, connector.discover)
_add("Read, and follow", read.read, tasks.tasks, tasks.logs, tasks.cancel)
syncs = typer.Typer(help="Syncs that are declared in files.", no_args_is_help=True)
_add("Commands", sync.validate, group=syncs)
app.add_typer(syncs, name="sync", rich_help_panel="Declare syncs")
_add("On this machine", serve.serve, demo.demo)
