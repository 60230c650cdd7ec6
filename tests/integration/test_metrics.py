"""GET /metrics as it is deployed, and what a sweep pushes: the same numbers, read by the official parsers."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client import Metric, parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from common import VERSION
from common.failures import Failure, FailureKind
from common.metrics import otlp
from common.metrics.definitions import METRICS, SYNC_ROWS, Kind
from common.metrics.families import families
from common.protocol.commands import Command
from common.store import Database, Outcome, Task, TaskState, outcomes, sweeps, tasks, totals
from common.store.sweeps import SweepStats
from common.sweep.sweep import sweep
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for
from tests.support.functions import Server, running
from tests.support.http_server import HttpServer
from tests.support.local_system import local_system

ODD = 'a "quoted" \\ name\nof two lines, é 🚚'
STREAMS = {"plants": {"status": "SUCCESS", "stored": 7, "sent": 7, "bytes": 90}}
READ = Task(Command.READ, "r1", "airbyte/source-garden", "1", ODD)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def garden(db: Database) -> Database:
    """A read that ended PARTIAL, one that runs, a check that waits, a sweep of two data planes."""
    some = [READ, structs.replace(READ, task_id="r2", sync_id="s2"), Task(Command.CHECK, "c1", "p", "1")]
    db.transact(lambda db: [tasks.begin(db, task, pod_name=task.task_id, request_hash="h") for task in some])
    db.transact(lambda db: [tasks.progress(db, task, STREAMS) for task in some[:2]])
    refused = Outcome(TaskState.PARTIAL, failure=Failure(FailureKind.ROWS_REFUSED, "Two."), streams=STREAMS)
    assert db.transact(lambda db: outcomes.conclude(db, READ, refused))
    db.transact(lambda db: sweeps.record(db, "east", 1.5, SweepStats(pods=2)))
    db.transact(lambda db: sweeps.record(db, "west", 1.5, SweepStats(pods=3)))
    return db


def samples(found: Iterable[Metric]) -> Samples:
    return {(one.name, frozenset(one.labels.items())): one.value for metric in found for one in metric.samples}


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


@pytest.fixture
def served(database: TestDatabase) -> Iterator[Server]:
    with running("metrics", token="right", SYNCCTL_DATABASE_URL=database.url) as server:
        yield server


def test_the_official_parsers_read_what_is_known(garden: Database, served: Server) -> None:
    """In both formats, with the names of the reference, whatever letters a sync's name has; and only with a token."""
    assert served.ask("GET", "/metrics", token="").status == 401
    assert served.ask("POST", "/metrics").status == 405
    refused = served.ask("GET", "/metrics?name=x")
    assert (refused.status, "name" in refused.error) == (400, True)
    plain, opened = served.ask("GET", "/metrics"), served.ask("GET", "/metrics", Accept=OPENMETRICS)
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4; charset=utf-8")
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    head = served.ask("HEAD", "/metrics")
    assert (head.status, head.body) == (200, b"")
    found = list(parser.text_string_to_metric_families(plain.body.decode()))
    strict = {one.name: one for one in parse_openmetrics(opened.body.decode())}  # type: ignore[no-untyped-call]
    assert {metric.prometheus for metric in METRICS} == {
        f"{one.name}_total" if one.type == "counter" else one.name for one in found
    }
    assert {one.name for one in strict.values()} == {
        metric.family.removesuffix("_info") if metric.kind is Kind.INFO else metric.family for metric in METRICS
    }
    values = samples(found)
    assert values[key("syncctl_tasks_active", command="read", state="RUNNING")] == 1
    assert values[key("syncctl_tasks_active", command="spec", state="PENDING")] == 0
    assert values[key("syncctl_tasks_finished_total", command="check", state="SUCCESS", kind="", origin="")] == 0
    partial = {"command": "read", "state": "PARTIAL"}
    ended = key("syncctl_tasks_finished_total", **partial, kind="rows_refused", origin="destination")
    assert values[ended] == 1
    assert values[key("syncctl_task_duration_seconds_bucket", **partial, le="+Inf")] == 1
    assert values[key("syncctl_task_start_delay_seconds_count", command="read")] == 2
    assert values[key("syncctl_sync_rows_total", sync=ODD)] == 7
    assert values[key("syncctl_sync_bytes_total", sync=ODD)] == 90
    states = {
        state: values[key("syncctl_sync_last_state", sync=ODD, state=state)] for state in TaskState if state.final
    }
    assert states == {"SUCCESS": 0, "PARTIAL": 1, "FAILED": 0, "CANCELLED": 0}
    assert values[key("syncctl_sync_last_run_timestamp_seconds", sync="s2")] > 1.7e9
    assert key("syncctl_sync_last_success_timestamp_seconds", sync=ODD) not in values
    assert values[key("syncctl_sweep_pods", data_plane="west")] == 3
    assert values[key("syncctl_task_oldest_pending_seconds", command="check")] >= 0
    for metric in METRICS:
        family = next(one for one in found if one.name == metric.family)
        assert {name for one in family.samples for name in one.labels} <= {*metric.labels, "le"}, metric.name
        assert family.documentation == metric.text


