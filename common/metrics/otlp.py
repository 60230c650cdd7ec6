"""The numbers by OTLP, pushed by the sweep: nobody has to ask, so nothing has to stay awake to answer.

The only importer of opentelemetry, and itself imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set. The exporter
reads the other variables of OpenTelemetry (OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES ...) itself.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from common import VERSION
from common.metrics.definitions import Kind
from common.metrics.families import Family, families
from common.store import Database, totals

_PAUSE_SECONDS = 60.0
"""Between two pushes, as OpenTelemetry's own readers have it; sweeps are more frequent while tasks run."""
_TIMEOUT_SECONDS, _WAIT_SECONDS = 3.0, 5.0
"""The exporter's, for a push with its repetitions; and the sweep's, since a slow answer passes over the former."""
_SCOPE = InstrumentationScope("sync-functions", VERSION)
_ALL = AggregationTemporality.CUMULATIVE

# Its warnings precede an error that says the same.
logging.getLogger("opentelemetry").setLevel(logging.ERROR)


def push(db: Database, endpoint: str) -> None:
    """Send all metrics, if the last time is long enough ago. A failure is the exporter's line in the log."""
    _pusher(endpoint).push(db)


@cache
def _pusher(endpoint: str) -> "_Pusher":
    return _Pusher(endpoint)


class _Pusher:
    """One endpoint, for all sweeps of this process."""

    def __init__(self, endpoint: str) -> None:
        self._exporter = OTLPMetricExporter(f"{endpoint.rstrip('/')}/v1/metrics", timeout=_TIMEOUT_SECONDS)
        self._free, self._next = threading.Lock(), 0.0

    def push(self, db: Database) -> None:
        """Send from a thread, for which a sweep waits a few seconds at most; never while another one still sends."""
        if time.monotonic() < self._next or not self._free.acquire(blocking=False):
            return
        self._next = time.monotonic() + _PAUSE_SECONDS
        try:
            found = db.transact(totals.read)
            data = metrics_data(families(found), found.since, found.now)
            sender = threading.Thread(target=self._send, args=(data,), name="otlp", daemon=True)
            sender.start()
        except BaseException:
            self._free.release()
            raise
        sender.join(_WAIT_SECONDS)

    def _send(self, data: MetricsData) -> None:
        try:
            self._exporter.export(data)
        finally:
            self._free.release()


def metrics_data(found: Sequence[Family], since: datetime, now: datetime) -> MetricsData:
    """Return the metrics as OTLP has them; the sums began at `since`."""
    times = (int(since.timestamp() * 1e9), int(now.timestamp() * 1e9))
    metrics = [_metric(family, *times) for family in found if family.points]
    resource = Resource.create({"service.name": "sync-functions", "service.version": VERSION})
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(_SCOPE, metrics, "")], "")])


def _metric(family: Family, since: int, now: int) -> Metric:
    metric = family.metric
    if metric.kind is Kind.HISTOGRAM:
        return Metric(metric.name, metric.text, metric.unit, Histogram(_histogram(family, since, now), _ALL))
    counts = metric.kind is Kind.COUNTER
    points = [
        NumberDataPoint(_attributes(family, point.labels), since if counts else 0, now, point.value)
        for point in family.points
    ]
    data = Sum(points, _ALL, is_monotonic=True) if counts else Gauge(points)
    return Metric(metric.name, metric.text, metric.unit, data)


def _histogram(family: Family, since: int, now: int) -> list[HistogramDataPoint]:
    return [
        HistogramDataPoint(
            _attributes(family, point.labels),
            since,
            now,
            count=sum(point.counts),
            sum=point.value,
            bucket_counts=point.counts,
            explicit_bounds=[float(bound) for bound in family.bounds],
            min=None,  # type: ignore[arg-type] # OTLP may go without
            max=None,  # type: ignore[arg-type] # OTLP may go without
        )
        for point in family.points
    ]


def _attributes(family: Family, labels: Sequence[str]) -> dict[str, str]:
    """Return the labels by name; an empty one means the same as none."""
    return {name: label for name, label in zip(family.metric.labels, labels, strict=True) if label}
