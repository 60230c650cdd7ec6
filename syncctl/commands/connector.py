"""`syncctl spec`, `check` and `discover`: one question to a connector, and its answer."""

import msgspec
import typer
from msgspec import Raw
from rich.text import Text

from common.images import Image
from syncctl.api.client import Deployment
from syncctl.api.models import CheckResult, Started, Task
from syncctl.api.poll import poll
from syncctl.catalogs import discovered_streams
from syncctl.commands.inputs import refuse_two_from_stdin
from syncctl.commands.manifests import choose
from syncctl.commands.options import (
    DEFAULT_URL,
    AsJson,
    Config,
    ImageArgument,
    ImageOrManifest,
    ManifestFile,
    Token,
    Url,
)
from syncctl.commands.session import detach_on_interrupt, session
from syncctl.display import tables
from syncctl.display.console import Output, visible
from syncctl.exit_codes import ExitCode, TaskState, exit_code, is_final

_SUCCEEDED = frozenset({"SUCCEEDED", "SUCCESS"})


def spec(image: ImageArgument, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Show the fields of a connector's configuration.

    Examples:

      syncctl spec airbyte/source-faker:7.2.1
      syncctl spec airbyte/source-faker:7.2.1 --json | jq .connectionSpecification.properties
    """
    with session(url, token, as_json=as_json) as (deployment, output):
        task = _wait(deployment, output, f"spec {image}", deployment.spec(image))
        _require_result(output, task)
        output.json(task.result)
        show_spec(output, task.result)


def check(
    image: ImageOrManifest = None,
    config: Config = None,
    manifest: ManifestFile = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Ask a connector whether it can work with a configuration.

    Exit code 0: it can. 1: it cannot, and the connector's own words are shown.

    Examples:

      syncctl check airbyte/source-faker:7.2.1 --config config.json
      echo '{"count": 100}' | syncctl check airbyte/source-faker:7.2.1 --config -
      syncctl check --manifest shop.yaml --config config.json
    """
    refuse_two_from_stdin([config, manifest])
    image, settings, _ = choose(image, config, manifest)
    with session(url, token, as_json=as_json) as (deployment, output):
        task = _wait(deployment, output, f"check {image}", deployment.check(image, settings))
        if not task.has_result:
            _require_result(output, task)
        output.json(task.result)
        raise typer.Exit(show_check(output, task))


def discover(
    image: ImageOrManifest = None,
    config: Config = None,
    manifest: ManifestFile = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """List the streams that a connector can read.

    With --json it prints the catalog, which `syncctl read --catalog` takes as it is.

    Examples:

      syncctl discover airbyte/source-faker:7.2.1 --config config.json
      syncctl discover airbyte/source-faker:7.2.1 --config config.json --json > catalog.json
      syncctl discover --manifest shop.yaml
    """
    refuse_two_from_stdin([config, manifest])
    image, settings, _ = choose(image, config, manifest)
    with session(url, token, as_json=as_json) as (deployment, output):
        catalog = discover_catalog(deployment, output, image, settings)
        output.json(catalog)
        output.table(tables.catalog(discovered_streams(catalog)))


def discover_catalog(deployment: Deployment, output: Output, image: Image, config: Raw) -> Raw:
    """Return a connector's catalog; exit if it has none."""
    task = _wait(deployment, output, f"discover {image}", deployment.discover(image, config))
    _require_result(output, task)
    return task.result


def find_specification(deployment: Deployment, output: Output, image: Image) -> Raw:
    """Return a connector's specification; exit if it has none."""
    task = _wait(deployment, output, f"spec {image}", deployment.spec(image))
    _require_result(output, task)
    return task.result


def wait_with_status(deployment: Deployment, output: Output, what: str, task_id: str) -> Task:
    """Wait for the task; show a spinner on a terminal, and the pending reason as lines in a pipe."""
    if not output.err.is_terminal:
        reason = None
        for task in poll(deployment, task_id):
            if task.reason and task.reason != reason and not is_final(task):
                reason = task.reason
                output.note(reason)
        return task
    with output.err.status(Text(visible(what))) as status:
        for task in poll(deployment, task_id):
            status.update(Text(visible(": ".join(filter(None, [what, task.reason])))))
    return task


def show_spec(output: Output, result: Raw) -> None:
    """Show the fields of a configuration, and the link to their documentation."""
    found = msgspec.json.decode(result)
    output.table(tables.spec_fields(found))
    if documentation := found.get("documentationUrl"):
        output.print(f"Documentation: {documentation}", "dim")


def show_check(output: Output, task: Task) -> ExitCode:
    """Show the connector's verdict on its configuration; return the exit code that it means."""
    result = msgspec.json.decode(task.result, type=CheckResult)
    good = result.status in _SUCCEEDED and task.state == TaskState.SUCCESS
    if result.status in _SUCCEEDED and not good:
        result = CheckResult(task.state, task.reason)  # the connector ended badly after it
    output.print(": ".join(filter(None, [result.status, result.message or task.reason])), "green" if good else "red")
    return ExitCode.SUCCESS if good else exit_code(task) or ExitCode.FAILED


def _wait(deployment: Deployment, output: Output, what: str, started: Started) -> Task:
    with detach_on_interrupt(output, started.task_id):
        return wait_with_status(deployment, output, f"{what} runs as task {started.task_id}", started.task_id)


def _require_result(output: Output, task: Task) -> None:
    """Exit with the task's reason unless it has succeeded with a result."""
    if task.state == TaskState.SUCCESS and task.has_result:
        return
    reason = (task.reason or "The task gave no reason").rstrip()
    # A connector's own words rarely end as a sentence does.
    stop = "" if reason.endswith((".", "!", "?")) else "."
    log = f" `syncctl logs {task.task_id}` shows its log." if task.logs else ""
    output.error(f"{task.command} {task.image} ended {task.state}: {reason}{stop}{log}")
    raise typer.Exit(exit_code(task) or ExitCode.FAILED)
