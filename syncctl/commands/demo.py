"""`syncctl demo`: a real connector into a real table on this machine, and the counts to prove it.

Everything goes through the deployment's HTTP endpoints, as any caller would do it; only the rows of the tables
are counted in the warehouse itself.
"""

import socket
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer
from msgspec import Raw

from common import images
from common.errors import Refused, SyncError
from common.images import Image
from syncctl.api.client import Deployment
from syncctl.api.models import Task
from syncctl.catalogs import configure, discovered_streams, incremental_streams
from syncctl.commands import demo_counts
from syncctl.commands.connector import show_check, show_spec, storage_key, wait_with_status
from syncctl.commands.embedded import Home, edition, keep_private, log_to, program, stop_on_signals
from syncctl.commands.options import DEFAULT_PORT
from syncctl.commands.read import STARTED_BY
from syncctl.commands.session import exit_on_error
from syncctl.display import formatting, tables
from syncctl.display.console import Output
from syncctl.exit_codes import ExitCode, TaskState

if TYPE_CHECKING:
    from embedded.edition import Edition

# always_updated false: the connector sends nothing again that its state says it has sent.
_FAKER = Raw(b'{"count": 1000, "seed": 1, "parallelism": 1, "always_updated": false}')
CONNECTORS = {
    "airbyte/source-faker:7.2.1": _FAKER,
    "airbyte/source-faker:6.2.38": _FAKER,
    "airbyte/source-hardcoded-records:0.0.48": Raw(b'{"count": 1000}'),
}
"""Connectors that ask nobody for their rows, with their configurations: the first that can be installed is taken."""
LOG_FILE = "edition.log"
_LONGEST_STATE = 100


class Source(NamedTuple):
    """The demo's connector, and the configuration that it gets."""

    image: Image
    config: Raw


class QuestionTasks(NamedTuple):
    """The tasks of the three questions."""

    spec: str
    check: str
    discover: str


def demo(home: Home) -> None:
    """Run a real connector into a real table on this machine, and show that the counts agree.

    Installs airbyte/source-faker (about a minute the first time; another connector if that cannot be had), asks it
    for spec, check and discover, reads its streams into a DuckDB warehouse, and reads again to show that the second
    read resumes. Exit code 1 if any count differs.

    Examples:

      syncctl demo
      SYNCCTL_HOME=/tmp/demo syncctl demo
    """
    keep_private()
    stop_on_signals()
    output = Output()
    with exit_on_error(output, interrupted="Interrupted; everything that the demo started has been stopped."):
        try:
            good = _run(output, home / "demo")
        except SyncError:
            output.note(f"The edition's own log is in {home / 'demo' / LOG_FILE}.")
            raise
    raise typer.Exit(ExitCode.SUCCESS if good else ExitCode.FAILED)


def _run(output: Output, home: Path) -> bool:
    log_to(home / LOG_FILE)
    with edition(home, _port(), {}, output.note) as running, Deployment(running.url, running.token) as deployment:
        output.print(f"A connector into {running.warehouse_file}, by way of {running.url}", "bold")
        _step(output, 1, "prepare the connector")
        source = _prepare(output, running)
        asked = _ask(deployment, source)
        _step(output, 2, "spec: GET /spec, with check and discover beside it")
        catalog = configure(_done(output, deployment, asked.discover).result, [])
        sync = f"demo-{time.time_ns() // 1_000_000}"
        reading = _start(deployment, source, sync, catalog)
        _show_answers(output, deployment, source, asked)
        _step(output, 5, "read everything: POST /read")
        reads = demo_counts.ReadFollower(output, running, deployment, incremental_streams(catalog))
        first = reads.follow(reading, {})
        output.table(demo_counts.table(first))
        _step(output, 6, "read again: POST /read without a state resumes from the saved one")
        _show_states(output, running, sync)
        again = _start(deployment, source, sync, catalog)
        second = reads.follow(again, {count.stream: count for count in first})
        output.table(demo_counts.table(second))
        _next(output, running)
    return _verdict(output, first, second)


