"""`syncctl demo`: a real connector into a real table on this machine, and the counts to prove it.

Everything goes through the deployment's HTTP endpoints, as any caller would do it; only the rows of the tables
are counted in the warehouse itself.
"""

import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer
from msgspec import Raw

from common.errors import SyncError
from syncctl import figures, views
from syncctl.ask import show_check, show_spec, storage_key, watch
from syncctl.catalogs import configure, offered
from syncctl.client import Deployment
from syncctl.follow import follow
from syncctl.image import parse_image
from syncctl.live import show
from syncctl.local import Home, edition, keep_private, log_to, program, stop_on_signals
from syncctl.options import DEFAULT_PORT
from syncctl.outcome import ExitCode, State
from syncctl.read import STARTED_BY
from syncctl.screen import Grid, Screen
from syncctl.session import guard
from syncctl.wire import Task

if TYPE_CHECKING:
    from embedded.edition import Edition

IMAGE = parse_image("airbyte/source-faker:7.2.1")
# always_updated false: the connector sends nothing again that its state says it has sent.
CONFIG = Raw(b'{"count": 1000, "seed": 1, "parallelism": 1, "always_updated": false}')
PREFIX = "demo_"
LOG_FILE = "edition.log"
_LONGEST_STATE = 100


class Asked(NamedTuple):
    """The tasks of the three questions."""

    spec: str
    check: str
    discover: str


class Count(NamedTuple):
    """One stream's rows: said by the connector, acknowledged by the warehouse, counted in its table."""

    stream: str
    emitted: int
    stored: int
    before: int
    counted: int | None
    rate: str

    @property
    def agrees(self) -> bool:
        """Nothing lost, nothing doubled: a resumed read adds to what was there."""
        return self.emitted == self.stored and self.counted == self.before + self.stored


def demo(home: Home) -> None:
    """Run a real connector into a real table on this machine, and show that the counts agree.

    Installs airbyte/source-faker (about a minute the first time), asks it for spec, check and discover, reads
    its streams into a DuckDB warehouse, and reads again to show that the second read resumes. Exit code 1 if any
    count differs.

    Examples:

      syncctl demo
      SYNCCTL_HOME=/tmp/demo syncctl demo
    """
    keep_private()
    stop_on_signals()
    screen = Screen()
    with guard(screen, interrupted="Interrupted; everything that the demo started has been stopped."):
        try:
            good = _run(screen, home / "demo")
        except SyncError:
            screen.note(f"The edition's own log is in {home / 'demo' / LOG_FILE}.")
            raise
    raise typer.Exit(ExitCode.SUCCESS if good else ExitCode.FAILED)


def _run(screen: Screen, home: Path) -> bool:
    log_to(home / LOG_FILE)
    with edition(home, _port(), {}, screen.note) as running, Deployment(running.url, running.token) as deployment:
        screen.say(f"{IMAGE} into {running.warehouse_file}, by way of {running.url}", "bold")
        _step(screen, 1, "prepare the connector")
        running.prepare(str(IMAGE))
        asked = _ask(deployment)
        _step(screen, 2, "spec: GET /spec, with check and discover beside it")
        catalog = configure(_done(screen, deployment, asked.discover).result, [])
        sync = f"demo-{time.time_ns() // 1_000_000}"
        reading = _start(deployment, sync, catalog)
        _show_answers(screen, deployment, asked)
        _step(screen, 5, "read everything: POST /read")
        first = _read(screen, running, deployment, reading, {})
        screen.table(table(first))
        _step(screen, 6, "read again: POST /read without a state resumes from the saved one")
        _show_states(screen, running, sync)
        again = _start(deployment, sync, catalog)
        second = _read(screen, running, deployment, again, {count.stream: count for count in first})
        screen.table(table(second))
        _next(screen, running)
    return _verdict(screen, first, second)


def _ask(deployment: Deployment) -> Asked:
    """All three at once; discover first, because the read waits for it."""
    discover = deployment.discover(IMAGE, storage_key(), CONFIG)
    spec = deployment.spec(IMAGE)
    check = deployment.check(IMAGE, storage_key(), CONFIG)
    return Asked(spec.task_id, check.task_id, discover.task_id)


