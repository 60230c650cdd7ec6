"""`python -m bench.streams [cpu] [api] [start]`: one process for all streams, against one for each.

It installs the connectors that it measures, so it needs a package index; `python -m bench` leaves it out.
"""

import argparse
import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import structs

from bench.results import publish
from bench.streams import sources
from bench.streams.processes import Source, Taken, Way, discover

_LATENCY, _RATE = 0.1, 20
_EVEN = dict.fromkeys(("a", "b", "c", "d"), 30)
_UNEVEN = {"a": 80, "b": 20, "c": 12, "d": 8}
_APIS = (("free", 0, _EVEN), ("limited", _RATE, _EVEN), ("uneven", _RATE, _UNEVEN))
_PARTS = ("start", "cpu", "api")
_COLUMNS = ("connector", "processes", "s", "slowest s", "CPU s", "peak MB", "records", "others, cores")


def main() -> None:
    """Run the parts that are named; all without."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(_PARTS)}; all without")
    parser.add_argument("--rounds", type=int, default=3, help="of each way (3)")
    parser.add_argument("--records", type=int, default=100_000, help="of each stream, in the part cpu (100,000)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(_PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(_PARTS)}")
    parts = arguments.parts or _PARTS
    if "start" in parts:
        _run_start(arguments.rounds)
    if "cpu" in parts:
        _run("streams-cpu", list(_cpu_ways(arguments.records)), arguments.rounds)
    if "api" in parts:
        _run_apis(arguments.rounds)


def _run_start(rounds: int) -> None:
    """One record of one stream: what each further process costs."""
    with api(_LATENCY, 0) as url:
        found = (sources.hardcoded(1), sources.faker(1, 1), sources.low_code(url, {"a": 1}))
        _run("streams-start", [Way(one.name, one, [[next(iter(discover(one).values()))]]) for one in found], rounds)


def _cpu_ways(records: int) -> Iterator[Way]:
    for source in (sources.hardcoded(records), sources.faker(records, 1), sources.faker(records, 4)):
        yield from _ways(source, list(discover(source).values()), (1, 2, 3))


def _ways(source: Source, streams: Sequence[Mapping[str, Any]], at_once: Iterable[int]) -> Iterator[Way]:
    """All streams in one process, and each in its own, some of them at once."""
    yield Way(source.name, source, [streams])
    for number in at_once:
        yield Way(source.name, source, [[stream] for stream in streams], number)


def _run(name: str, ways: Sequence[Way], rounds: int) -> None:
    """Let the ways take turns, so that the machine's drift meets all of them."""
    taken: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for _ in range(rounds):
        for way in ways:
            taken.setdefault((way.label, way.processes), []).append(_figures(way.measure()))
    publish(name, _COLUMNS, list(_fastest(taken)), [])


def _run_apis(rounds: int) -> None:
    for name, rate, pages in _APIS:
        with api(_LATENCY, rate) as url:
            _run_api(f"streams-api-{name}", url, list(_api_ways(url, pages, rate)), rounds)
    with api(_LATENCY, 0) as url:
        family = sources.family(url, 30, 2)
        _run_api("streams-api-family", url, list(_ways(family, list(discover(family).values()), [1, 4])), rounds)


def _api_ways(url: str, pages: Mapping[str, int], rate: int) -> Iterator[Way]:
    """By the connector's own threads, and by processes; with a limit also by those that share it out."""
    plain = sources.low_code(url, pages)
    streams = list(discover(plain).values())
    each = [[stream] for stream in streams]
    for workers in (2, 4, 8):
        yield Way(f"{workers} threads", sources.low_code(url, pages, workers=workers), [streams])
    for number in (2, 4) if rate else (1, 2, 4):
        yield Way("2 threads each", plain, each, number)
    if rate:
        yield Way(f"8 threads, budget {rate}/s", sources.low_code(url, pages, workers=8, budget=rate), [streams])
        share = rate // len(pages)
        yield Way(f"2 threads, budget {share}/s each", sources.low_code(url, pages, budget=share), each, len(each))


def _run_api(name: str, url: str, ways: Sequence[Way], rounds: int) -> None:
    taken: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for _ in range(rounds):
        for way in ways:
            _stats(url)
            run, counts = way.measure(), _stats(url)
            refused = counts.pop("refused", 0)
            row = (*_figures(run), sum(counts.values()), refused)
            taken.setdefault((way.label, way.processes), []).append(row)
    publish(name, (*_COLUMNS, "answered", "refused"), list(_middle(taken)), [])


def _figures(run: Taken) -> tuple[Any, ...]:
    """Return a run's figures, and print them: a part takes minutes."""
    found: tuple[Any, ...] = structs.astuple(run)
    print(*found, sep="\t", file=sys.stderr, flush=True)  # noqa: T201
    return found


def _fastest(taken: Mapping[tuple[str, str], Sequence[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
    """Where the processor counts: whatever else runs on the machine only makes a round longer."""
    for key, runs in taken.items():
        _compare(key, runs)
        seconds, *rest = min(runs)
        yield *key, seconds, max(runs)[0], *rest


def _middle(taken: Mapping[tuple[str, str], Sequence[tuple[Any, ...]]]) -> Iterator[tuple[Any, ...]]:
    """Where a limit counts: how often a round is refused is luck."""
    for key, runs in taken.items():
        _compare(key, runs)
        seconds, *rest = (statistics.median(column) for column in zip(*runs, strict=True))
        yield *key, seconds, max(runs)[0], *rest


def _compare(key: tuple[str, str], runs: Sequence[tuple[Any, ...]]) -> None:
    assert len({records for _, _, _, records, *_ in runs}) == 1, f"{key}: the rounds differ in their records"


def _stats(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/stats") as answer:  # noqa: S310 - the bench's own server
        found: dict[str, int] = json.load(answer)
        return found


@contextmanager
def api(latency: float, rate: float) -> Iterator[str]:
    """Yield the address of an API of that latency and rate."""
    command = [sys.executable, "-m", "bench.streams.api", str(latency), str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    main()
