"""Starts hundreds of reads at once through one instance of the function, as its image runs it, before a real API server
and a real Postgres; some are sent twice. Then looks what is there: every task once, with its pod and its Secret.

Function, API server, etcd, Postgres and client share this machine's cores, as they would not in a cluster.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import psutil
from msgspec import Struct

from bench.api_server import ApiServer, api_server
from bench.results import Goal, left_out, publish
from bench.statements import Statements, counting
from common.store import Database
from tools import burst
from tools.cluster import control_plane
from tools.functions import Server, running

_TOKEN = "bench-token"  # noqa: S105 - of a function that ends with this program
_DATA_PLANE = "bench"
_REPEATED = 10
_P99_SECONDS = 30.0
_BODY = json.dumps({"config": {"api_key": "k"}, "catalog": {"streams": []}}).encode()


class Taken(Struct, frozen=True):
    """A number of starts, and what the servers saw of them."""

    name: str
    starts: int
    seconds: float
    p50: float
    p90: float
    p99: float
    worst: float
    statements: float
    requests: float
    memory_mb: float


def run(*, quick: bool) -> bool:
    """One after another first: what a start costs; then all at once."""
    if lacks := control_plane.missing():
        return left_out("starts", lacks)
    single, many = (10, 50) if quick else (30, 500)
    with api_server() as api, counting() as postgres:
        settings: dict[str, Any] = api.settings | {
            "SYNCCTL_DATABASE_URL": postgres.url,
            "THREADS": "8",
            "SYNCCTL_DATA_PLANE": _DATA_PLANE,
        }
        with running("read", token=_TOKEN, **settings) as server:
            burst.send(server.port, [_request("warm")])
            alone = _measure(server, api, postgres, [[f"single-{number}"] for number in range(single)])
            repeated = [f"burst-{number}" for number in range(_REPEATED)]
            ids = [f"burst-{number}" for number in range(many - _REPEATED)] + repeated
            at_once = _measure(server, api, postgres, [ids])
        wanted = {"warm", *(f"single-{number}" for number in range(single)), *ids}
        lost, doubled = _look(api, postgres, wanted)
    return _publish(alone, at_once, lost, doubled)


def _request(task: str) -> bytes:
    query = {"package": "airbyte/source-faker", "version": "7.2.1", "syncId": f"sync-{task}", "taskId": task}
    return burst.request(f"/read?{urlencode(query)}", _BODY, _TOKEN)


def _measure(server: Server, api: ApiServer, postgres: Statements, rounds: list[list[str]]) -> Taken:
    """Rounds one after another; the requests of a round all at once."""
    seen = api.seen()
    postgres.count()
    answers = [answer for ids in rounds for answer in burst.send(server.port, [_request(task) for task in ids])]
    ids = [task for some in rounds for task in some]
    told = {(task, answer.body.get("startedAt")) for task, answer in zip(ids, answers, strict=True)}
    assert [answer for answer in answers if answer.status != 200] == []
    assert len(told) == len(set(ids)), "a repeated request was answered otherwise than the first time"
    requests = (api.seen() - seen).total()
    times = sorted(answer.seconds for answer in answers)
    return Taken(
        f"{len(ids)} starts, {max(map(len, rounds))} at once",
        starts=len(ids),
        seconds=sum(times) if len(rounds) > 1 else times[-1],
        p50=_percentile(times, 0.5),
        p90=_percentile(times, 0.9),
        p99=_percentile(times, 0.99),
        worst=times[-1],
        statements=postgres.count() / len(ids),
        requests=requests / len(ids),
        memory_mb=_memory(server),
    )


def _percentile(times: Sequence[float], share: float) -> float:
    return times[math.ceil(len(times) * share) - 1]


def _memory(server: Server) -> float:
    """Of gunicorn's worker."""
    workers = psutil.Process(server.process.pid).children()
    return max(worker.memory_info().rss for worker in workers) / 1e6


def _look(api: ApiServer, postgres: Statements, wanted: set[str]) -> tuple[int, int]:
    """How many tasks lack a row, a pod or a Secret, and how many have more than one."""
    with Database(postgres.url) as db:
        rows = db.transact(lambda db: db.run("active_pods", data_plane=_DATA_PLANE))
    pods = Counter(pod["metadata"]["annotations"]["TaskID"] for pod in api.there("pods"))
    secrets = {secret["metadata"]["ownerReferences"][0]["name"] for secret in api.there("secrets")}
    names = {row["pod_name"] for row in rows}
    lost = len(wanted - pods.keys()) + len(names - secrets) + max(len(wanted) - len(names), 0)
    return lost, sum(count - 1 for count in pods.values()) + len(rows) - len(names) + max(len(names) - len(wanted), 0)


def _publish(alone: Taken, at_once: Taken, lost: int, doubled: int) -> bool:
    columns = ("starts", "number", "s", "p50 s", "p90 s", "p99 s", "worst s", "statements each", "requests each", "MB")
    goals = [
        Goal("starts-lost", lost, 0, at_most=True),
        Goal("starts-doubled", doubled, 0, at_most=True),
        Goal("starts-p99-seconds", at_once.p99, _P99_SECONDS, at_most=True),
    ]
    rows: list[tuple[Any, ...]] = [
        tuple(getattr(one, field) for field in Taken.__struct_fields__) for one in (alone, at_once)
    ]
    return publish("starts", columns, rows, goals, bars="p99 s")
