"""States that are larger than a task can be given: refused where they are saved, and never loaded to find that out."""

import base64
import json
import random
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from common.errors import Refused
from common.protocol import sizes
from common.settings import Settings
from common.store import Database, states
from common.sweep.sweep import sweep
from common.tasks.start import start
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.fake_kubernetes import FakeKubernetes, fake_kubernetes
from tests.support.functions import Answer, Server, peak_kib, running
from tests.support.local_system import PACKAGE, VERSION, read_task
from tests.support.sidecar_process import SYNC, SidecarProcess, catalog, lines, record, state, status

STREAMS = ("plants", "beds", "pots", "trees")
LONG_NUMBERS = b'{"c":[' + b",".join([b"1e131071"] * 2250) + b"]}"
MEMORY_KIB = 128 * 1024
"""More than a function takes for one request, less than states of 25 MB each in Python's hands."""


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    with fake_kubernetes() as running_api:
        yield running_api


@pytest.fixture
def saved(database: TestDatabase) -> Iterator[TestDatabase]:
    """A database whose states are gone before it is searched for secrets as text."""
    yield database
    database.rows("DELETE FROM source_state")


def _noise(size: int, seed: int = 0) -> str:
    """A text that hardly compresses."""
    return base64.b85encode(random.Random(seed).randbytes(size * 4 // 5)).decode()


def _read(server: Server, task: str = "task-1", sync: str = SYNC, **query: str) -> Answer:
    asked = urlencode({"package": PACKAGE, "version": VERSION, "syncId": sync, "taskId": task} | query)
    body = {"config": {}, "catalog": catalog(*STREAMS, incremental=True)}
    return server.ask("POST", f"/read?{asked}", json.dumps(body))


def _save_four(database: TestDatabase, sync: str = SYNC) -> None:
    """Four states of 25 MB, as a sidecar without a bound has saved them."""
    database.rows(
        "INSERT INTO source_state (sync_id, stream, state) SELECT :s, unnest(:k::text[]),"
        " jsonb_build_object('c', repeat('x', 25000000))",
        s=sync, k=list(STREAMS),
    )  # fmt: skip


# --- where they are saved ---------------------------------------------------------------------------------------------


@pytest.mark.fault(284)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_states_that_wait_for_their_rows_fit_the_sidecar(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """No task could be given 480 MB of them: they are refused before they wait, and the rows are stored."""
    names = [f"stream {number}" for number in range(12)]
    sidecar.give(catalog=catalog(*names, incremental=True))
    with sidecar.start() as process:
        sidecar.stderr.open("wb").close()
        with sidecar.stdout.open("wb", buffering=0) as pipe:
            for name in names:
                data = lines([record(name, {"id": 1}), state(name, {"cursor": "x" * 40_000_000})])
                while data:
                    data = data[pipe.write(data) :]
            pipe.write(lines([status(name, "COMPLETE") for name in names]))
            wait_for(lambda: all(bulker.committed(name) for name in names), what="the rows")
            [peak] = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        sidecar.leave(0)
        assert process.wait(60) == 0
    assert int(peak) < 512 * 1024
    assert sidecar.ours["state"] == "PARTIAL"
    assert all("a task can be given 8,388,608" in stream["error"] for stream in sidecar.streams.values())
    assert sidecar.states == {}


def _messages(values: dict[str, Any]) -> list[Any]:
    """For each stream a row, a state, and its end."""
    return [
        message
        for name, value in values.items()
        for message in (record(name, {"id": 1}), state(name, value), status(name, "COMPLETE"))
    ]


@pytest.mark.fault(201)
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"c": "x" * (sizes.STATES_BYTES + 1)}, f"a task can be given {sizes.STATES_BYTES:,}"),
        ({"c": _noise(1_400_000)}, f"does not fit into a task's Secret of {sizes.SECRET_BYTES:,} bytes"),
    ],
    ids=["as it is", "compressed"],
)
def test_a_state_that_cannot_be_handed_back_is_not_saved(
    sidecar: SidecarProcess, bulker: FakeBulker, value: Any, why: str
) -> None:
    """Its stream alone is no success, and says what to do; all rows are stored, and the state before it stays."""
    sidecar.give(catalog=catalog("plants", "beds", incremental=True))
    with Database(sidecar.database.url) as db:
        db.transact(lambda db: states.save(db, SYNC, "plants", b'{"c":"before"}'))
    sidecar.play(_messages({"plants": value, "beds": {"c": 2}}))
    assert sidecar.states == {"plants": {"c": "before"}, "beds": {"c": 2}}
    assert (bulker.rows("plants"), bulker.rows("beds")) == ([{"id": 1}], [{"id": 1}])
    assert sidecar.task["status"] == "PARTIAL"
    assert {name: stream["status"] for name, stream in sidecar.streams.items()} == {
        "plants": "PARTIAL",
        "beds": "SUCCESS",
    }
    error = sidecar.streams["plants"]["error"]
    assert "its state could not be saved, the next run reads from the one before: it has" in error
    assert why in error
    assert "fullSync=true" in error
    assert "plants: its state could not be saved" in sidecar.ours["reason"]


