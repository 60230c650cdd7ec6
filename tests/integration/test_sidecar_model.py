"""A model of source, warehouse and states against the real sidecar: whatever fails when, no row is lost unsaid.

Hypothesis draws streams, how they interleave, where states stand and of which kind, and what goes wrong: the source,
Bulker, Postgres, the sidecar itself. Two such runs follow each other, each resuming from what the one before has saved (in a real
Postgres), then a healthy one. Bulker is a recording HTTP server.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from common.errors import StoreUnavailable
from common.failures import Failure, FailureKind
from common.protocol.catalogs import decode_catalog
from common.protocol.resume import resume_states
from common.store import Database, states
from embedded.postgres.server import Postgres
from sidecar.report.outbox import Outbox
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import Bulk, FakeBulker, fake_bulker, wait_for
from tests.support.in_process_sidecar import InProcessSidecar, legacy, shared
from tests.support.sidecar_process import record, state, status, trace_error

OLD = -1
"""The id of a row that every table holds from before."""
_LATE_SECONDS = 0.02


class Stream(Struct, frozen=True):
    """A stream of the source: it has the rows 0 to `rows` - 1, in this order."""

    name: str
    rows: int
    incremental: bool
    keyed: bool


class Plan(Struct, frozen=True):
    """One run: what the source does step by step, and what goes wrong.

    steps: (stream, how many rows, whether a state follows, whether time passes); cut: after how many steps the
    source is gone, or (dies) the sidecar; complains: a step with a TRACE ERROR, and whose (none: of all); incomplete:
    the stream that fails, and at which step; early: one that is called complete there, and may go on; bulker: by
    stream, what becomes of its nth request; late: the streams that Bulker stores slowly; away: the steps during which
    Postgres is not there.
    """

    kind: str
    steps: list[tuple[int, int, bool, bool]]
    statuses: bool
    state_first: bool
    send_bytes: int
    commit_bytes: int
    commit_seconds: int
    cut: int | None
    end: dict[str, Any]
    dies: str
    complains: tuple[int, int | None] | None
    incomplete: tuple[int, int] | None
    early: tuple[int, int] | None
    bulker: dict[int, tuple[int, str]]
    late: set[int]
    away: tuple[int, int] | None


class Absent(Database):
    """A Database that can be away."""

    away = False

    def transact(self, work: Any) -> Any:
        if self.away:
            raise StoreUnavailable("Postgres cannot be reached")
        return super().transact(work)


_streams = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.booleans()), min_size=1, max_size=6).map(
    lambda made: [Stream(f"s{n}", rows, incremental, keyed) for n, (rows, incremental, keyed) in enumerate(made)]
)
_faults = st.sampled_from(["early 400", "late 500", "hang-up", "hang-up after all", "fewer"])
_ends = st.sampled_from(
    [
        {"exit_code": 1},
        {"exit_code": None},
        {"exit_code": None, "stopped": True},
        {"exit_code": None, "stalled_seconds": 9.0},
    ]
)
_plan = st.builds(
    Plan,
    kind=st.sampled_from(["STREAM", "GLOBAL", "LEGACY"]),
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.booleans()), max_size=12),
    statuses=st.booleans(),
    state_first=st.booleans(),
    send_bytes=st.sampled_from([1, 30, 1_000_000]),
    commit_bytes=st.sampled_from([1, 30, 1_000_000]),
    commit_seconds=st.sampled_from([0, 1000]),
    cut=st.none() | st.integers(0, 14),
    end=_ends,
    dies=st.sampled_from(["", "", "broken", "killed"]),
    complains=st.none() | st.tuples(st.integers(0, 12), st.none() | st.integers(0, 5)),
    incomplete=st.none() | st.tuples(st.integers(0, 5), st.integers(0, 12)),
    early=st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5)),
    bulker=st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 2), _faults), max_size=2),
    late=st.sets(st.integers(0, 5)),
    away=st.none() | st.tuples(st.integers(0, 12), st.integers(0, 30)),
)  # fmt: skip


class Source:
    """Emits what the plan says, from where the state says. Knows which rows it has emitted."""

    def __init__(self, streams: list[Stream], plan: Plan, given: bytes | None) -> None:
        self.streams, self.plan = streams, plan
        begun = _cursors(json.loads(given or b"{}"))
        self.next = [begun.get(stream.name, 0) if stream.incremental else 0 for stream in streams]
        self.first = list(self.next)
        self.failed: set[int] = set()
        self.early: set[int] = set()
        """What was called complete too early: its table may be replaced by a part of it."""

    def states(self, number: int) -> list[dict[str, Any]]:
        cursors = {stream.name: {"n": at} for stream, at in zip(self.streams, self.next, strict=True)}
        if self.plan.kind == "STREAM":
            return [state(self.streams[number].name, cursors[self.streams[number].name])]
        return [shared({"x": 1}, streams=cursors) if self.plan.kind == "GLOBAL" else legacy(cursors)]

    def step(self, at: int) -> Iterator[dict[str, Any]]:
        """One step; in the end each stream's remaining rows, its state and its status."""
        if self.plan.complains and self.plan.complains[0] == at:
            whose = self.plan.complains[1]
            yield trace_error("it hurts", None if whose is None else self.streams[whose % len(self.streams)].name)
        if self.plan.incomplete and self.plan.incomplete[1] == at and self.plan.statuses:
            number = self.plan.incomplete[0] % len(self.streams)
            self.failed.add(number)
            yield status(self.streams[number].name, "INCOMPLETE")
        if self.plan.early and self.plan.early[1] == at and self.plan.statuses:
            number = self.plan.early[0] % len(self.streams)
            if number not in self.failed:
                self.early.add(number)
                yield from self.rows(number, 2)
                yield status(self.streams[number].name, "COMPLETE")
                yield from self.rows(number, at % 2)
        if at < len(self.plan.steps):
            number, rows, states_too, _ = self.plan.steps[at]
            number %= len(self.streams)
            if number not in self.failed:
                yield from self.rows(number, rows)
                yield from self.states(number) if states_too else []
        elif (number := at - len(self.plan.steps)) < len(self.streams) and number not in self.failed:
            yield from self.rows(number, self.streams[number].rows)
            done = [status(self.streams[number].name, "COMPLETE")] if self.plan.statuses else []
            yield from [*self.states(number), *done] if self.plan.state_first else [*done, *self.states(number)]

    def rows(self, number: int, count: int) -> Iterator[dict[str, Any]]:
        stream = self.streams[number]
        for _ in range(min(count, stream.rows - self.next[number])):
            self.next[number] += 1
            yield record(stream.name, {"id": self.next[number] - 1})


