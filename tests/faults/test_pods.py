"""Containers that are killed in the middle of a read, the way to Bulker that breaks, a disk that is full."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.errors import ClusterUnavailable
from embedded.pods.launch import MARKER
from tests.support import local_pods as small
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, read_task
from tests.support.proxy import proxy
from tests.support.sidecar_process import catalog
from tests.support.warehouse import TOKEN, running_warehouse

# Prints rows for ever, far more than a pipe holds.
FLOOD = """
while True: out(type="RECORD", record={"stream": "plants", "data": {"id": 1, "name": "x" * 1000}, "emitted_at": 1})
"""
# Two thousand rows with a state after every hundred; a later run goes on from its state.
ROWS = """
saved = json.load(open(dict(zip(sys.argv[2::2], sys.argv[3::2]))["--state"]))
start = saved[0]["stream"]["stream_state"]["n"] if saved else 0
stream = {"name": "plants"}
for n in range(start, 2000):
    out(type="RECORD", record={"stream": "plants", "data": {"id": n, "name": "x" * 100}, "emitted_at": 1})
    if n % 100 == 99: out(type="STATE", state={"type": "STREAM", "stream": {"stream_descriptor": stream, "stream_state": {"n": n + 1}}})
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": stream, "status": "COMPLETE"}})
"""


@pytest.fixture
def flooding(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    commands = {PACKAGE: connector(tmp_path, FLOOD)}
    with local_system(tmp_path, database, bulker.url, commands, SYNCCTL_TASK_RETRIES="0") as place:
        yield place


def _process(place: LocalSystem, is_it: Callable[[str], bool]) -> psutil.Process | None:
    """The process of a pod whose command line is like this."""
    [pod] = place.pods.list_pods()
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        try:
            if is_it(words) and process.environ().get(MARKER) == pod.uid:
                return process
        except psutil.Error:
            continue
    return None


def _sidecar(place: LocalSystem) -> psutil.Process | None:
    return _process(place, lambda words: words.endswith("-m sidecar"))


def _source(place: LocalSystem) -> psutil.Process | None:
    return _process(place, lambda words: "connector_" in words and "sh -c" not in words)


@pytest.mark.fault(31, 38)
def test_a_killed_sidecar_breaks_the_source_s_pipe_and_is_no_success(flooding: LocalSystem, bulker: FakeBulker) -> None:
    """The connector, which has more to say than a pipe holds, ends by it; the row names the sidecar; nothing is left."""
    flooding.start(read_task(body={"catalog": catalog("plants")}))
    wait_for(lambda: bulker.requests and bulker.requests[0].lines, 30, "rows on their way")
    sidecar, source = _sidecar(flooding), _source(flooding)
    assert sidecar is not None
    assert source is not None
    os.kill(sidecar.pid, signal.SIGKILL)
    wait_for(lambda: not source.is_running() or source.status() == psutil.STATUS_ZOMBIE, 30, "the source's end")
    task = flooding.finish("task-1")
    assert task["state"] == "FAILED"
    assert "sidecar was killed" in task["reason"]
    assert bulker.committed("plants") == []


@pytest.mark.fault(59)
def test_a_stream_that_breaks_is_sent_again_from_its_state(tmp_path: Path, database: TestDatabase) -> None:
    """The way to the real warehouse is cut in the middle of a request; the next read leaves every row once."""
    body: dict[str, Any] = {"catalog": catalog("plants", incremental=True, keys=[["id"]])}
    with (
        running_warehouse(tmp_path / "w.duckdb") as warehouse,
        proxy(f"http://127.0.0.1:{warehouse.server.port}") as way,
    ):
        seen: list[bytes] = []

        def in_the_middle(data: bytes) -> bool:
            seen.append(data)
            return b'"id": 1050' in data or b'"id":1050' in data

        way.lose_answer_to = in_the_middle
        commands = {PACKAGE: connector(tmp_path, ROWS)}
        with local_system(tmp_path, database, way.url, commands, SYNCCTL_BULKER_AUTH_TOKEN=TOKEN) as place:
            first = place.run(read_task("t1", body=body))
            assert first["state"] in {"FAILED", "PARTIAL"}, seen
            way.lose_answer_to = lambda _: False
            second = place.run(read_task("t2", body=body))
            assert second["state"] == "SUCCESS", second["reason"]
        assert warehouse.sql("SELECT count(*), count(DISTINCT id), max(id) FROM plants") == [(2000, 2000, 1999)]


@pytest.mark.fault(87)
def test_a_full_disk_refuses_a_pod_and_leaves_no_half(tmp_path: Path) -> None:
    """A real small file system, filled: refused with the system's words; with room again the same pod runs."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=1m none {disk} 2>/dev/null"):  # noqa: S605 - a path of ours
        pytest.skip("needs the right to mount a file system")
    try:
        with small.opened(disk) as cluster:
            ballast = disk / "ballast"
            with pytest.raises(OSError, match="No space"):
                _fill(ballast)
            with pytest.raises(ClusterUnavailable, match="No space left on device"):
                cluster.create_pod(small.pod())
            assert list((disk / "state/pods").iterdir()) == []
            ballast.unlink()
            cluster.create_pod(small.pod())
            assert small.ended(cluster)["phase"] == "Succeeded"
    finally:
        os.system(f"umount {disk}")  # noqa: S605 - as above


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as written:
        while True:
            written.write(b"x" * 4096)