@pytest.mark.parametrize(
    "accept",
    ["text/plain; version=abc", 'application/openmetrics-text; version="1.0.0"', f"text/plain; version={'9' * 5000}"],
)
def test_a_version_that_cannot_be_read_is_answered_in_the_plain_format(served: Server, accept: str) -> None:
    """Whatever a scraper names: the numbers are there."""
    answered = served.ask("GET", "/metrics", Accept=accept)
    assert (answered.status, answered.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


def test_buckets_hold_what_is_below_them(garden: Database, database: TestDatabase) -> None:
    """Also those that another version has counted under another bound."""
    database.rows(
        "INSERT INTO syncctl_task_seconds VALUES ('duration', 'spec', 'SUCCESS', '7', 2, 13), ('duration', 'spec', 'SUCCESS',"
        " '+Inf', 1, 1e6), ('duration', 'spec', 'SUCCESS', '1', 4, 3)"
    )
    found = {one.metric.name: one for one in families(garden.transact(totals.read))}["syncctl.task.duration"]
    point = {one.labels: one for one in found.points}["spec", "SUCCESS"]
    assert (point.value, point.counts[:4], point.counts[-1]) == (1_000_016, (4, 0, 2, 0), 1)


class Collector:
    """What a collector has received, and how it answers."""

    def __init__(self) -> None:
        self.received: list[ExportMetricsServiceRequest] = []
        self.paths: list[str] = []
        self.answer: Callable[[], int] = lambda: 200
        self.url = ""


@contextmanager
def running_collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.paths.append(self.path)
            collector.received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(collector.answer())
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HttpServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        yield collector
        server.shutdown()
        thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as made:
        yield made


@pytest.fixture
def swept(tmp_path: Path, database: TestDatabase) -> Iterator[Callable[[str], bool]]:
    """Sweeps with a collector at that URL."""
    with local_system(tmp_path, database, "http://127.0.0.1:1", {}) as place:

        def run(url: str) -> bool:
            sweep(place.settings.model_copy(update={"otlp_endpoint": url}))
            return True

        yield run


def test_a_sweep_counts_and_pushes(
    garden: Database, database: TestDatabase, collector: Collector, swept: Callable[[str], bool]
) -> None:
    """What a scrape would show, once a minute at most, by OpenTelemetry's names; the ended task's row is counted."""
    swept(collector.url)
    assert database.rows("SELECT task_id FROM syncctl_task WHERE counted") == [{"task_id": "r1"}]
    swept(collector.url)
    assert collector.paths == ["/v1/metrics"]
    [resource] = collector.received[0].resource_metrics
    known = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (known["service.name"], known["service.version"]) == ("sync-functions", VERSION)
    pushed = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    assert set(pushed) <= {metric.name for metric in METRICS}
    rows = pushed[SYNC_ROWS.name].sum
    assert (rows.is_monotonic, rows.aggregation_temporality) == (True, 2)
    [point] = rows.data_points
    assert {one.key: one.value.string_value for one in point.attributes} == {"sync": ODD}
    assert (point.as_int, 0 < point.start_time_unix_nano <= point.time_unix_nano) == (7, True)
    for family in families(garden.transact(totals.read)):
        if family.metric.kind is Kind.HISTOGRAM:
            there = {
                tuple(a.value.string_value for a in one.attributes): one
                for one in pushed[family.metric.name].histogram.data_points
            }
            assert [tuple(there[one.labels].bucket_counts) for one in family.points] == [
                one.counts for one in family.points
            ]
            assert all(list(one.explicit_bounds) == list(family.bounds) for one in there.values())


@pytest.mark.fault(543)
def test_a_collector_that_refuses_or_is_away_fails_no_sweep(
    garden: Database,
    database: TestDatabase,
    collector: Collector,
    swept: Callable[[str], bool],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line of the log tells why; the sweep is recorded."""
    collector.answer = lambda: 401
    swept(collector.url)
    swept("http://127.0.0.1:1")
    assert len(collector.received) == 1
    lines = [one.getMessage() for one in caplog.records if one.name.startswith("opentelemetry")]
    assert ["401" in lines[0], len(lines)] == [True, 2], lines
    assert len(database.rows("SELECT FROM syncctl_sweep WHERE data_plane = 'default'")) == 1


@pytest.mark.fault(544)
def test_a_collector_that_does_not_answer_holds_no_sweep(
    garden: Database, collector: Collector, swept: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on while the answer is awaited, and sends nothing more there until that is over."""
    monkeypatch.setattr(otlp, "_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(otlp, "_PAUSE_SECONDS", 0.0)
    over = threading.Event()
    collector.answer = lambda: 200 if over.wait(60) else 500
    swept(collector.url)
    wait_for(lambda: collector.received)
    swept(collector.url)
    assert len(collector.received) == 1
    over.set()
    wait_for(lambda: swept(collector.url) and len(collector.received) > 1)


def test_the_exporter_is_loaded_only_where_a_collector_is_named() -> None:
    """A sweeper that wakes every five minutes would pay for it each time."""
    import subprocess
    import sys

    code = (
        "import sys, common.sweep.sweep; print([n for n in sys.modules if 'opentelemetry' in n or 'prometheus' in n])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