def _show_answers(screen: Screen, deployment: Deployment, asked: Asked) -> None:
    """In turn; meanwhile the first read begins."""
    show_spec(screen, _done(screen, deployment, asked.spec).result)
    _step(screen, 3, f"check: POST /check with {bytes(CONFIG).decode()}")
    show_check(screen, _done(screen, deployment, asked.check))
    _step(screen, 4, "discover: POST /discover")
    screen.table(views.offered(offered(_done(screen, deployment, asked.discover).result)))


def _done(screen: Screen, deployment: Deployment, task_id: str) -> Task:
    """The task once it has succeeded; raises SyncError with its reason if it has not."""
    task = watch(deployment, screen, "waiting", task_id)
    if task.state != State.SUCCESS or not task.has_result:
        raise SyncError(f"{task.command} ended {task.state}: {task.reason or 'without a reason.'}")
    return task


def _start(deployment: Deployment, sync: str, catalog: Raw) -> str:
    """Begins a read; returns its taskId."""
    query = {"syncId": sync, "taskId": str(uuid.uuid4()), "tableNamePrefix": PREFIX, "startedBy": STARTED_BY}
    return deployment.read(IMAGE, query, {"config": CONFIG, "catalog": catalog}).task_id


def _read(
    screen: Screen, running: "Edition", deployment: Deployment, task_id: str, before: Mapping[str, Count]
) -> list[Count]:
    """One read, followed to its end; `before` is what the tables held."""
    task = show(screen, follow(deployment, task_id), logs=False)
    screen.show(views.heading(task))
    if task.state != State.SUCCESS:
        raise SyncError(f"The read ended {task.state}: {task.reason or 'without a reason.'}")
    return [
        Count(
            name,
            progress.emitted,
            progress.stored,
            (before[name].counted or 0) if name in before else 0,
            running.rows(PREFIX + name),
            figures.rate(progress, task),
        )
        for name, progress in (task.streams or {}).items()
    ]


def table(counts: Sequence[Count]) -> Grid:
    """Three counts of each stream side by side, and whether they agree."""
    return Grid(
        ("stream", "emitted", "stored", "in the table", "rows/s", "counts"),
        [
            (
                count.stream,
                figures.count(count.emitted),
                figures.count(count.stored),
                "no table" if count.counted is None else figures.count(count.counted),
                count.rate,
                "agree" if count.agrees else f"DIFFER (expected {figures.count(count.before + count.emitted)})",
            )
            for count in counts
        ],
        right=frozenset({"emitted", "stored", "in the table", "rows/s"}),
    )


def _show_states(screen: Screen, running: "Edition", sync: str) -> None:
    for stream, state in running.states(sync).items():
        brief = state if len(state) <= _LONGEST_STATE else state[:_LONGEST_STATE] + "..."
        screen.say(f"the connector is given, for {stream}: {brief}", "dim")


def _verdict(screen: Screen, first: Sequence[Count], second: Sequence[Count]) -> bool:
    differing = [count.stream for count in [*first, *second] if not count.agrees]
    if differing or not first:
        screen.fail(f"The counts differ for: {', '.join(differing) or 'every stream, as none was read'}.")
        return False
    rows, again = sum(count.stored for count in first), sum(count.stored for count in second)
    screen.say(
        f"\n{figures.count(rows)} rows emitted, stored and counted; the second read resumed and brought "
        f"{figures.count(again)} more.",
        "green",
    )
    return True


def _next(screen: Screen, running: "Edition") -> None:
    """What to try now that the demo is over: its edition stops, its data stays."""
    screen.say("\nTry next:", "bold")
    here = program()
    query = f"duckdb.connect('{running.warehouse_file}', read_only=True).sql('from {PREFIX}users limit 5')"
    screen.say(f'  {here.with_name("python")} -c "import duckdb; print({query})"  # look at the rows')
    screen.say(f"  SYNCCTL_HOME={running.home} {here} serve  # run it all again, to stay; it prints what to export")
    screen.say(f"  {here} tasks  # then, in another terminal: the runs of this demo")
    screen.say(f"  {here} read --help  # read a connector of your choice")


def _step(screen: Screen, number: int, what: str) -> None:
    screen.say(f"\n{number}. {what}", "bold cyan")


def _port() -> int:
    """The usual port, or any free one where somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            return 0
    return DEFAULT_PORT
