"""Which numbers there are. docs/reference/metrics.md is this table; a test compares them."""

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What a number does."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


_SUFFIXES = {"": "", "s": "_seconds", "By": "_bytes"}
"""Units in UCUM, as OpenTelemetry has them; Prometheus writes them out."""


class Metric(Struct, frozen=True):
    """One number: its name and unit as OpenTelemetry writes them, and what its points differ by."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    unit: str = ""

    @property
    def family(self) -> str:
        """The name as Prometheus writes it, without what follows from the kind.

        As in https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/, by which a collector
        makes the same name of a pushed metric.
        """
        name, suffix = self.name.replace(".", "_"), _SUFFIXES[self.unit]
        return name if name.endswith(suffix) else name + suffix

    @property
    def prometheus(self) -> str:
        """The name to ask Prometheus for; that of a histogram is followed by _bucket, _sum or _count."""
        return f"{self.family}_total" if self.kind is Kind.COUNTER else self.family


BUILD = Metric(
    "syncctl.build.info", Kind.INFO, "Always 1: which version answers, on which Python.", ("version", "python")
)
ACTIVE = Metric(
    "syncctl.tasks.active", Kind.GAUGE, "Tasks that have not ended: PENDING or RUNNING.", ("command", "state")
)
FINISHED = Metric(
    "syncctl.tasks.finished",
    Kind.COUNTER,
    "Tasks that have ended, by how; kind and origin are those of the failure (failures.md), empty without one.",
    ("command", "state", "kind", "origin"),
)
DURATION = Metric(
    "syncctl.task.duration",
    Kind.HISTOGRAM,
    "How long tasks ran that have ended, from the first report of their first pod. Some never ran.",
    ("command", "state"),
    "s",
)
START_DELAY = Metric(
    "syncctl.task.start_delay",
    Kind.HISTOGRAM,
    "From a task's request to the first report of its pod; of a declared sync's run, from the end of its discovery.",
    ("command",),
    "s",
)
RETRIES = Metric(
    "syncctl.task.retries",
    Kind.COUNTER,
    "Attempts of reads that were followed by another one, by why they had ended.",
    ("kind", "origin"),
)
OLDEST_PENDING = Metric(
    "syncctl.task.oldest_pending",
    Kind.GAUGE,
    "For how long the oldest PENDING task of a command has been that; 0 if none is.",
    ("command",),
    "s",
)
SYNC_SUCCESS = Metric(
    "syncctl.sync.last_success_timestamp",
    Kind.GAUGE,
    "When the last successful read of a sync ended, in Unix seconds; missing if none ever was.",
    ("sync",),
    "s",
)
SYNC_RUN = Metric(
    "syncctl.sync.last_run_timestamp",
    Kind.GAUGE,
    "When the newest read of a sync was asked for, in Unix seconds, whether it has ended or not.",
    ("sync",),
    "s",
)
SYNC_STATE = Metric(
    "syncctl.sync.last_state",
    Kind.GAUGE,
    "How the newest read of a sync that has ended did so: 1 with that final state, 0 with the others.",
    ("sync", "state"),
)
SYNC_ROWS = Metric(
    "syncctl.sync.rows",
    Kind.COUNTER,
    "Rows that the warehouse has acknowledged, by reads that have ended; of one that was retried, its last attempt's.",
    ("sync",),
)
SYNC_BYTES = Metric("syncctl.sync.bytes", Kind.COUNTER, "Bytes of rows sent by the same.", ("sync",), "By")
SWEEP_TIME = Metric(
    "syncctl.sweep.timestamp",
    Kind.GAUGE,
    "When the last sweep of a data plane ended, in Unix seconds: its age is time() minus this.",
    ("data_plane",),
    "s",
)
SWEEP_DURATION = Metric("syncctl.sweep.duration", Kind.GAUGE, "How long that sweep took.", ("data_plane",), "s")
SWEEP_PODS = Metric("syncctl.sweep.pods", Kind.GAUGE, "Task pods that it saw.", ("data_plane",))
SWEEP_UNREADABLE = Metric(
    "syncctl.sweep.unreadable", Kind.GAUGE, "Pods among them that it could not look at.", ("data_plane",)
)

METRICS = (
    BUILD, ACTIVE, FINISHED, DURATION, START_DELAY, RETRIES, OLDEST_PENDING, SYNC_SUCCESS, SYNC_RUN, SYNC_STATE,
    SYNC_ROWS, SYNC_BYTES, SWEEP_TIME, SWEEP_DURATION, SWEEP_PODS, SWEEP_UNREADABLE,
)  # fmt: skip
