"""What single things cost: a log line, a checkpoint, the start; and memory where the sink is fast, slow or stalled."""

import statistics
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from bench.results import Goal
from bench.sidecar import data
from bench.sidecar.data import Shape
from bench.sidecar.rig import Rig, Taken, sink

_LOGS_SLOW_PERCENT = 5.0
_MEMORY_MB, _GROWTH_MB = 60.0, 6.0
_LOG_LINES, _RECORDS_A_LINE = 100_000, (100, 40, 10, 4)
"""The goal is for a line with each page of a hundred records; the others say what a more talkative connector costs."""
_PASS_RECORDS = 200_000
"""Of a recording that is offered as often as it takes."""
_MEMORY_BYTES = 60_000_000


class Cost(Struct, frozen=True):
    """One figure, with its unit and how it was come by."""

    name: str
    value: float
    unit: str
    how: str


def log_lines(rig: Rig, address: str, rounds: int, *, quick: bool) -> tuple[list[Cost], list[Goal]]:
    """The same records with and without log lines among them, the fewest first: they are what the goal is for."""
    costs: list[Cost] = []
    goals: list[Goal] = []
    for each in _RECORDS_A_LINE:
        costs += _log_lines(rig, address, rounds, lines=_LOG_LINES // (10 if quick else 1), each=each)
        goals = goals or [Goal("log-lines-slow-rows-percent", costs[0].value, _LOGS_SLOW_PERCENT, at_most=True)]
    return costs, goals


def _log_lines(rig: Rig, address: str, rounds: int, *, lines: int, each: int) -> list[Cost]:
    plain = Shape(300, state_every=10_000, records=_PASS_RECORDS)
    mixed = msgspec.structs.replace(plain, log_lines=_PASS_RECORDS // each)
    passes = lines // mixed.log_lines
    shapes = {plain: rig.folder / "plain", mixed: rig.folder / "mixed"}
    runs: dict[Shape, list[Taken]] = {plain: [], mixed: []}
    for shape, path in shapes.items():
        data.write(shape, path, ends=False)
    for _ in range(rounds):
        for shape, path in shapes.items():
            runs[shape].append(rig.sidecar(address, data.catalog(shape), recordings=[path] * passes))
    without, with_them = (min(taken, key=lambda one: one.fed_seconds) for taken in runs.values())
    cpu = min(one.cpu_seconds for one in runs[mixed]) - min(one.cpu_seconds for one in runs[plain])
    how = f"{lines:,} lines among {passes * plain.records:,} records"
    return [
        Cost(
            "log lines slow rows", (with_them.fed_seconds / without.fed_seconds - 1) * 100, "%", f"{how}, to the last"
        ),
        Cost("a log line", cpu / lines * 1e6, "us CPU", f"{how}, to the exit"),
        Cost("the end with log lines", with_them.seconds - with_them.fed_seconds, "s", f"{how}; the log is written"),
        Cost("the end without", without.seconds - without.fed_seconds, "s", "from the last byte taken to the exit"),
        Cost("memory with log lines", max(one.peak_mb for one in runs[mixed]), "MB", f"{how}, the largest resident"),
    ]


def checkpoint(rig: Rig, address: str) -> Cost:
    """Every state commits in one run, and none before the end in the other."""
    shape = Shape(300, state_every=100, records=30_000)
    data.write(shape, rig.recording)
    often, once = (
        rig.sidecar(address, data.catalog(shape), COMMIT_BYTES=commit_bytes) for commit_bytes in ("1", "100000000")
    )
    states = shape.records // shape.state_every
    each = (often.seconds - once.seconds) / states * 1e3
    return Cost("a checkpoint", each, "ms", f"{states} of them: a request ended, its answer, a state into Postgres")


def start_up(rig: Rig, address: str, rounds: int) -> Cost:
    """Exec to the first byte read."""
    seconds = [rig.start_up(address, data.catalog(Shape(300))) for _ in range(rounds)]
    return Cost("start-up", statistics.median(seconds), "s", f"exec to the first byte read, median of {rounds}")


def memory(rig: Rig, *, quick: bool) -> Iterator[tuple[str, Taken]]:
    """The resident size over time, for each record size and each kind of sink."""
    for size in (300, 1_000_000) if quick else (300, 10_000, 1_000_000):
        shape = Shape(size, records=_MEMORY_BYTES // size, state_every=10_000)
        data.write(shape, rig.recording)
        for mode in ("fast", "slow", "stalled"):
            with sink(mode) as address:
                yield f"{size:,} B, {mode} sink", rig.sidecar(address, data.catalog(shape))


def quarters(taken: Taken) -> list[float]:
    """The largest resident MB of each quarter of the time in which bytes were taken."""
    found = [0.0] * 4
    for at, size in taken.memory:
        quarter = min(int(at / taken.fed_seconds * 4), 3)
        found[quarter] = max(found[quarter], size)
    for number in range(1, 4):
        found[number] = found[number] or found[number - 1]
    return found


def memory_goals(curves: dict[str, Taken]) -> list[Goal]:
    """The worst of all; growth is from the second quarter to the last."""
    peak = max(taken.peak_mb for taken in curves.values())
    growth = max(last - second for _, second, _, last in map(quarters, curves.values()))
    return [
        Goal("memory-peak-MB", peak, _MEMORY_MB, at_most=True),
        Goal("memory-growth-MB", growth, _GROWTH_MB, at_most=True),
    ]