@pytest.mark.fault(201)
@pytest.mark.parametrize("split", [False, True])
def test_the_states_of_a_sync_are_measured_together(
    sidecar: SidecarProcess, saved: TestDatabase, api: FakeKubernetes, split: bool
) -> None:
    """Also those that the task was given. What is saved can be given to the next task, with this one's catalog."""
    values = {name: {"c": _noise(400_000, seed)} for seed, name in enumerate(STREAMS)}
    chosen = catalog(*STREAMS, incremental=True)
    sidecar.give(catalog=chosen)
    if split:
        given = [{"type": "STREAM", **state(name, values[name])["state"]} for name in STREAMS[:2]]
        sidecar.give(state=given)
        with Database(sidecar.database.url) as db:
            for name in STREAMS[:2]:
                db.transact(lambda db, name=name: states.save(db, SYNC, name, json.dumps(values[name]).encode()))  # type: ignore[misc] # the loop's own
        rest = {name: values[name] for name in STREAMS[2:]}
        messages = [status(name, "COMPLETE") for name in STREAMS[:2]] + _messages(rest)
    else:
        messages = _messages(values)
    sidecar.play(messages)
    kept = sidecar.states
    assert 1 < len(kept) < len(STREAMS)
    assert [name for name in STREAMS if sidecar.streams[name]["status"] == "PARTIAL"] == [
        name for name in STREAMS if name not in kept
    ]
    started = start(read_task("task-2", body={"catalog": chosen}), _settings(saved, api))
    assert started.task_id == "task-2"


def test_many_small_states_are_not_taken_for_more_than_they_are(sidecar: SidecarProcess) -> None:
    """Far more than a Secret holds as they are, and little once compressed together; and again a thousand times."""
    names = [f"stream_{number}" for number in range(1500)]
    sidecar.give(catalog=catalog(*names, incremental=True))
    value = {"cursor": "2026-11-24T10:05:00Z", "slices": ["west", "east", "north"] * 40}
    again = [state(names[0], {"cursor": number} | value) for number in range(1000)]
    ends = [status(name, "COMPLETE") for name in names]
    sidecar.play([*(state(name, value) for name in names), *again, *ends])
    assert len(json.dumps(value)) * len(names) > sizes.SECRET_BYTES
    assert sidecar.task["status"] == "SUCCESS"
    assert len(sidecar.states) == len(names)


# --- numbers that jsonb writes out ------------------------------------------------------------------------------------


