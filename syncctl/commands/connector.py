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
from syncctl.catalogs import discovered_streams
from syncctl.commands.inputs import read_object
from syncctl.commands.options import DEFAULT_URL, AsJson, Config, ImageArgument, Token, Url
from syncctl.commands.session import session
from syncctl.display import tables
from syncctl.display.console import Output, visible
from syncctl.display.progress import detach_on_interrupt
from syncctl.exit_codes import ExitCode, TaskState, exit_code

_GOOD = frozenset({"SUCCEEDED", "SUCCESS"})


def spec(image: ImageArgument, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Show what a connector wants to know: the fields of its configuration.

    Examples:

      syncctl spec airbyte/source-faker:7.2.1
      syncctl spec airbyte/source-faker:7.2.1 --json | jq .connectionSpecification.properties
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        task = wait_detachable(deployment, output, f"spec {image}", deployment.spec(image).task_id)
        _refuse_failure(output, task)
        output.json(task.result)
        show_spec(output, task.result)


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
    with session(url, token, as_json=as_json) as (deployment, output):
        started = deployment.check(image, storage_key(), settings)
        task = wait_detachable(deployment, output, f"check {image}", started.task_id)
        if not task.has_result:
            _refuse_failure(output, task)
        output.json(task.result)
        raise typer.Exit(show_check(output, task))


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
    with session(url, token, as_json=as_json) as (deployment, output):
        catalog = discover_catalog(deployment, output, image, settings)
        output.json(catalog)
        output.table(tables.catalog(discovered_streams(catalog)))


def discover_catalog(deployment: Deployment, output: Output, image: Image, config: Raw) -> Raw:
    """The catalog of a connector; ends the command where there is none."""
    started = deployment.discover(image, storage_key(), config)
    task = wait_detachable(deployment, output, f"discover {image}", started.task_id)
    _refuse_failure(output, task)
    return task.result


def wait_detachable(deployment: Deployment, output: Output, what: str, task_id: str) -> Task:
    """The task once it has ended; Ctrl-C ends the waiting alone."""
    with detach_on_interrupt(output, task_id):
        return wait_with_status(deployment, output, f"{what} runs as task {task_id}", task_id)


def wait_with_status(deployment: Deployment, output: Output, what: str, task_id: str) -> Task:
    """The task once it has ended; meanwhile a terminal shows `what` runs and what that waits for, a pipe the latter."""
    if not output.err.is_terminal:
        return wait(deployment, task_id, _notes(output))
    with output.err.status(Text(visible(what))) as status:
        return wait(
            deployment, task_id, lambda task: status.update(Text(visible(": ".join(filter(None, [what, task.reason])))))
        )


def _notes(output: Output) -> Callable[[Task], None]:
    """A line whenever a task waits for something else, such as its connector to be installed."""
    told = [""]

    def tell(task: Task) -> None:
        if task.reason and task.reason != told[0]:
            told[0] = task.reason
            output.note(task.reason)

    return tell


def show_spec(output: Output, result: Raw) -> None:
    """The fields of a configuration, and where they are explained."""
    found = msgspec.json.decode(result)
    output.table(tables.spec_fields(found))
    if documentation := found.get("documentationUrl"):
        output.print(f"Documentation: {documentation}", "dim")


def show_check(output: Output, task: Task) -> ExitCode:
    """The connector's verdict on its configuration."""
    result = msgspec.json.decode(task.result, type=CheckResult)
    good = result.status in _GOOD and task.state == TaskState.SUCCESS
    output.print(": ".join(filter(None, [result.status, result.message or task.reason])), "green" if good else "red")
    return ExitCode.SUCCESS if good else exit_code(task) or ExitCode.FAILED


def storage_key() -> str:
    """A name for the row of one check or discovery: nobody else's answer can be taken for it."""
    return f"syncctl-{uuid.uuid4().hex}"


def _refuse_failure(output: Output, task: Task) -> None:
    """Ends the command with the task's reason if there is no answer to show."""
    if task.state == TaskState.SUCCESS and task.has_result:
        return
    reason = (task.reason or "The task gave no reason").rstrip()
    # A connector's own words are no sentence as a rule; ours are.
    stop = "" if reason.endswith((".", "!", "?")) else "."
    output.error(
        f"{task.command} {task.image} ended {task.state}: {reason}{stop} `syncctl logs {task.task_id}` shows its log."
    )
    raise typer.Exit(exit_code(task) or ExitCode.FAILED)