def _cursors(given: Any) -> dict[str, int]:
    """A state as --state gives it, of any kind."""
    if isinstance(given, dict):
        return {name: value["n"] for name, value in given.items()}
    parts = [part for m in given for part in ([m["stream"]] if m["type"] == "STREAM" else m["global"]["stream_states"])]
    return {part["stream_descriptor"]["name"]: part["stream_state"]["n"] for part in parts}


class World:
    """What lasts: the warehouse (by Bulker's requests) and the states in Postgres."""

    def __init__(self, folder: Path, bulker: FakeBulker, db: Absent, streams: list[Stream]) -> None:
        self.folder, self.bulker, self.db, self.streams = folder, bulker, db, streams
        self.sync = uuid4().hex
        self.catalog = {"streams": [_configured(stream) for stream in streams]}
        self.dropped: dict[int, int] = {}
        bulker.requests.clear()

    def table(self, stream: Stream) -> list[int]:
        """The ids that the table holds."""
        ids = [OLD]
        for bulk in self.bulker.committed(stream.name):
            new = [row["id"] for row in self._kept(bulk)]
            ids = new if bulk.mode == "replace_table" else ids + new
            ids = list(dict.fromkeys(ids)) if "pk" in bulk.query else ids
        return ids

    def _kept(self, bulk: Bulk) -> list[Any]:
        return bulk.rows[: len(bulk.lines) - self.dropped.get(id(bulk), 0)]

    def run(self, plan: Plan) -> None:
        saved = self.db.transact(lambda db: states.load(db, self.sync))
        given = resume_states(decode_catalog(json.dumps(self.catalog).encode()), saved)
        source = Source(self.streams, plan, given)
        before = {stream.name: self.table(stream) for stream in self.streams}
        seen = len(self.bulker.requests)
        self.bulker.on_line, self.bulker.answer = self._faults(plan, seen)
        self.outbox = Outbox(self.db)
        self.source = source
        reading = InProcessSidecar(
            self.folder, self.bulker.url, self.catalog, state=json.loads(given or b"{}"), save=self._save,
            commit_bytes=plan.commit_bytes, commit_seconds=plan.commit_seconds,
        )  # fmt: skip
        for writer in reading.read._streams.known:
            writer._send_bytes = plan.send_bytes
        last = len(plan.steps) + len(self.streams)
        whole = plan.cut is None or plan.cut >= last
        for at in range(last if whole else plan.cut or 0):
            self.db.away = plan.away is not None and plan.away[0] <= at <= plan.away[1]
            reading.feed(*source.step(at))
            if at < len(plan.steps) and plan.steps[at][3]:
                self._let_time_pass(reading)
        if plan.dies == "killed":
            self._kill(reading)
        elif plan.dies:
            outcome = reading.read.break_off(Failure(FailureKind.SIDECAR_FAILED, "a fault of ours"))
            reading.streams = outcome.streams or {}
        else:
            end = {"exit_code": 0} if whole else plan.end
            outcome = reading.end(**end, insist=lambda: self.outbox.finish(self.db))
        self.db.away = False
        # Bulker stores what had ended, also where nobody waits for its answer any more.
        opened = sum(writer.requests for writer in reading.read._streams.known)
        wait_for(
            lambda: [one.over for one in self.bulker.requests[seen:]] == [True] * opened, what="the requests' ends"
        )
        if plan.dies != "killed":
            self._check(reading, source, before, str(outcome.state), seen)

    def _kill(self, reading: InProcessSidecar) -> None:
        """Connections break, without a last word; what waits for Postgres is lost."""
        for writer in reading.read._streams.known:
            if writer._request is not None:
                writer._request._upload.close()

    def _let_time_pass(self, reading: InProcessSidecar) -> None:
        """Far enough for Bulker's limit."""
        for writer in reading.read._streams.known:
            if writer._request is not None:
                writer._request.opened_at -= 100_000
        reading.read._checkpoints._tick_at = 0
        reading.read.tick()

    def _save(self, key: str, value: bytes, refused: Any) -> None:
        """The first invariant, at the moment of saving: no state is ahead of its rows."""
        told = json.loads(value)
        cursors = {key: told["n"]} if self.source.plan.kind == "STREAM" else _cursors(
            [{"type": "GLOBAL", "global": told}] if "stream_states" in told else told
        )  # fmt: skip
        for number, stream in enumerate(self.streams):
            acknowledged = {row["id"] for bulk in self.bulker.committed(stream.name) for row in self._kept(bulk)}
            missing = set(range(self.source.first[number], cursors.get(stream.name, 0))) - acknowledged
            assert not missing, f"the state {told} of {key} was saved without rows {missing} of {stream.name}"
        self.outbox.put(key, lambda db: states.save(db, self.sync, key, value), refused)

    def _faults(self, plan: Plan, seen: int) -> Any:
        def fault(bulk: Bulk) -> str:
            requests = [one for one in self.bulker.requests[seen:] if one.table == bulk.table]
            at, kind = plan.bulker.get(int(bulk.table[1:]), (-1, ""))
            return kind if any(one is bulk and n == at for n, one in enumerate(requests)) else ""

        def on_line(bulk: Bulk) -> Any:
            if fault(bulk) == "hang-up":
                raise ConnectionError
            return (400, {"error": "stream consume error: no"}) if fault(bulk) == "early 400" else None

        def answer(bulk: Bulk) -> Any:
            kind = fault(bulk)
            if int(bulk.table[1:]) in plan.late:
                time.sleep(_LATE_SECONDS)
            if kind == "hang-up after all":
                raise ConnectionError
            if kind == "fewer":
                self.dropped[id(bulk)] = 1
                counts = {"processedRows": len(bulk.lines), "successfulRows": len(bulk.lines) - 1}
                return 200, {"message": "ok", "state": counts}
            return (500, {"error": "stream complete error: no"}) if kind == "late 500" else None

        return on_line, answer

    def _check(
        self, reading: InProcessSidecar, source: Source, before: dict[str, list[int]], task: str, seen: int
    ) -> None:
        for number, stream in enumerate(self.streams):
            told, now, early = reading.streams[stream.name], self.table(stream), source.early
            bulks = [bulk for bulk in self.bulker.requests[seen:] if bulk.table == stream.name and bulk.complete]
            stored = sum(len(bulk.lines) - self.dropped.get(id(bulk), 0) for bulk in bulks)
            emitted = range(source.first[number], source.next[number])
            assert (told["emitted"], told["stored"]) == (len(emitted), stored)
            if told["emitted"] != told["stored"] or told["refused"]:
                assert told["status"] != "SUCCESS"
            if told["emitted"] != told["stored"]:
                assert f"({told['emitted']} emitted, {told['stored']} stored)" in told["error"]
            if told["status"] == "SUCCESS":
                assert set(emitted) <= set(now)
                # What spoils the task alone stands beside every stream, where nothing else does.
                assert told["error"] == "" or task != "SUCCESS"
            else:
                assert task != "SUCCESS"
                assert told["error"]
            replaced = any(bulk.mode == "replace_table" for bulk in bulks)
            if replaced and told["emitted"] != told["stored"] + told["refused"]:
                assert "old rows are replaced" in told["error"]
            if told["status"] != "SUCCESS" and replaced and not set(before[stream.name]) <= set(now):
                # The third invariant: where a failure leaves less than there was, the row says so.
                assert "old rows are replaced" in told["error"] or told["emitted"] == stream.rows or number in early
            if not bulks:
                assert now == before[stream.name]
            assert all(bulk.lines for bulk in bulks)
            if not stream.incremental:
                assert [bulk.mode for bulk in bulks] == [
                    *["replace_table"][: len(bulks)],
                    *["batch"] * (len(bulks) - 1),
                ]


