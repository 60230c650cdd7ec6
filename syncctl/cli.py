"""The commands of `syncctl`, and its help."""

import inspect
from collections.abc import Callable

import typer

from syncctl.commands import connector, demo, read, serve, tasks

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


def _add(panel: str, *commands: Callable[..., None]) -> None:
    for command in commands:
        app.command(rich_help_panel=panel, help=_help(command.__doc__ or ""))(command)


app = typer.Typer(
    help=_help(ABOUT),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_add("Ask a connector", connector.spec, connector.check, connector.discover)
_add("Read, and follow", read.read, tasks.tasks, tasks.logs, tasks.cancel)
_add("On this machine", serve.serve, demo.demo)