def _prepare(output: Output, running: "Edition") -> Source:
    """Install the first of the connectors that can be had; raise the error of the last one if none can."""
    *others, last = CONNECTORS
    for name in others:
        try:
            running.prepare(name)
        except Refused as refused:
            output.note(f"{refused.message}\nTrying another connector ...")
        else:
            return _source(name)
    running.prepare(last)
    return _source(last)


def _source(name: str) -> Source:
    return Source(images.parse(*images.split(name)), CONNECTORS[name])


def _ask(deployment: Deployment, source: Source) -> QuestionTasks:
    """All three at once; discover first, because the read waits for it."""
    discover = deployment.discover(source.image, storage_key(), source.config)
    spec = deployment.spec(source.image)
    check = deployment.check(source.image, storage_key(), source.config)
    return QuestionTasks(spec.task_id, check.task_id, discover.task_id)


def _show_answers(output: Output, deployment: Deployment, source: Source, asked: QuestionTasks) -> None:
    """In turn; meanwhile the first read begins."""
    show_spec(output, _done(output, deployment, asked.spec).result)
    _step(output, 3, f"check: POST /check with {bytes(source.config).decode()}")
    show_check(output, _done(output, deployment, asked.check))
    _step(output, 4, "discover: POST /discover")
    output.table(tables.catalog(discovered_streams(_done(output, deployment, asked.discover).result)))


def _done(output: Output, deployment: Deployment, task_id: str) -> Task:
    """The task once it has succeeded; raises SyncError with its reason if it has not."""
    task = wait_with_status(deployment, output, "waiting", task_id)
    if task.state != TaskState.SUCCESS or not task.has_result:
        raise SyncError(f"{task.command} ended {task.state}: {task.reason or 'without a reason.'}")
    return task


def _start(deployment: Deployment, source: Source, sync: str, catalog: Raw) -> str:
    """Begins a read; returns its taskId."""
    query = {
        "syncId": sync,
        "taskId": str(uuid.uuid4()),
        "tableNamePrefix": demo_counts.PREFIX,
        "startedBy": STARTED_BY,
    }
    return deployment.read(source.image, query, {"config": source.config, "catalog": catalog}).task_id


def _show_states(output: Output, running: "Edition", sync: str) -> None:
    for stream, state in running.states(sync).items():
        brief = state if len(state) <= _LONGEST_STATE else state[:_LONGEST_STATE] + "..."
        output.print(f"the connector is given, for {stream}: {brief}", "dim")


def _verdict(
    output: Output, first: Sequence[demo_counts.StreamCounts], second: Sequence[demo_counts.StreamCounts]
) -> bool:
    differing = [count.stream for count in [*first, *second] if not count.agrees]
    if differing or not first:
        output.error(f"The counts differ for: {', '.join(differing) or 'every stream, as none was read'}.")
        return False
    rows, again = (formatting.count(sum(count.stored for count in read)) for read in (first, second))
    if any(count.resumes for count in second):
        then = f"the second read resumed and brought {again} more."
    else:
        then = f"the second read replaced them by {again}, since this connector cannot resume."
    output.print(f"\n{rows} rows emitted, stored and counted; {then}", "green")
    return True


def _next(output: Output, running: "Edition") -> None:
    """What to try now that the demo is over: its edition stops, its data stays."""
    output.print("\nTry next:", "bold")
    here = program()
    query = f"duckdb.connect('{running.warehouse_file}', read_only=True).sql('from {demo_counts.PREFIX}users limit 5')"
    output.print(f'  {here.with_name("python")} -c "import duckdb; print({query})"  # look at the rows')
    output.print(f"  SYNCCTL_HOME={running.home} {here} serve  # run it all again, to stay; it prints what to export")
    output.print(f"  {here} tasks  # then, in another terminal: the runs of this demo")
    output.print(f"  {here} read --help  # read a connector of your choice")


def _step(output: Output, number: int, what: str) -> None:
    output.print(f"\n{number}. {what}", "bold cyan")


def _port() -> int:
    """The usual port, or any free one where somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            return 0
    return DEFAULT_PORT