def _configured(stream: Stream) -> dict[str, Any]:
    described: dict[str, Any] = {"name": stream.name, "json_schema": {}}
    described |= {"source_defined_primary_key": [["id"]]} if stream.keyed else {}
    return {"stream": described, "sync_mode": "incremental" if stream.incremental else "full_refresh"}


HEALTHY = Plan(
    kind="STREAM", steps=[], statuses=True, state_first=True, send_bytes=1_000_000, commit_bytes=1_000_000, cut=None,
    commit_seconds=1000, end={}, dies="", complains=None, incomplete=None, early=None, bulker={}, late=set(), away=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def bulker() -> Iterator[FakeBulker]:
    with fake_bulker() as running:
        yield running


@pytest.fixture(scope="module")
def away(postgres: Postgres) -> Iterator[Absent]:
    made = TestDatabase.clone(postgres.url)
    db = Absent(made.url)
    yield db
    db.close()
    made.drop()


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(_streams, _plan, _plan)
@pytest.mark.fault(47)
def test_whatever_fails_no_row_is_lost_unsaid(
    tmp_path: Path, bulker: FakeBulker, away: Absent, streams: list[Stream], first: Plan, second: Plan
) -> None:
    """At least once without a key, once with one; no state ahead of its rows; every difference has both its numbers."""
    system = World(tmp_path, bulker, away, streams)
    system.run(first)
    system.run(second)
    system.run(HEALTHY)
    for stream in streams:
        held = system.table(stream)
        assert set(range(stream.rows)) <= set(held)
        assert set(held) <= {OLD, *range(stream.rows)}
        if stream.keyed:
            assert max(Counter(held).values(), default=1) == 1
        if not stream.incremental and stream.rows:
            assert held == list(range(stream.rows))


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(_streams, _plan)
def test_a_run_in_which_nothing_fails_delivers_each_row_once(
    tmp_path: Path, bulker: FakeBulker, away: Absent, streams: list[Stream], plan: Plan
) -> None:
    """Whatever the interleaving, the states and the rotations: every row once, SUCCESS, and the next run adds none."""
    import msgspec

    plan = msgspec.structs.replace(
        plan, cut=None, dies="", complains=None, incomplete=None, early=None, bulker={}, away=None
    )
    system = World(tmp_path, bulker, away, streams)
    system.run(plan)
    held = [system.table(stream) for stream in streams]
    assert held == [list(range(stream.rows)) or [OLD] for stream in streams]
    system.run(HEALTHY)
    assert [system.table(stream) for stream in streams] == held
