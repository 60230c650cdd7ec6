"""Moves the same recordings through the sidecar and through its ceilings; prints records per second and ratios.

The sidecar (and each ceiling) has the first core for itself; what feeds it and what it talks to share the second.
"""

import pstats
import sys
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from bench.results import Goal, publish, publish_curves
from bench.sidecar import costs, data, recorded
from bench.sidecar.data import Shape
from bench.sidecar.rig import Rig, Taken, rig, sink
from embedded.warehouse.server import WarehouseServer
from embedded.warehouse.warehouse import Warehouse

_ROUNDS = 3
_ONE_STREAM, _INTERLEAVED = 0.70, 0.60
_GOALS_FOR = (300, 1000)

SHAPES = [
    Shape(100, state_every=10_000, records=500_000),
    Shape(300, state_every=1000, records=600_000),
    Shape(300, state_every=10_000, records=600_000),
    Shape(1000, state_every=10_000, records=400_000),
    Shape(10_000, state_every=10_000, records=15_000),
    Shape(300, streams=5, state_every=10_000, records=300_000),
    Shape(300, streams=5, run=25, state_every=10_000, records=300_000),
    Shape(300, streams=5, run=1, state_every=10_000, records=300_000),
    Shape(300, streams=50, state_every=1000, records=300_000),
    Shape(300, streams=50, run=25, state_every=1000, records=300_000),
    Shape(300, streams=50, run=1, state_every=1000, records=300_000),
    Shape(1000, streams=5, run=25, state_every=10_000, records=150_000),
    Shape(1000, streams=5, run=1, state_every=10_000, records=150_000),
]
QUICK = [Shape(300, records=100_000), Shape(300, streams=5, run=25, records=100_000)]
_COLUMNS = (
    "shape", "records/s", "MB/s", "CPU us a record", "of (a) cat", "of (b) decode", "of (b) tuned", "of (c) post",
    "CPU, of (b)", "peak MB",
)  # fmt: skip


def run(*, quick: bool) -> bool:
    """All shapes; the middle one of three rounds each: now and then malloc happens to keep what the decoding of (b)
    frees, and it takes two thirds of the time.
    """
    rounds = 1 if quick else _ROUNDS
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    with rig() as bench, sink() as address:
        for shape in QUICK if quick else SHAPES:
            data.write(shape, bench.recording)
            row = _measure(bench, address, shape.name, data.catalog(shape), shape.records, rounds)
            rows.append(row)
            goals += _goals(shape, row[_COLUMNS.index("of (b) decode")])
        rows += _recorded(bench, address, rounds, quick=quick)
        rows.append(_warehouse(bench, records=30_000 if quick else 100_000))
        single, log_goals = costs.log_lines(bench, address, rounds, quick=quick)
        single += [costs.checkpoint(bench, address), costs.start_up(bench, address, 3 if quick else 7)]
        curves = dict(costs.memory(bench, quick=quick))
    publish("sidecar-costs", ("what", "value", "unit", "how"), [(c.name, c.value, c.unit, c.how) for c in single], [])
    publish_curves("sidecar-memory", "seconds", "resident MB", {name: taken.memory for name, taken in curves.items()})
    publish(
        "sidecar-memory", ("records and sink", "1st quarter MB", "2nd", "3rd", "last", "peak"),
        [(name, *costs.quarters(taken), taken.peak_mb) for name, taken in curves.items()], [],
    )  # fmt: skip
    goals += [*log_goals, *costs.memory_goals(curves)]
    return publish("sidecar", _COLUMNS, rows, goals, bars="records/s")


def profile() -> None:
    """The sidecar's profile for 300 bytes, one stream: its own time by function."""
    shape = Shape(300, state_every=10_000, records=200_000)
    with rig() as bench, sink() as address:
        data.write(shape, bench.recording)
        figures = bench.folder / "profile"
        bench.sidecar(address, data.catalog(shape), "-m", "cProfile", "-o", str(figures), "-m", "sidecar")
        pstats.Stats(str(figures), stream=sys.stdout).sort_stats("tottime").print_stats(25)


def _measure(
    bench: Rig, address: str, name: str, catalog: Mapping[str, Any], records: int, rounds: int
) -> tuple[Any, ...]:
    """One row of the table. Everything takes turns, so that the machine's drift meets all of them."""
    ways: list[Callable[[], Taken]] = [
        lambda: bench.sidecar(address, catalog), bench.cat, bench.decode, lambda: bench.decode("tuned"),
        lambda: bench.post(address),
    ]  # fmt: skip
    taken: list[list[Taken]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, runs in zip(ways, taken, strict=True):
            runs.append(way())
    # To the last byte taken: what the end costs is measured apart, and weighs as much in a short run as in a long one.
    ours, *ceilings = (median(run.fed_seconds for run in runs) for runs in taken)
    cpu, _, decode_cpu, *_ = (median(run.cpu_seconds for run in runs) for runs in taken)
    ratios = [ceiling / ours for ceiling in ceilings]
    size = bench.recording.stat().st_size / 1e6
    peak = max(run.peak_mb for run in taken[0])
    return name, records / ours, size / ours, cpu / records * 1e6, *ratios, decode_cpu / cpu, peak


def _recorded(bench: Rig, address: str, rounds: int, *, quick: bool) -> list[tuple[Any, ...]]:
    found = recorded.record(bench.folder, bench.recording, count=500 if quick else 3000, times=20)
    if isinstance(found, str):
        return [(found, *[0.0] * (len(_COLUMNS) - 1))]
    catalog, records = found
    return [_measure(bench, address, f"recorded: {recorded.IMAGE}", catalog, records, rounds)]


def _warehouse(bench: Rig, records: int) -> tuple[Any, ...]:
    """Into DuckDB: the sidecar waits for it, so only (c), a plain client that waits as well, says much."""
    shape = Shape(300, state_every=10_000, records=records)
    data.write(shape, bench.recording)
    warehouse = Warehouse(bench.folder / "warehouse.duckdb", "", patience_seconds=10)
    with WarehouseServer(warehouse) as server:
        row = _measure(bench, server.url, f"{shape.name}, into DuckDB", data.catalog(shape), records, 1)
    warehouse.close()
    return row


def _goals(shape: Shape, of_decode: float) -> list[Goal]:
    if shape.record_bytes not in _GOALS_FOR:
        return []
    name = shape.name.replace(" ", "-").replace(",", "")
    return [Goal(f"of-decode-{name}", of_decode, _INTERLEAVED if shape.run else _ONE_STREAM)]
