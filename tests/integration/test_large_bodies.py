"""The largest bodies, of the shapes that take the most memory or time, and the largest answers, of functions-framework."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.protocol import sizes
from common.protocol.commands import Command
from common.store import Database, Outcome, Task, TaskState, outcomes, task_log, tasks
from common.store.task_log import LogLines
from tests.support.databases import TestDatabase
from tests.support.functions import ROOT, Server, running

_BYTES = 4 * 1024 * 1024
_NOWHERE = "postgresql://app:app@127.0.0.1:1/app?sslmode=disable"
_TARGETS = {"read": "/read?syncId=s&taskId=t", "check": "/check?storageKey=k", "discover": "/discover?storageKey=k"}
_SHAPES = {"numbers": "1e308", "arrays": "[]", "objects": '{"":1}', "strings": '"ab"'}


def _body(shape: str) -> bytes:
    start, end = '{"config":{"a":[', ']},"catalog":{"streams":[]}}'
    count = (_BYTES - len(start) - len(end)) // (len(shape) + 1)
    return (start + ",".join([shape] * count) + end).encode()


def _limits(name: str) -> tuple[int, str, int]:
    """The concurrency, the threads and the memory limit, in MiB, that a function is deployed with."""
    spec = yaml.safe_load((ROOT / f"knative/functions/{name}.yaml").read_text())["spec"]["template"]["spec"]
    [container] = spec["containers"]
    threads = {variable["name"]: variable.get("value") for variable in container["env"]}["THREADS"]
    return spec["containerConcurrency"], threads, int(container["resources"]["limits"]["memory"].removesuffix("Mi"))


def _peak(server: Server) -> int:
    """The largest resident memory of the worker, in MiB."""
    [worker] = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())[0]) // 1024


@pytest.mark.fault(224)
@pytest.mark.parametrize("shape", _SHAPES.values(), ids=_SHAPES)
def test_as_many_large_bodies_as_come_at_once_fit_the_pod(shape: str) -> None:
    """All of them are looked at to their end, and the function's memory stays below its limit."""
    name = "check" if shape != "1e308" else "read"
    concurrency, threads, limit = _limits(name)
    body = _body(shape) if name == "read" else _body(shape).replace(b',"catalog":{"streams":[]}', b"")
    target = f"{_TARGETS[name]}&package=airbyte/source-faker&version=1"
    with running(name, THREADS=threads, SYNCCTL_DATABASE_URL=_NOWHERE) as server:
        with ThreadPoolExecutor(concurrency) as pool:
            answers = list(pool.map(lambda _: server.ask("POST", target, body), range(concurrency)))
            assert server.ask("GET", "/health").status == 200
        # 503: it got past every check, and there is no Postgres.
        assert {answer.status for answer in answers} == {503}
        assert _peak(server) < limit


@pytest.mark.fault(283)
def test_as_many_large_answers_as_are_asked_for_at_once_fit_the_pod(database: TestDatabase) -> None:
    """The largest result that a sidecar keeps, with a page of its log."""
    concurrency, threads, limit = _limits("tasks")
    task = Task(command=Command.DISCOVER, task_id="t", package="p", version="1", storage_key="k", started_at=1)
    catalog = b'{"streams":[{"name":"' + b"x" * (sizes.RESULT_BYTES - 25) + b'"}]}'
    log = LogLines("p", datetime.now(UTC), "INFO", "\x7f".join(["x" * 31_000] * 200))
    with Database(database.url) as db:
        db.transact(lambda db: tasks.begin(db, task, pod_name="pod", request_hash="h"))
        db.transact(lambda db: outcomes.publish(db, task, Outcome(TaskState.SUCCESS, result=catalog)))
        document = task_log.document([log], task_log.first_id())
        db.transact(lambda db: task_log.add(db, task, document))
    with running("tasks", THREADS=threads, SYNCCTL_DATABASE_URL=database.url) as server:
        with ThreadPoolExecutor(concurrency) as pool:
            answers = list(pool.map(lambda _: server.ask("GET", "/tasks/t?logs=1000"), range(concurrency)))
        assert {answer.status for answer in answers} == {200}
        assert _peak(server) < limit


def test_every_function_with_a_body_has_the_memory_for_it() -> None:
    """The three are deployed alike."""
    assert len({_limits(name) for name in _TARGETS}) == 1
