"""Kill anything, on a real cluster: forty kills, five to a round, while syncs run.

SYNC_KILLS_SEED=n (301 to 308) plays one round again. These need the cluster of plain processes.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.cluster import kube, stack
from tests.cluster.kube import BACKING, CREATOR, FUNCTIONS, TASKS
from tests.cluster.stack import TEST, TEST_VERSION, Stack
from tests.faults.settings import seeds

pytestmark = [pytest.mark.usefixtures("connectors", "own_cluster"), pytest.mark.kills, pytest.mark.timeout(900)]

# A Postgres or a warehouse that ends again within minutes waits longer and longer before the kubelet starts it again.
VICTIMS = {
    "source": 8, "sidecar": 9, "pod": 4, "read": 5, "sweeper": 5, "postgres": 2, "checkpointer": 2, "warehouse": 2, "apiserver": 3,
}  # fmt: skip
FIRST, KILLS = 301, 5
ROWS = 40
SWEEPER = "sweeper-kills"
_QUICK = ("SYNCCTL_TASK_RETRY_PAUSE_SECONDS=0", "SYNCCTL_TASK_RETRIES=10")
_REPEAT = {0, 429, 500, 502, 503, 504}


def _rounds() -> dict[int, list[str]]:
    """The same hand of victims for a seed, whichever others are played."""
    deck = [victim for victim, times in VICTIMS.items() for _ in range(times)]
    random.Random(FIRST).shuffle(deck)
    return {FIRST + at // KILLS: deck[at : at + KILLS] for at in range(0, len(deck), KILLS)}


ROUNDS = _rounds()


@dataclass
class Sync:
    """One sync with the read that is to be killed; `doomed` once something was that a read cannot survive."""

    query: dict[str, str] = field(default_factory=lambda: {
        "package": TEST, "version": TEST_VERSION, "tableNamePrefix": f"kill_{uuid4().hex[:8]}_", **stack.ids(),
    })  # fmt: skip
    doomed: bool = False

    @property
    def task(self) -> str:
        return self.query["taskId"]


def _catalog() -> dict[str, Any]:
    [plants] = stack.catalog("plants")["streams"]
    keyed = plants["stream"] | {"source_defined_primary_key": [["id"]]}
    return {
        "streams": [plants | {"stream": keyed, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}]
    }


class Round:
    """The syncs of a round, and ways to kill what they need."""

    def __init__(self, deployed: Stack, chance: random.Random) -> None:
        self._deployed, self._chance = deployed, chance
        self.syncs: list[Sync] = []

    def ask(self, query: dict[str, str]) -> tuple[int, Any]:
        """POST /read; (0, None) where nobody answers to the end."""
        config = {"do": "rows", "count": ROWS, "every": 5, "pause": 0.6}
        with contextlib.suppress(httpx.HTTPError):
            answer = self._deployed.call("read", "POST", {"config": config, "catalog": _catalog()}, **query)
            return answer.status_code, answer.text
        return 0, None

    def answered(self, query: dict[str, str]) -> tuple[int, Any]:
        """The same, until the answer says no more that it is to be repeated."""

        def ask() -> tuple[int, Any] | None:
            answer = self.ask(query)
            return answer if answer[0] not in _REPEAT else None

        return kube.wait_for("an answer of read", ask, 120, 1)

    def begin(self) -> Sync:
        sync = Sync()
        status, text = self.answered(sync.query)
        assert status == 200, text
        self.syncs.append(sync)
        return sync

    def running(self) -> list[Sync]:
        """Those whose read is not over; all of them while Postgres is away."""
        tasks = ", ".join(f"'{sync.task}'" for sync in self.syncs)
        query = f"SELECT task_id FROM newjitsu.source_task WHERE status <> 'RUNNING' AND task_id IN ({tasks})"
        over: set[str] = set()
        with contextlib.suppress(kube.CommandFailed, ValueError):
            over = {row["task_id"] for row in self._deployed.rows(query)}
        return [sync for sync in self.syncs if sync.task not in over]

    def sweep(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            self._deployed.call(SWEEPER, "POST")

    def kill(self, victim: str) -> None:
        """One of them, at some moment."""
        if victim in {"source", "sidecar", "pod"}:
            self._kill_in_pod(victim)
        elif victim in {"read", "sweeper"}:
            self._kill_function(victim)
        elif victim == "apiserver":
            kube.tool("kill", "kube-apiserver")
            time.sleep(self._chance.uniform(0, 3))
            kube.tool("start", "kube-apiserver")
        elif victim == "checkpointer":
            # One of its processes is enough: Postgres drops all connections, and recovers.
            kill = "kill -KILL $(grep -lsz '^postgres: checkpointer' /proc/[0-9]*/cmdline | cut -d/ -f3)"
            kube.kubectl("exec", "-n", BACKING, "deploy/postgres", "--", "sh", "-c", kill)
        else:
            [pod] = [pod for pod in kube.items("pod", BACKING, f"app={victim}") if _runs(pod)]
            _sigkill(kube.first_process(pod, victim))

    def _kill_in_pod(self, victim: str) -> None:
        sync, pod = self._running()
        time.sleep(self._chance.uniform(0, 3))
        name = pod["metadata"]["name"]
        if victim == "pod":
            sync.doomed = True
            kube.kubectl("delete", "pod", name, "-n", TASKS, "--grace-period=0", "--force", "--ignore-not-found")
            return
        sync.doomed |= victim == "source"
        with contextlib.suppress(AssertionError):  # it has just ended
            _sigkill(kube.first_process(pod, victim))

    def _kill_function(self, victim: str) -> None:
        """While it works."""
        sync = Sync()
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(self.ask, sync.query) if victim == "read" else pool.submit(self.sweep)
            time.sleep(self._chance.uniform(0, 0.5))
            names = {"read"} if victim == "read" else {"sweeper", SWEEPER}
            selector = f"serving.knative.dev/service in ({','.join(sorted(names))})"
            kube.kubectl("delete", "pod", "-n", FUNCTIONS, "-l", selector, "--grace-period=0", "--force")
            work.result()
        if victim == "read":
            status, text = self.answered(sync.query)
            assert status == 200, text
            self.syncs.append(sync)

    def _running(self) -> tuple[Sync, dict[str, Any]]:
        """A sync whose pod runs; there may be none any more, and then another one is begun."""

        def look() -> tuple[Sync, dict[str, Any]] | None:
            self.sweep()
            active = self.running() or [self.begin()]
            self._chance.shuffle(active)
            pods = _pods()
            return next(((sync, pod) for sync in active for pod in pods if _is_of(pod, sync) and _runs(pod)), None)

        return kube.wait_for("a pod of ours runs", look, 120, 0.5)


def _pods() -> list[dict[str, Any]]:
    return kube.items("pod", TASKS, CREATOR)


def _is_of(pod: dict[str, Any], sync: Sync) -> bool:
    return bool(pod["metadata"]["annotations"].get("TaskID") == sync.task)


def _runs(pod: dict[str, Any]) -> bool:
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def _sigkill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def quick_sweeper(deployed: Stack) -> Iterator[None]:
    """Attempts follow each other at once, and beside the deployed sweeper there is one that this test may call."""
    with stack.sweeper_with(*_QUICK), stack.variant("sweeper", SWEEPER, SYNCCTL_SWEEP_SECONDS="0"):
        yield


@pytest.mark.parametrize("seed", seeds(range(FIRST, FIRST + len(ROUNDS))))
@pytest.mark.fault(5, 18, 19, 27, 31, 48, 59)
def test_whatever_is_killed_nothing_is_lost_or_left(deployed: Stack, quick_sweeper: None, seed: int):
    """Final rows, nothing left, no state ahead of its rows, repetitions that are safe, and then every row once."""
    try:
        _play(deployed, seed)
    except BaseException as error:
        again = f"SYNC_KILLS_SEED={seed} make test-cluster, or pytest tests/cluster/test_kills.py"
        error.add_note(f"{seed} ({', '.join(ROUNDS[seed])}): {again}")
        raise


def _play(deployed: Stack, seed: int) -> None:
    chance = random.Random(seed)
    game = Round(deployed, chance)
    for _ in range(2):
        game.begin()
    for victim in ROUNDS[seed]:
        game.kill(victim)
        time.sleep(chance.uniform(0, 1.5))
    for sync in list(game.syncs):
        assert game.answered(sync.query)[0] in {200, 409}
    _until(game, lambda: not game.running(), "all reads are over")
    _until(game, lambda: not _left(), "no pod and no Secret is left")
    following = [sync for sync in game.syncs if _check(deployed, game, sync) != "SUCCESS"]
    for sync in following:
        sync.query = sync.query | {"taskId": str(uuid4())}
        assert game.answered(sync.query)[0] == 200
    _until(game, lambda: not game.running(), "the following reads are over")
    _until(game, lambda: not _left(), "no pod and no Secret is left")
    for sync in game.syncs:
        row = deployed.task(sync.task)
        assert row["status"] == "SUCCESS", row
        assert _stored(deployed, sync) == _state(deployed, sync) == ROWS


def _check(deployed: Stack, game: Round, sync: Sync) -> str:
    """What a read that is over has left; its status."""
    row = deployed.task(sync.task)
    status = str(row["status"])
    assert status == "SUCCESS" or (sync.doomed and row["description"]), row
    assert _state(deployed, sync) <= _stored(deployed, sync)
    assert game.answered(sync.query)[0] in {200, 409}
    assert not [pod for pod in _pods() if _is_of(pod, sync)]
    assert deployed.task(sync.task) == row
    return status


def _until(game: Round, over: Callable[[], bool], what: str) -> None:
    def look() -> bool:
        game.sweep()
        return over()

    kube.wait_for(what, look, 180, 1)


def _left() -> list[str]:
    return [found["metadata"]["name"] for kind in ("pod", "secret") for found in kube.items(kind, TASKS, CREATOR)]


def _stored(deployed: Stack, sync: Sync) -> int:
    return deployed.tables().get(f"{sync.query['tableNamePrefix']}plants", 0)


def _state(deployed: Stack, sync: Sync) -> int:
    """How far the saved state goes."""
    query = f"SELECT state FROM newjitsu.source_state WHERE sync_id = '{sync.query['syncId']}'"
    return sum(row["state"]["id"] for row in deployed.rows(query))