@pytest.mark.fault(202)
@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (LONG_NUMBERS, True),
        (b'{"c":1E-16383}', True),
        (b'{"c":[' + b",".join([b"9e307"] * 100) + b"]}", True),
        (b'{"c":1E400,"d":1.5e300}', False),
        (b'{"c":"1e131071","d":"0e99\\"1e131071","1e131071":0}', False),
    ],
    ids=["long", "small", "many", "few", "texts"],
)
def test_a_number_is_saved_at_the_length_that_it_has(
    db: Database, saved: TestDatabase, value: bytes, raw: bool
) -> None:
    """Where jsonb would write it out with all its zeros, the state is kept as it came, and comes back so."""
    db.transact(lambda db: states.save(db, SYNC, "plants", value))
    [row] = saved.rows(
        "SELECT (SELECT count(*) FROM source_state) AS plain, (SELECT count(*) FROM syncctl_state) AS raw"
    )
    assert (row["plain"], row["raw"]) == ((0, 1) if raw else (1, 0))
    [(_, back)] = db.transact(lambda db: states.load(db, SYNC))
    assert back == value if raw else len(back) < 8192


@pytest.mark.fault(202)
def test_without_our_tables_a_state_that_would_be_written_out_is_refused(saved: TestDatabase) -> None:
    """Another controller's tables alone: the reason names the numbers, and the state before stays."""
    saved.rows("DROP TABLE syncctl_state")
    with Database(saved.url, make_tables=False) as plain:
        plain.transact(lambda db: states.save(db, SYNC, "plants", b'{"c":1}'))
        with pytest.raises(Refused, match="numbers such as 1e131071"):
            plain.transact(lambda db: states.save(db, SYNC, "plants", LONG_NUMBERS))
    assert saved.rows("SELECT state FROM source_state") == [{"state": {"c": 1}}]


@pytest.mark.fault(202)
def test_a_read_goes_on_from_a_state_with_long_numbers(saved: TestDatabase, api: FakeKubernetes) -> None:
    """From where the sidecar saves it; the function, at its server, takes no more memory than for any other."""
    with Database(saved.url) as db:
        db.transact(lambda db: states.save(db, SYNC, "plants", LONG_NUMBERS))
    with running("read", **environment(saved.url, api)) as server:
        before = _warm(server)
        assert _read(server).status == 200
        assert peak_kib(server) - before < MEMORY_KIB
    [secret] = [data for name, data in api.secret_data.items() if name.endswith("-config")][-1:]
    assert LONG_NUMBERS in base64.b64decode(secret["state"])


# --- where they are loaded --------------------------------------------------------------------------------------------


def _settings(database: TestDatabase, api: FakeKubernetes) -> Settings:
    return Settings.load(environment(database.url, api) | {"SYNCCTL_TASK_RETRY_PAUSE_SECONDS": "0"})


def _warm(server: Server) -> int:
    """The function's memory after a request of another sync."""
    assert _read(server, "warm", "warm").status == 200
    return peak_kib(server)


@pytest.mark.fault(203)
@pytest.mark.parametrize("numbers", [False, True])
def test_states_are_not_loaded_before_their_size_is_known(
    saved: TestDatabase, api: FakeKubernetes, numbers: bool
) -> None:
    """Those of an older sidecar: 413 that says what to do, and the memory of any other request. Then that is done."""
    if numbers:
        saved.rows(
            "INSERT INTO source_state (sync_id, stream, state) VALUES (:s, 'plants', :v::jsonb)",
            s=SYNC, v=LONG_NUMBERS.decode(),
        )  # fmt: skip
    else:
        _save_four(saved)
    with running("read", **environment(saved.url, api)) as server:
        before = _warm(server)
        refused = _read(server)
        assert (refused.status, "fullSync=true" in refused.error, "plants" in refused.error) == (413, True, True)
        assert saved.rows("SELECT FROM syncctl_task WHERE sync_id = :s", s=SYNC) == []
        assert _read(server, fullSync="true").status == 200
        assert peak_kib(server) - before < MEMORY_KIB
    assert saved.rows("SELECT FROM source_state") == []


