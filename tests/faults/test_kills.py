"""Kill anything: reads of the one-machine edition during which processes are killed at random moments.

The processes, Postgres, the warehouse and the pods are real. SYNC_KILLS_SEED=n replays one seed alone.
"""

import contextlib
import gc
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from embedded.postgres.server import Postgres
from tests.faults.settings import seeds
from tests.support.chaos.system import FULL, KEYED, KEYLESS, ROWS, STREAMS, KillableSystem, sigkill
from tests.support.chaos.systems import EditionSystem, WarehouseSystem
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for

pytestmark = [
    pytest.mark.kills,
    pytest.mark.timeout(300),
]

# The edition is gateway, functions, sweeper, warehouse and the owner of the pods at once; `step` kills it at something
# that it says to Postgres, `machine` with all that runs in its pods, `any` whatever process of a pod there is.
VICTIMS = {
    "sidecar": 35,
    "source": 20,
    "runner": 25,
    "supervisor": 5,
    "any": 20,
    "edition": 20,
    "step": 25,
    "machine": 10,
    "postgres": 20,
}
EDITION = frozenset({"edition", "step", "machine"})
WHOLE = EDITION | {"sidecar", "runner", "postgres", "warehouse"}
"""After these the read goes on by itself, and ends with every row."""


@dataclass(frozen=True)
class Plan:
    """What a seed stands for: who is killed, once or twice, and when."""

    seed: int
    chance: random.Random = field(repr=False)
    victim: str
    twice: bool
    kind: str
    saved: int
    """How many rows the saved states cover before anything is killed."""

    def __str__(self) -> str:
        return f"{self.seed}-{self.victim}"

    @property
    def sync(self) -> str:
        return f"k{self.seed}"

    @property
    def task(self) -> str:
        return f"k{self.seed}-first"


def plan(seed: int, victim: str = "") -> Plan:
    chance = random.Random(seed)
    [drawn] = chance.choices(list(VICTIMS), list(VICTIMS.values()))
    victim = victim or drawn
    twice = chance.random() < 0.25
    kind = chance.choice(["STREAM", "STREAM", "GLOBAL"])
    saved = ROWS * chance.choice([0, 0, 0, 1, 2, 3])
    return Plan(seed, chance, victim, twice, kind, 0 if victim == "step" else saved)


PLANS = [plan(seed) for seed in seeds(range(1, 181))]
OF_WAREHOUSE = [plan(seed, "warehouse") for seed in seeds(range(181, 206))]


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[TestDatabase]:
    made = TestDatabase.clone(postgres.url)
    yield made
    made.drop()
    gc.collect()  # here, where what it finds is expected


@pytest.fixture(scope="module")
def edition(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, database: TestDatabase
) -> Iterator[KillableSystem]:
    """For many kills: what one leaves behind, the next one would trip over."""
    with contextlib.closing(EditionSystem(tmp_path_factory.mktemp("edition"), postgres, database)) as made:
        yield made


@pytest.fixture(scope="module")
def apart(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, database: TestDatabase
) -> Iterator[KillableSystem]:
    with contextlib.closing(WarehouseSystem(tmp_path_factory.mktemp("apart"), postgres, database)) as made:
        yield made


@pytest.mark.fault(31, 48, 83, 84, 85, 86)
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_whatever_is_killed_nothing_is_lost_or_left(edition: EditionSystem, plan: Plan) -> None:
    """A final row, nothing left, no state ahead of its rows, a repetition that is safe, and then every row once."""
    with _replayed_by(plan):
        _check(edition, plan)


@pytest.mark.fault(59)
@pytest.mark.parametrize("plan", OF_WAREHOUSE, ids=str)
def test_when_the_warehouse_is_killed_nothing_is_lost_or_left(apart: WarehouseSystem, plan: Plan) -> None:
    """The same, where Bulker's part dies alone and comes back."""
    with _replayed_by(plan):
        _check(apart, plan)


@contextlib.contextmanager
def _replayed_by(plan: Plan) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"{plan}: SYNC_KILLS_SEED={plan.seed} .venv/bin/python -m pytest {os.path.relpath(__file__)}")
        raise


