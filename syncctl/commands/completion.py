"""`syncctl completion`: the script that a shell loads."""

from enum import StrEnum
from importlib import resources
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


Chosen = Annotated[Shell, typer.Argument(metavar="SHELL", show_default=False, help="bash, zsh or fish.")]


def completion(shell: Chosen) -> None:
    """Print what lets a shell complete commands, options, syncs, tasks, streams and images.

    Examples:

      source <(syncctl completion bash)          # in ~/.bashrc
      source <(syncctl completion zsh)           # in ~/.zshrc, behind compinit
      syncctl completion fish > ~/.config/fish/completions/syncctl.fish
    """
    show("syncctl", shell)


def show(program: str, shell: Shell) -> None:
    """Print a program's script."""
    typer.echo(
        resources.files("syncctl.completion").joinpath(f"{program}.{shell}").read_text(encoding="utf-8"), nl=False
    )