@pytest.mark.fault(203)
def test_a_state_of_all_streams_that_is_too_large_can_be_left_behind(saved: TestDatabase, api: FakeKubernetes) -> None:
    """Which streams it names is not known without loading it: those of the last read count."""
    sql = (
        "INSERT INTO source_state (sync_id, stream, state)"
        " VALUES (:s, '_GLOBAL_STATE', jsonb_build_object('shared_state', repeat('x', 25000000)))"
    )
    saved.rows(sql, s=SYNC)
    with running("read", **environment(saved.url, api)) as server:
        before = _warm(server)
        assert _read(server).status == 413
        assert (_read(server, fullSync="true").status, len(saved.rows("SELECT FROM source_state"))) == (422, 1)
        saved.rows(
            "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state,"
            " streams) VALUES ('last', 'read', :s, 'p', '1', 'p', 'h', 'SUCCESS', :v::jsonb)",
            s=SYNC, v=json.dumps({name: {} for name in STREAMS}),
        )  # fmt: skip
        assert _read(server, fullSync="true").status == 200
        assert peak_kib(server) - before < MEMORY_KIB
    assert saved.rows("SELECT FROM source_state") == []


@pytest.mark.fault(203)
def test_the_largest_states_that_are_saved_can_be_given_to_many_reads_at_once(
    saved: TestDatabase, api: FakeKubernetes
) -> None:
    """As many as a function takes at once: less memory than the function's limit in knative/functions."""
    value = json.dumps({"c": "x" * (sizes.STATES_BYTES - 1000)}).encode()
    with Database(saved.url) as db:
        for number in range(8):
            db.transact(lambda db, number=number: states.save(db, f"s{number}", "plants", value))  # type: ignore[misc] # the loop's own
    with running("read", **environment(saved.url, api), THREADS="12") as server, ThreadPoolExecutor(8) as pool:
        _warm(server)
        answers = list(pool.map(lambda number: _read(server, f"t{number}", f"s{number}"), range(8)))
        assert [answer.status for answer in answers] == [200] * 8
        assert peak_kib(server) < 384 * 1024


EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory. "}


@pytest.mark.fault(204)
def test_a_sweeper_concludes_a_read_that_cannot_be_given_its_states(saved: TestDatabase, api: FakeKubernetes) -> None:
    """And goes on with the others, in the memory of any other sweep, at its server."""
    settings = _settings(saved, api)
    for task in ("large", "other"):
        start(read_task(task, task, body={"catalog": catalog(*STREAMS, incremental=True)}), settings)
        [row] = saved.rows("SELECT pod_name FROM syncctl_task WHERE task_id = :t", t=task)
        api.pods[row["pod_name"]]["status"] = EVICTED
    sweep(settings)
    _save_four(saved, "large")
    with Database(saved.url) as db:
        db.transact(lambda db: states.save(db, "other", "plants", b'{"c":1}'))
    given = environment(saved.url, api) | {"SYNCCTL_TASK_RETRY_PAUSE_SECONDS": "0", "SYNCCTL_SWEEP_SECONDS": "1"}
    with running("sweeper", **given) as server:
        assert server.ask("GET", "/health").status == 200
        before = peak_kib(server)
        assert server.ask("POST", "/sweeper").status == 200
        assert peak_kib(server) - before < MEMORY_KIB
    rows = saved.rows("SELECT task_id, state, reason, failure, resume_at FROM syncctl_task ORDER BY task_id")
    large, other = rows
    assert (large["state"], large["failure"]["kind"], other["resume_at"]) == ("FAILED", "create_failed", None)
    assert "fullSync=true" in large["reason"]
    assert other["state"] != "FAILED"
    [(_, resumed)] = [(name, data) for name, data in api.secret_data.items() if name.endswith("-resume")]
    assert b'"stream_state":{"c": 1}' in base64.b64decode(resumed["state.json"])


@pytest.mark.parametrize("levels", [1000, 4000])
def test_a_deep_state_is_measured_too(db: Database, saved: TestDatabase, levels: int) -> None:
    """As deep as Postgres itself has stored it for somebody else."""
    value = "[" * levels + "1e3" + "]" * levels
    saved.rows("INSERT INTO source_state (sync_id, stream, state) VALUES (:s, 'plants', :v::jsonb)", s=SYNC, v=value)
    [(_, back)] = db.transact(lambda db: states.load(db, SYNC))
    assert back.count(b"[") == levels
