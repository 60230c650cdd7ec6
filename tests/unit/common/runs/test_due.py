"""Which syncs are due, and what their status shows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.runs import status
from common.runs.due import Plan, Start, Trigger, candidates, follower_id, plan
from common.store.runs import LastRuns
from common.store.tasks import TaskState
from tests.support.syncs import declared

DAY = datetime(2026, 11, 29, tzinfo=UTC)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A time of the day on which the syncs of these tests were declared, at midnight."""
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


def _plan(one: Any, now: datetime, known: Any = None, begun: Any = ()) -> Plan:
    return plan(one, known or {}, begun, now)


def test_a_moment_starts_a_run_whose_id_it_makes() -> None:
    """Two sweeps make one id of it, in whatever zone the schedule is."""
    one = declared(schedule="0 4 * * *", timeZone="Europe/Berlin")
    assert _plan(one, at(2, 59, 59)) == Plan(next_run=at(3))
    found = _plan(one, at(3, 0, 1))
    assert found.start == Start("nightly-20261129T0300Z", Trigger.SCHEDULE, at(3))
    assert found.next_run == at(27)
    assert _plan(one, at(3, 9)).start == found.start


def test_a_moment_that_was_begun_is_not_begun_again() -> None:
    """However its run has ended."""
    one = declared(schedule="0 3 * * *")
    for state in TaskState:
        known = {"nightly": LastRuns("nightly-20261129T0300Z", state, moment=at(3))}
        assert _plan(one, at(3, 5), known).start is None


def test_never_before_the_sync_was_declared() -> None:
    """A document that is applied at 3:05 does not run for 3:00, though the deadline would allow it."""
    one = declared(schedule="0 0 * * *")
    assert _plan(one, at(0, 1)).start is None
    earlier = declared(schedule="1 0 * * *")
    assert _plan(earlier, at(0, 1)).start is not None


@pytest.mark.fault(352)
def test_missed_moments_are_skipped_by_name_and_the_newest_is_made_up() -> None:
    """Within the deadline; the run that is begun names what came to nothing before it."""
    one = declared(schedule="0 * * * *", startingDeadlineSeconds=600)
    late = _plan(one, at(5, 11))
    assert (late.start, late.skipped, late.next_run) == (None, tuple(at(hour) for hour in range(1, 6)), at(6))
    in_time = _plan(one, at(5, 9))
    assert in_time.start == Start(
        "nightly-20261129T0500Z", Trigger.SCHEDULE, at(5), skipped=tuple(at(hour) for hour in range(1, 5))
    )
    shown = status.of(one, LastRuns(), late)
    assert shown["message"] == (
        "Skipped: 5 runs since 2026-11-29T01:00:00Z: the run before went on, or nothing swept in time."
    )
    known = {"nightly": LastRuns("x", TaskState.SUCCESS, moment=at(5))}
    assert _plan(one, at(5, 9), known).skipped == ()
    minutely = declared(schedule="* * * * *", startingDeadlineSeconds=60)
    assert "Skipped: 100 or more runs since" in status.of(minutely, LastRuns(), _plan(minutely, at(9)))["message"]


def test_a_sync_that_goes_on_is_not_started_again() -> None:
    """Its moment waits until the deadline, and then it is skipped."""
    one = declared(schedule="0 * * * *")
    known = {"nightly": LastRuns("t", TaskState.RUNNING, moment=at(1))}
    assert _plan(one, at(2, 5), known) == Plan(next_run=at(3))
    assert _plan(one, at(2, 15), known) == Plan(skipped=(at(2),), next_run=at(3))
    ended = {"nightly": LastRuns("t", TaskState.SUCCESS, moment=at(1))}
    assert _plan(one, at(2, 5), ended).start == Start("nightly-20261129T0200Z", Trigger.SCHEDULE, at(2))


