"""`syncctl spec`, `check` and `discover`: one question to a connector, and its answer."""

import uuid
from collections.abc import Callable

import msgspec
import typer
from msgspec import Raw
from rich.text import Text

from common.images import Image
from syncctl.api.client import Deployment
from syncctl.api.models import CheckResult, Task
from syncctl.api.poll import wait
from syncctl.catalogs import offered
from syncctl.commands.inputs import read_object
from syncctl.commands.options import DEFAULT_URL, AsJson, Config, ImageArgument, Token, Url
from syncctl.commands.session import session
from syncctl.display import tables
from syncctl.display.console import Screen, visible
from syncctl.display.progress import leaving
from syncctl.exit_codes import ExitCode, State, exit_code

_GOOD = frozenset({"SUCCEEDED", "SUCCESS"})


def spec(image: ImageArgument, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Show what a connector wants to know: the fields of its configuration.

    Examples:

      syncctl spec airbyte/source-faker:7.2.1
      syncctl spec airbyte/source-faker:7.2.1 --json | jq .connectionSpecification.properties
    """
    with session(url, token, as_json=as_json) as (deployment, screen):
        task = answer(deployment, screen, f"spec {image}", deployment.spec(image).task_id)
        _refuse_failure(screen, task)
        screen.data(task.result)
        show_spec(screen, task.result)


def check(
    image: ImageArgument, config: Config, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False
) -> None:
    """Ask a connector whether it can work with a configuration.

    Exit code 0: it can. 1: it cannot, and the connector's own words are shown.

    Examples:

      syncctl check airbyte/source-faker:7.2.1 --config config.json
      echo '{"count": 100}' | syncctl check airbyte/source-faker:7.2.1 --config -
    """
    settings = read_object(config, "--config")
    with session(url, token, as_json=as_json) as (deployment, screen):
        started = deployment.check(image, storage_key(), settings)
        task = answer(deployment, screen, f"check {image}", started.task_id)
        if not task.has_result:
            _refuse_failure(screen, task)
        screen.data(task.result)
        raise typer.Exit(show_check(screen, task))


def discover(
    image: ImageArgument, config: Config, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False
) -> None:
    """List the streams that a connector can read.

    With --json it prints the catalog, which `syncctl read --catalog` takes as it is.

    Examples:

      syncctl discover airbyte/source-faker:7.2.1 --config config.json
      syncctl discover airbyte/source-faker:7.2.1 --config config.json --json > catalog.json
    """
    settings = read_object(config, "--config")
    with session(url, token, as_json=as_json) as (deployment, screen):
        catalog = discovered(deployment, screen, image, settings)
        screen.data(catalog)
        screen.table(tables.offered(offered(catalog)))


def discovered(deployment: Deployment, screen: Screen, image: Image, config: Raw) -> Raw:
    """The catalog of a connector; ends the command where there is none."""
    started = deployment.discover(image, storage_key(), config)
    task = answer(deployment, screen, f"discover {image}", started.task_id)
    _refuse_failure(screen, task)
    return task.result


def answer(deployment: Deployment, screen: Screen, what: str, task_id: str) -> Task:
    """The task once it has ended; Ctrl-C ends the waiting alone."""
    with leaving(screen, task_id):
        return watch(deployment, screen, f"{what} runs as task {task_id}", task_id)


def watch(deployment: Deployment, screen: Screen, what: str, task_id: str) -> Task:
    """The task once it has ended; meanwhile a terminal shows `what` runs and what that waits for, a pipe the latter."""
    if not screen.err.is_terminal:
        return wait(deployment, task_id, _notes(screen))
    with screen.err.status(Text(visible(what))) as status:
        return wait(
            deployment, task_id, lambda task: status.update(Text(visible(": ".join(filter(None, [what, task.reason])))))
        )


def _notes(screen: Screen) -> Callable[[Task], None]:
    """A line whenever a task waits for something else, such as its connector to be installed."""
    told = [""]

    def tell(task: Task) -> None:
        if task.reason and task.reason != told[0]:
            told[0] = task.reason
            screen.note(task.reason)

    return tell


def show_spec(screen: Screen, result: Raw) -> None:
    """The fields of a configuration, and where they are explained."""
    found = msgspec.json.decode(result)
    screen.table(tables.settings(found))
    if documentation := found.get("documentationUrl"):
        screen.say(f"Documentation: {documentation}", "dim")


def show_check(screen: Screen, task: Task) -> ExitCode:
    """The connector's verdict on its configuration."""
    result = msgspec.json.decode(task.result, type=CheckResult)
    good = result.status in _GOOD and task.state == State.SUCCESS
    screen.say(": ".join(filter(None, [result.status, result.message or task.reason])), "green" if good else "red")
    return ExitCode.SUCCESS if good else exit_code(task) or ExitCode.FAILED


def storage_key() -> str:
    """A name for the row of one check or discovery: nobody else's answer can be taken for it."""
    return f"syncctl-{uuid.uuid4().hex}"


def _refuse_failure(screen: Screen, task: Task) -> None:
    """Ends the command with the task's reason if there is no answer to show."""
    if task.state == State.SUCCESS and task.has_result:
        return
    reason = (task.reason or "The task gave no reason").rstrip()
    # A connector's own words are no sentence as a rule; ours are.
    stop = "" if reason.endswith((".", "!", "?")) else "."
    screen.fail(
        f"{task.command} {task.image} ended {task.state}: {reason}{stop} `syncctl logs {task.task_id}` shows its log."
    )
    raise typer.Exit(exit_code(task) or ExitCode.FAILED)