def _check(world: KillableSystem, plan: Plan) -> None:
    caller = threading.Thread(target=world.read, args=(plan.sync, plan.task, plan.kind))
    _kill_all(world, plan, caller)
    before = world.row(plan.task)
    status, answer = world.answered(plan.sync, plan.task, plan.kind)
    if status == 200:
        assert before is None or answer["startedAt"] == before["at"]
    else:
        assert "could not be started before" in answer["error"]
    row = world.finish(plan.task)
    assert row["state"] == "SUCCESS" or row["reason"]
    # Before its Secret was there, it had not been accepted: a repetition may be too late.
    assert row["state"] == "SUCCESS" or plan.victim not in WHOLE or status == 409, row
    assert row["attempt"] <= 2 + plan.twice, row
    [told] = world.database.rows("SELECT status FROM source_task WHERE task_id = :t", t=plan.task)
    assert told["status"] == row["state"]
    reached = world.states(plan.sync)
    _covered(world, plan, reached)
    assert world.answered(plan.sync, plan.task, plan.kind)[0] in {200, 409}
    assert (world.row(plan.task), world.left()) == (row, []), "the repetition of a read that is over changes nothing"
    if row["state"] == "SUCCESS":
        _whole(world, plan)
    following = f"{plan.task}-again"
    assert world.answered(plan.sync, following, plan.kind)[0] == 200
    again = world.finish(following)
    assert (again["state"], again["attempt"]) == ("SUCCESS", 1), again
    _whole(world, plan)


def _kill_all(world: KillableSystem, plan: Plan, caller: threading.Thread) -> None:
    if isinstance(world, EditionSystem) and plan.victim == "step":
        world.kill_at(plan.chance.randrange(1, 60))
    caller.start()
    for _ in range(1 if plan.victim in EDITION else 1 + plan.twice):
        if plan.saved:
            wait_for(lambda: world.reached(plan.sync) >= plan.saved or world.is_over(plan.task), 60, pause=0.05)
        _kill(world, plan)
    caller.join()


def _kill(world: KillableSystem, plan: Plan) -> None:
    """Waits until the victim is there, and a while longer; there may be none any more then."""
    seconds = plan.chance.uniform(0, 0.3 if plan.saved else 0.9)
    if plan.victim == "postgres":
        time.sleep(seconds)
        world.kill_postgres()
    elif isinstance(world, EditionSystem) and plan.victim in EDITION:
        if plan.victim != "step":
            time.sleep(seconds)
            world.kill(with_pods=plan.victim == "machine")
        # The second time while it comes up.
        world.restart(plan.chance.uniform(0.2, 1.2) if plan.twice else None)
    elif isinstance(world, WarehouseSystem):
        time.sleep(seconds)
        world.kill()
        time.sleep(plan.chance.choice([0, 0, 1]))
        world.restart()
    else:
        wait_for(lambda: world.find(plan.victim) or world.is_over(plan.task), 30, f"a {plan.victim}", 0.05)
        time.sleep(seconds)
        if found := world.find(plan.victim):
            sigkill(plan.chance.choice(found))


def _covered(world: KillableSystem, plan: Plan, reached: dict[str, int]) -> None:
    """No state is ahead of the rows."""
    stored = world.stored(plan.sync, reached)
    for stream, number in reached.items():
        rows, different = stored.get(stream, (0, 0))
        assert different == number, f"the state of {stream} is {number}, but its table has {different} of these rows"
        assert rows == different or stream == KEYLESS


def _whole(world: KillableSystem, plan: Plan) -> None:
    """Every row: once with a key, or with a full refresh; at least once without."""
    stored = world.stored(plan.sync)
    assert {stream: stored[stream] for stream in (*KEYED, FULL)} == dict.fromkeys((*KEYED, FULL), (ROWS, ROWS))
    assert stored[KEYLESS][0] >= stored[KEYLESS][1] == ROWS
    assert world.states(plan.sync) == dict.fromkeys(STREAMS[:3], ROWS)
