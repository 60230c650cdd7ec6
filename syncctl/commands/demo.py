"""`syncctl demo`: a real connector into a real table on this machine, and the counts to prove it.

All goes through the deployment's HTTP endpoints, but for the rows of the tables, which are counted in the warehouse.
"""

import json
import shlex
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import urlsplit

import typer
from msgspec import Raw

from common import images
from common.errors import Refused, SyncError
from common.images import Image
from syncctl.api.client import Deployment
from syncctl.api.models import Started, Task
from syncctl.api.poll import follow
from syncctl.catalogs import configure, discovered_streams, incremental_streams
from syncctl.commands.connector import show_check, show_spec, wait_with_status
from syncctl.commands.embedded import Home, Runtime, RuntimeName, edition, log_to, program, set_up_process
from syncctl.commands.options import DEFAULT_PORT, DEFAULT_URL
from syncctl.commands.read import STARTED_BY
from syncctl.commands.session import exit_on_error
from syncctl.display import formatting, tables
from syncctl.display.console import Grid, Output
from syncctl.display.progress import show_progress
from syncctl.exit_codes import ExitCode, TaskState

if TYPE_CHECKING:
    from embedded.edition import Edition

# always_updated false: the connector sends nothing again that its state covers.
_FAKER = Raw(b'{"count": 1000, "seed": 1, "parallelism": 1, "always_updated": false}')
CONNECTORS = {
    "airbyte/source-faker:7.2.1": _FAKER,
    "airbyte/source-faker:6.2.38": _FAKER,
    "airbyte/source-hardcoded-records:0.0.48": Raw(b'{"count": 1000}'),
}
"""Connectors that make up their rows, with their configurations; the first that can be installed is used."""
LOG_FILE = "edition.log"
PREFIX = "demo_"
_LONGEST_STATE = 100

Port = Annotated[
    int,
    typer.Option(
        "--port",
        envvar="SYNCCTL_HTTP_PORT",
        min=0,
        max=65535,
        help="Port on 127.0.0.1; if it is taken, the demo uses another one.",
    ),
]


class StreamCounts(NamedTuple):
    """One stream's rows: emitted, stored, and in its table before (0 if the read replaces it) and after the read."""

    stream: str
    emitted: int
    stored: int
    before: int
    counted: int | None
    rate: str
    resumes: bool

    @property
    def agrees(self) -> bool:
        """Whether no row is lost and none doubled."""
        return self.emitted == self.stored and self.counted == self.before + self.stored


def demo(home: Home, port: Port = DEFAULT_PORT, runtime: Runtime = RuntimeName.PROCESSES) -> None:
    """Run a real connector into a real table on this machine, and show that the counts agree.

    Installs airbyte/source-faker (about a minute the first time; another connector if that cannot be had), asks it
    for spec, check and discover, reads its streams into a DuckDB warehouse, and reads again to show that the second
    read resumes. Exit code 1 if any count differs.

    Examples:

      syncctl demo
      SYNCCTL_HOME=/tmp/demo syncctl demo
    """
    set_up_process()
    output, home = Output(), home / "demo"
    with exit_on_error(output, interrupted="Interrupted; everything that the demo started has been stopped."):
        log_to(home / LOG_FILE)
        try:
            with (
                edition(home, port, {}, output.note, or_any_port=True, runtime=runtime) as running,
                Deployment(running.url, running.token) as deployment,
            ):
                good = _Demo(output, running, deployment).run()
        except SyncError:
            output.note(f"The edition's own log is in {home / LOG_FILE}.")
            raise
    raise typer.Exit(ExitCode.SUCCESS if good else ExitCode.FAILED)