def test_a_success_starts_what_comes_after_it_once() -> None:
    """By an id that is made of the finished task's; a failure, and a success from before this sync, start nothing."""
    one = declared(after=["customers", "orders"])
    success = LastRuns("c-9", TaskState.SUCCESS, success_id="c-8", success_at=at(1))
    run = follower_id("nightly", "c-8")
    assert run.startswith("nightly-after-")
    assert len(run) == len("nightly-after-") + 12
    assert list(candidates(one, {"customers": success})) == [(run, "c-8")]
    assert _plan(one, at(2), {"customers": success}).start == Start(run, Trigger.AFTER, after="c-8")
    assert _plan(one, at(2), {"customers": success}, {run}).start is None
    assert _plan(one, at(2), {"customers": LastRuns("c-9", TaskState.FAILED)}).start is None
    early = LastRuns("c", TaskState.SUCCESS, success_id="c", success_at=DAY)
    assert _plan(one, at(2), {"customers": early}).start is None
    busy = {"customers": success, "nightly": LastRuns("n", TaskState.PENDING)}
    assert _plan(one, at(2), busy).start is None
    both = {"customers": success, "orders": LastRuns("o", TaskState.SUCCESS, success_id="o-1", success_at=at(1))}
    assert _plan(one, at(2), both, {run}).start == Start(follower_id("nightly", "o-1"), Trigger.AFTER, after="o-1")


def test_a_suspended_sync_starts_nothing_and_shows_that() -> None:
    """Neither by schedule nor by a success; a run that goes on is shown all the same."""
    one = declared(schedule="0 * * * *", after=["customers"], suspend=True)
    known = {"customers": LastRuns("c", TaskState.SUCCESS, success_id="c", success_at=at(1))}
    found = _plan(one, at(2, 1), known)
    assert found == Plan()
    assert status.of(one, LastRuns("n", TaskState.FAILED, "why"), found) == {
        "state": "SUSPENDED", "lastTask": "n", "message": "why",
    }  # fmt: skip
    assert status.of(one, LastRuns("n", TaskState.RUNNING), found)["state"] == "RUNNING"


@given(
    fields=st.sampled_from(["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    steps=st.lists(st.integers(1, 5_000), min_size=1, max_size=30),
    deadline=st.integers(1, 4_000),
)
def test_however_sweeps_come_each_moment_runs_at_most_once(
    fields: str, zone: str, steps: list[int], deadline: int
) -> None:
    """In order, never late beyond the deadline, and each later than the one before."""
    one = declared(schedule=fields, timeZone=zone, startingDeadlineSeconds=deadline)
    now, known, moments = DAY, LastRuns(), list[datetime]()
    for step in steps:
        now += timedelta(seconds=step)
        for _ in range(2):  # two sweepers
            found = _plan(one, now, {"nightly": known})
            if found.start and found.start.moment:
                moments.append(found.start.moment)
                assert now - timedelta(seconds=deadline) <= found.start.moment <= now
                known = LastRuns(found.start.task_id, TaskState.SUCCESS, moment=found.start.moment)
            assert found.next_run is None or found.next_run > now.replace(second=0, microsecond=0)
    assert moments == sorted(set(moments))


def test_what_a_status_shows() -> None:
    """The last task's state and reason, the last success, the next run, and names in `after` that nobody has."""
    one = declared(schedule="0 3 * * *", after=["nobody"])
    assert status.of(one, LastRuns(), Plan(next_run=at(3)), ["nobody"]) == {
        "state": "NEW",
        "nextRun": "2026-11-29T03:00:00Z",
        "message": "after: not declared, so they start nothing: nobody.",
    }
    last = LastRuns("t", TaskState.FAILED, "It broke." + "x" * 5000, "s", at(1, 2, 3))
    shown = status.of(one, last, Plan())
    assert (shown["state"], shown["lastTask"], shown["lastSuccess"]) == ("FAILED", "t", "2026-11-29T01:02:03Z")
    assert len(shown["message"]) == 1_000
    assert status.of(one, LastRuns("t", TaskState.SUCCESS, "old"), Plan()) == {"state": "SUCCESS", "lastTask": "t"}
    before = {"lastTask": "t", "lastSuccess": "2026-11-29T01:02:03Z", "nextRun": "x", "state": "NEW"}
    assert status.invalid("spec.image: expected.", before) == {
        "state": "INVALID", "lastTask": "t", "lastSuccess": "2026-11-29T01:02:03Z", "message": "spec.image: expected.",
    }  # fmt: skip
