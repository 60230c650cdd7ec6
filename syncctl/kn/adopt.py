"""Makes verbs of the plugin out of commands of syncctl: the same, but they find the deployment in the cluster."""

import copy
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, cast, get_args

import typer
from typer.models import OptionInfo

from syncctl.commands.session import exit_on_error
from syncctl.display.console import Output
from syncctl.exit_codes import ExitCode
from syncctl.kn import options
from syncctl.kn.target import target

Command = Callable[..., None]

_OWN = ("url", "token", "as_json")
"""Parameters of a command that the plugin answers itself."""
_RENAMED = {
    "--config": "--connector-config",  # kn takes --config for its own, wherever it stands, and may write to that file
    "-n": "",  # the namespace's
    "-o": "",  # the output's
}
_CHOICE: dict[str, Any] = {
    "kubeconfig": options.Kubeconfig,
    "context": options.Context,
    "namespace": options.Namespace,
    "url": options.Url,
    "token": options.Token,
}
Json = Annotated[
    Literal["", "json"],
    typer.Option("--output", "-o", metavar="FORMAT", show_default=False, help="json: print JSON alone."),
]


def adopt(command: Command) -> Command:
    """Return a command of syncctl as a verb: without --url, --token and --json, and with the plugin's own options."""

    def verb(output: str = "", **given: Any) -> None:
        chosen = {name: given.pop(name) for name in _CHOICE}
        with exit_on_error(Output(as_json=bool(output)), ExitCode.UNREACHABLE):
            found = target(**chosen)
        command(**given, url=found.url, token=found.token, as_json=bool(output))

    parameters = [
        _renamed(one) for one in inspect.signature(command, eval_str=True).parameters.values() if one.name not in _OWN
    ]
    return signed(verb, command, [*parameters, *choice(), _keyword("output", Json)])


def speaks_to_a_deployment(command: Command) -> bool:
    """Tell whether a command of syncctl is one that can be adopted."""
    return set(_OWN) <= inspect.signature(command).parameters.keys()


def choice() -> list[inspect.Parameter]:
    """Return the options that choose a deployment, as parameters."""
    return [_keyword(name, annotation) for name, annotation in _CHOICE.items()]


def signed(verb: Command, command: Command, parameters: list[inspect.Parameter]) -> Command:
    """Give a function the name and the help of a command, and the parameters that typer is to see."""
    verb.__name__, verb.__doc__ = command.__name__, (command.__doc__ or "")
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    vars(verb)["__signature__"] = inspect.Signature(parameters)
    verb.__annotations__ = {one.name: one.annotation for one in parameters}
    return verb


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default="", annotation=annotation)


def _renamed(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return an option without the names that mean something else here."""
    if len(found := get_args(parameter.annotation)) != 2 or not isinstance(found[1], OptionInfo):
        return parameter
    option = copy.copy(found[1])
    # In an annotation, the first name is where a default would be.
    names = [cast(str, option.default), *(option.param_decls or ())]
    option.default, *rest = [new for name in names if (new := _RENAMED.get(name, name))]
    option.param_decls = tuple(rest)
    return parameter.replace(annotation=Annotated[found[0], option])
