"""The verbs of `kn sync`, and its help."""

from collections.abc import Callable
from typing import Any

import msgspec
import typer

from common import VERSION
from syncctl.cli import Commands, help_text
from syncctl.cli import app as syncctl
from syncctl.commands import logs as command_logs
from syncctl.commands import syncs as declared
from syncctl.commands import wait as command_wait
from syncctl.commands.completion import Chosen, show
from syncctl.display.console import speak_as
from syncctl.kn import syncs
from syncctl.kn.adopt import Json as Versions
from syncctl.kn.adopt import adopt, speaks_to_a_deployment

PROGRAM = "kn sync"
COMPLETE_VARIABLE = "_KN_SYNC_COMPLETE"

ABOUT = """
Declared syncs on Knative: which there are, their runs, logs and states.

The functions' address and token are found in the cluster of your kubeconfig: in the namespace of -n, of the context, or
in the only one that has them.

Exit codes: kn turns every one but 0 into 1. Call `kn-sync` itself, the same program, to tell them apart: 0 SUCCESS,
1 FAILED, 2 usage, 3 PARTIAL, 4 CANCELLED, 5 the cluster or the deployment cannot be reached or refused the request,
130 Ctrl-C.

kn takes --config for its own, wherever it stands: a connector's configuration is -c, or --connector-config. Options
stand behind `sync`.
"""
_VALUED = frozenset({"--kubeconfig", "--context", "--namespace", "-n", "--url", "--token", "--output", "-o"})
"""Options that take the next word."""
_OTHERWISE = frozenset({declared.get, command_logs.logs, command_wait.wait})
"""Commands of syncctl that are `list`, `describe`, `logs` and `wait` here."""


class Verbs(Commands):
    """Options may stand before the verb, too: kn hands them on where they were."""

    def wants_json(self, args: list[str]) -> bool:
        """Tell whether -o asks for JSON, in any spelling."""
        return any(
            one in {"-ojson", "-o=json", "--output=json"} or (one in {"-o", "--output"} and after == "json")
            for one, after in zip(args, [*args[1:], ""], strict=False)
        )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb first, and read `-o=json` as kn does."""
        return super().parse_args(ctx, verb_first([part for one in args for part in _parts(one)]))


def _parts(word: str) -> list[str]:
    return [word[:2], word[3:]] if word.startswith(("-o=", "-n=")) else [word]


def verb_first(args: list[str]) -> list[str]:
    """Return the arguments with the first word before the options that stand before it."""
    at = 0
    while at < len(args) and args[at].startswith("-"):
        at += 2 if args[at] in _VALUED else 1
    return [*args[at : at + 1], *args[:at], *args[at + 1 :]]


def _group(text: str) -> typer.Typer:
    return typer.Typer(
        cls=Verbs,
        help=text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _help(command: Callable[..., None]) -> str:
    text = help_text(command.__doc__ or "")
    for ours, here in (("syncctl ", "kn sync "), ("--config ", "-c "), ("--json", "-o json")):
        text = text.replace(ours, here)
    return text


def _add(group: typer.Typer, panel: str, command: Callable[..., None], name: str | None = None) -> None:
    group.command(name, rich_help_panel=panel, help=_help(command))(command)


def completion(shell: Chosen) -> None:
    """Print what lets a shell complete `kn-sync`, and `kn sync` after kn's own completion has been loaded.

    Examples:

      source <(kn completion bash) && source <(kn sync completion bash)       # in ~/.bashrc
      source <(kn completion zsh) && source <(kn sync completion zsh)         # in ~/.zshrc, behind compinit
      kn sync completion fish > ~/.config/fish/completions/kn-sync.fish
    """
    show("kn-sync", shell)


def version(output: Versions = "") -> None:
    """Show this program's version.

    Examples:

      kn sync version
      kn sync version -o json
    """
    typer.echo(msgspec.json.encode({"version": VERSION}).decode() if output else f"Version: {VERSION}")


def _adopt(ours: typer.Typer, theirs: typer.Typer) -> bool:
    """Add the commands of syncctl that speak to a deployment; tell whether there are any."""
    found = [
        (info, adopt(info.callback))
        for info in theirs.registered_commands
        if info.callback and speaks_to_a_deployment(info.callback) and info.callback not in _OTHERWISE
    ]
    for info, command in found:
        _add(ours, str(info.rich_help_panel), command, info.name)
    return bool(found)


def _verbs() -> typer.Typer:
    """Return the plugin's verbs: its own, and those of syncctl, in syncctl's order behind them."""
    verbs = _group(help_text(ABOUT))
    for command, name in ((syncs.list_, "list"), (syncs.describe, None), (syncs.logs, None), (syncs.wait, None)):
        _add(verbs, "Declare syncs", command, name)
    _adopt(verbs, syncctl)
    for info in syncctl.registered_groups:
        theirs = info.typer_instance
        group = _group(str(theirs.info.help) if theirs else "")
        if theirs and _adopt(group, theirs):
            verbs.add_typer(group, name=info.name, rich_help_panel=info.rich_help_panel)
    _add(verbs, "This program", version)
    _add(verbs, "This program", completion)
    return verbs


app = _verbs()


def run() -> None:
    """Run the plugin."""
    speak_as(PROGRAM)
    app(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE)