class _Demo:
    """The demo's steps on a running edition."""

    def __init__(self, output: Output, running: "Edition", deployment: Deployment) -> None:
        self._output, self._running, self._deployment = output, running, deployment
        self._sync = f"demo-{time.time_ns() // 1_000_000}"

    def run(self) -> bool:
        """Run all steps; tell whether the counts agree."""
        output, deployment = self._output, self._deployment
        output.print(f"A connector into {self._running.warehouse_file}, by way of {self._running.url}", "bold")
        self._step(1, "prepare the connector")
        name = self._prepare()
        image, config = images.parse(*images.split(name)), CONNECTORS[name]
        # All three at once; discover first, because the read waits for it.
        discover = deployment.discover(image, config)
        spec, check = deployment.spec(image), deployment.check(image, config)
        self._step(2, "spec: GET /spec, with check and discover beside it")
        discovered = self._result(discover)
        catalog = configure(discovered.result, [])
        read = self._read(image, config, catalog)
        # The answers are shown while the first read begins.
        show_spec(output, self._result(spec).result)
        self._step(3, f"check: POST /check with {bytes(config).decode()}")
        show_check(output, self._result(check))
        self._step(4, "discover: POST /discover")
        output.table(tables.catalog(discovered_streams(discovered.result)))
        self._step(5, "read everything: POST /read")
        first = self._follow(read, {}, incremental_streams(catalog))
        self._step(6, "read again: POST /read without a state resumes from the saved one")
        self._show_states()
        before = {count.stream: count.counted or 0 for count in first}
        second = self._follow(self._read(image, config, catalog), before, incremental_streams(catalog))
        self._show_next(PREFIX + next((count.stream for count in first), "users"))
        return self._verdict(first, second)

    def _prepare(self) -> str:
        """Install the first connector that can be had and return its name; raise the last one's error if none can."""
        *others, last = CONNECTORS
        for name in others:
            try:
                self._running.prepare(name)
            except Refused as refused:
                self._output.note(f"{refused.message}\nTrying another connector ...")
            else:
                return name
        self._running.prepare(last)
        return last

    def _result(self, started: Started) -> Task:
        """Return the task once it has succeeded. Raise SyncError with its reason if it fails."""
        task = wait_with_status(self._deployment, self._output, "waiting", started.task_id)
        if task.state != TaskState.SUCCESS or not task.has_result:
            raise SyncError(f"{task.command} ended {task.state}: {task.reason or 'without a reason.'}")
        return task

    def _read(self, image: Image, config: Raw, catalog: Raw) -> Started:
        query = {"syncId": self._sync, "taskId": str(uuid.uuid4()), "tableNamePrefix": PREFIX, "startedBy": STARTED_BY}
        return self._deployment.read(image, query, {"config": config, "catalog": catalog})

    def _follow(self, started: Started, before: dict[str, int], resumable: frozenset[str]) -> list[StreamCounts]:
        """Follow a read to its end, and show its counts; `before` are the rows of the tables then."""
        task = show_progress(self._output, follow(self._deployment, started.task_id), logs=False)
        self._output.render(tables.task_heading(task))
        if task.state != TaskState.SUCCESS:
            raise SyncError(f"The read ended {task.state}: {task.reason or 'without a reason.'}")
        counts = [
            StreamCounts(
                name,
                progress.emitted,
                progress.stored,
                before.get(name, 0) if name in resumable else 0,
                self._running.rows(PREFIX + name),
                formatting.rate(progress),
                name in resumable,
            )
            for name, progress in (task.streams or {}).items()
        ]
        self._output.table(count_table(counts))
        return counts

    def _show_states(self) -> None:
        for stream, state in self._running.states(self._sync).items():
            brief = state if len(state) <= _LONGEST_STATE else state[:_LONGEST_STATE] + "..."
            self._output.print(f"the connector is given, for {stream}: {brief}", "dim")

    def _show_next(self, table: str) -> None:
        self._output.print("\nTry next:", "bold")
        for line in next_steps(self._running.home, self._running.warehouse_file, self._running.url, table):
            self._output.print(f"  {line}")

    def _verdict(self, first: Sequence[StreamCounts], second: Sequence[StreamCounts]) -> bool:
        differing = [count.stream for count in [*first, *second] if not count.agrees]
        if differing or not first:
            self._output.error(f"The counts differ for: {', '.join(differing) or 'every stream, as none was read'}.")
            return False
        rows, again = (formatting.count(sum(count.stored for count in read)) for read in (first, second))
        if any(count.resumes for count in second):
            then = f"the second read resumed and brought {again} more."
        else:
            then = f"the second read replaced them by {again}, since this connector cannot resume."
        self._output.print(f"\n{rows} rows emitted, stored and counted; {then}", "green")
        return True

    def _step(self, number: int, what: str) -> None:
        self._output.print(f"\n{number}. {what}", "bold cyan")


def next_steps(home: Path, warehouse: Path, url: str, table: str) -> list[str]:
    """Return shell lines for any terminal: the edition stops with the demo, while its data and token stay in `home`."""
    command, variable = program(), f"SYNCCTL_HOME={shlex.quote(str(home))}"
    file = json.dumps(str(warehouse), ensure_ascii=False)
    query = f'import duckdb; print(duckdb.connect({file}, read_only=True).sql("FROM {table} LIMIT 5"))'
    port, address = ("", "") if url == DEFAULT_URL else (f" --port {urlsplit(url).port}", f" --url {url}")
    return [
        f"{shlex.quote(sys.executable)} -c {shlex.quote(query)}  # look at the rows",
        f"{variable} {command} serve{port}  # run it all again, to stay",
        f"{variable} {command} tasks{address}  # then, in another terminal: the runs of this demo",
        f"{command} read --help  # read a connector of your choice",
    ]


def count_table(counts: Sequence[StreamCounts]) -> Grid:
    """Return the three counts of each stream side by side, and whether they agree."""
    return Grid(
        ("stream", "emitted", "stored", "in the table", "rows/s", "counts"),
        [
            (
                count.stream,
                formatting.count(count.emitted),
                formatting.count(count.stored),
                "no table" if count.counted is None else formatting.count(count.counted),
                count.rate,
                "agree" if count.agrees else f"DIFFER (expected {formatting.count(count.before + count.emitted)})",
            )
            for count in counts
        ],
        right=frozenset({"emitted", "stored", "in the table", "rows/s"}),
    )
