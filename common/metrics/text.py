"""GET /metrics: the numbers as Prometheus reads them. The only importer of prometheus_client."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from common.metrics.definitions import Kind
from common.metrics.families import Family, families
from common.request import Request, Text
from common.store import Database, totals


def get_metrics(request: Request) -> Text:
    """Return all metrics as OpenMetrics if Accept names it, else in Prometheus' text format."""
    settings = request.settings
    with Database(settings.require_database_url(), settings.database_schema) as db:
        found = families(db.transact(totals.read))
    encode, content_type = _encoder(request.headers.get("accept", ""))
    registry = CollectorRegistry()
    registry.register(_Collector(found))
    return Text(iter([encode(registry).decode()]), content_type)


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """Return what makes the format that Accept names, and its content type; else the plain one."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # the library fails on a version that is not numbers
        return choose_encoder("")


class _Collector(Collector):
    """Hands over what was read once."""

    def __init__(self, found: Sequence[Family]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """Return each metric as the library has it."""
        return [_FAMILIES[family.metric.kind](family) for family in self._found]


def _counter(family: Family) -> Metric:
    made = CounterMetricFamily(family.metric.family, family.metric.text, labels=family.metric.labels)
    for point in family.points:
        made.add_metric(point.labels, point.value)
    return made


def _gauge(family: Family) -> Metric:
    made = GaugeMetricFamily(family.metric.family, family.metric.text, labels=family.metric.labels)
    for point in family.points:
        made.add_metric(point.labels, point.value)
    return made


def _histogram(family: Family) -> Metric:
    made = HistogramMetricFamily(family.metric.family, family.metric.text, labels=family.metric.labels)
    for point in family.points:
        buckets, below = list[tuple[str, float]](), 0
        for bound, count in zip((*family.bounds, float("inf")), point.counts, strict=True):
            below += count
            buckets.append((floatToGoString(bound), below))  # type: ignore[no-untyped-call] # the library lacks it
        made.add_metric(point.labels, buckets, point.value)
    return made


def _info(family: Family) -> Metric:
    made = InfoMetricFamily(family.metric.family.removesuffix("_info"), family.metric.text)
    for point in family.points:
        made.add_metric((), dict(zip(family.metric.labels, point.labels, strict=True)))
    return made


_FAMILIES = {Kind.COUNTER: _counter, Kind.GAUGE: _gauge, Kind.HISTOGRAM: _histogram, Kind.INFO: _info}
