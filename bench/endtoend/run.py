"""Reads the same rows three ways, in turn: the connector alone into /dev/null, through the embedded edition from the
request to the verdict, and by PyAirbyte into DuckDB. Then it looks at the edition's processes during a read of each
size, which takes time of its own and is measured apart.

The edition is up and has read once, as one that serves; PyAirbyte's imports are left out, in its favour. All share the
machine's cores with whatever else runs, so a ratio is of one round, and the middle one of all rounds is printed.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from msgspec import Struct

from bench.edition import Edition
from bench.endtoend.connector import PACKAGE, VERSION, Connector, Work
from bench.endtoend.peer import Missing, Peer
from bench.endtoend.processes import Look
from bench.results import Goal, left_out, publish
from common.errors import SyncError

_STREAMS = ("products", "customers", "dummy_fields")
_LARGE, _QUICK = Work("300,000 rows", 100_000, _STREAMS), Work("30,000 rows", 10_000, _STREAMS)
_ONE_ROW = Work("1 row", 1, ("products",))
_ROUNDS = 5
_OF_CONNECTOR, _OVER_CONNECTOR_SECONDS, _TIMES_PEER = 1.25, 0.6, 3.0
_FINAL = {"SUCCESS", "PARTIAL", "FAILED", "CANCELLED"}
_WAIT_SECONDS = "20"


class Measured(Struct, frozen=True):
    """Seconds by round: the connector alone, here, and PyAirbyte (none where it cannot be had)."""

    work: Work
    alone: list[float]
    here: list[float]
    peer: list[float]

    @property
    def of_connector(self) -> float:
        """The middle ratio of the time here to the connector's own."""
        return median(here / alone for here, alone in zip(self.here, self.alone, strict=True))

    @property
    def over_connector(self) -> float:
        """The middle difference between the time here and the connector's own."""
        return median(here - alone for here, alone in zip(self.here, self.alone, strict=True))

    @property
    def of_peer(self) -> float:
        """The middle ratio of PyAirbyte's time to that here; 0 without PyAirbyte."""
        ratios = [peer / here for peer, here in zip(self.peer, self.here, strict=False)]
        return median(ratios) if ratios else 0.0


def run(*, quick: bool) -> bool:
    """Measure both sizes; left out where the connector cannot be had."""
    with tempfile.TemporaryDirectory(prefix="endtoend-") as name:
        folder = Path(name)
        try:
            connector = Connector(folder)
        except SyncError as error:
            return left_out("endtoend", error.message)
        edition = Edition(folder / "home", {})
        try:
            edition.start()
            return _measure(connector, edition, folder, quick=quick)
        finally:
            edition.stop()


def _measure(connector: Connector, edition: Edition, folder: Path, *, quick: bool) -> bool:
    large, rounds = _QUICK if quick else _LARGE, 1 if quick else _ROUNDS
    catalogs = {work: connector.catalog(work.streams) for work in (large, _ONE_ROW)}
    peer = _peer(connector, folder)
    read(edition, _ONE_ROW, catalogs[_ONE_ROW])
    found = []
    for work, catalog in catalogs.items():
        measured = Measured(work, [], [], [])
        for _ in range(rounds):
            measured.alone.append(connector.alone(work, catalog))
            measured.here.append(read(edition, work, catalog))
            measured.peer.extend(peer(work))
        found.append(measured)
    for work, catalog in catalogs.items():
        _publish_processes(edition, work, catalog)
    return _publish(found, connector.size(large, catalogs[large]))


def _peer(connector: Connector, folder: Path) -> Callable[[Work], list[float]]:
    try:
        peer = Peer()
    except Missing as why:
        left_out("endtoend's comparison with PyAirbyte", str(why))
        return lambda _: []
    return lambda work: [peer.read(connector, work, folder)]


def read(
    edition: Edition, work: Work, catalog: Mapping[str, Any], on_verdict: Callable[[], None] = lambda: None
) -> float:
    """Return the seconds from the request to its verdict, as a client sees it that waits for the task.

    The pod goes after its verdict: that is awaited, and not counted.
    """
    query = {"package": PACKAGE, "version": VERSION, "syncId": "endtoend", "taskId": str(uuid4())}
    began = time.perf_counter()
    status, answer = edition.ask("/read", {"config": work.config, "catalog": catalog}, **query)
    assert status == HTTPStatus.OK, answer
    since: dict[str, str] = {}
    while True:
        status, answer = edition.ask(f"/tasks/{query['taskId']}", None, **since)
        assert status == HTTPStatus.OK, answer
        if answer["task"]["state"] in _FINAL:
            break
        since = {"since": answer["revision"], "wait": _WAIT_SECONDS}
    seconds = time.perf_counter() - began
    on_verdict()
    edition.rest()
    stored = sum(stream["stored"] for stream in answer["task"]["streams"].values())
    assert (answer["task"]["state"], stored) == ("SUCCESS", work.rows), answer
    return seconds


def _publish_processes(edition: Edition, work: Work, catalog: Mapping[str, Any]) -> None:
    with Look(edition) as look:
        seconds = read(edition, work, catalog, look.stop)
    rows = [(name, one.begin, one.end, one.cpu_seconds) for name, one in look.by_part().items()]
    rows.append(("all", 0.0, seconds, sum(cpu for *_, cpu in rows)))
    name = f"endtoend-processes-{work.name.replace(' ', '-').replace(',', '')}"
    publish(name, ("process", "begins, s", "ends, s", "CPU s"), rows, [])


def _publish(found: list[Measured], size: int) -> bool:
    rows = [
        (one.work.name, median(one.alone), median(one.here), median(one.peer or [0.0]), one.of_connector,
         one.over_connector, one.of_peer)
        for one in found
    ]  # fmt: skip
    large, one_row = found
    goals = [
        Goal("endtoend-of-connector", large.of_connector, _OF_CONNECTOR, at_most=True),
        Goal("endtoend-over-connector-one-row-seconds", one_row.over_connector, _OVER_CONNECTOR_SECONDS, at_most=True),
    ]
    if large.peer:
        goals.append(Goal("endtoend-times-pyairbyte", large.of_peer, _TIMES_PEER))
    columns = (
        f"work ({size / 1e6:,.0f} MB)", "connector alone s", "here s", "PyAirbyte s", "of connector", "over it s",
        "times PyAirbyte",
    )  # fmt: skip
    return publish("endtoend", columns, rows, goals, bars="here s")
