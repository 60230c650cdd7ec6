"""common.syncs.schedule: moments by the wall clock of a zone, each once, and which of the missed ones runs."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from common.syncs.schedule import MAX_SKIPPED, Due, ScheduleError, due, parse, task_id
from tests.support.docs import ROOT

BERLIN = "Europe/Berlin"
# Summer time with and without half hours, at midnight, south of the equator; offsets of quarters; and none at all.
ZONES = [BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut", "Asia/Kathmandu", "UTC"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(text: str, since: str, count: int, zone: str = BERLIN) -> list[str]:
    moments = islice(parse(text, zone).after(utc(since)), count)
    return [f"{moment:%m-%dT%H:%M}" for moment in moments]


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        ("30 2 * * *", "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30"]),  # 2:30 comes twice: the first
        ("30 2 * * *", "2026-03-28T12:00", ["03-29T01:00", "03-30T00:30"]),  # 2:30 does not come: 3:00
        ("0,30 2,3 * * *", "2026-03-28T12:00", ["03-29T01:00", "03-29T01:30", "03-30T00:00"]),  # three times 3:00: once
        ("*/20 2 * * *", "2026-10-24T12:00", ["10-25T00:00", "10-25T00:20", "10-25T00:40", "10-26T01:00"]),
        ("*/20 2 * * *", "2026-03-28T12:00", ["03-29T01:00", "03-30T00:00"]),
        ("0 */2 * * *", "2026-10-24T23:00", ["10-25T00:00", "10-25T03:00"]),
        ("@hourly", "2026-10-24T23:30", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),  # each of the 25 hours
        ("@hourly", "2026-03-29T00:30", ["03-29T01:00", "03-29T02:00"]),
        ("@daily", "2026-11-29T12:00", ["11-29T23:00"]),
        ("@weekly", "2026-11-30T12:00", ["12-05T23:00"]),
        ("@monthly", "2026-11-29T12:00", ["11-30T23:00"]),
    ],
)
@pytest.mark.fault(271)
def test_a_moment_comes_once_whatever_the_clock_does(text: str, since: str, expected: list[str]) -> None:
    """What the clock shows twice is its first, what it skips is the next; a schedule of all hours follows the hours."""
    assert runs(text, since, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        ("30 * * * *", "2026-10-03T14:00", ["10-03T15:00", "10-03T15:30", "10-03T16:30"]),
        ("@hourly", "2026-10-03T14:00", ["10-03T14:30", "10-03T15:30", "10-03T16:00"]),
        ("45 * * * *", "2026-04-04T14:00", ["04-04T14:45", "04-04T15:15", "04-04T16:15"]),
        ("45 * * * *", "2026-04-04T14:50", ["04-04T15:15", "04-04T16:15"]),
        ("45 1 * * *", "2026-04-04T14:50", ["04-05T15:15"]),
    ],
)
@pytest.mark.fault(271)
def test_clocks_may_change_by_half_an_hour(text: str, since: str, expected: list[str]) -> None:
    """On Lord Howe Island: 2:00 is 2:30 in October, and 1:30 in April."""
    assert runs(text, since, len(expected), "Australia/Lord_Howe") == expected


@pytest.mark.parametrize("started", ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:10", "2026-10-25T01:40"])
def test_the_second_showing_is_not_due_again(started: str) -> None:
    """From the first 2:30 on, through the hour that comes twice, the next is tomorrow's."""
    assert runs("30 2 * * *", started, 1) == ["10-26T01:30"]


def test_leap_days_come_every_four_years_but_not_in_2100() -> None:
    """Far beyond one year, and across the century."""
    leap = parse("0 0 29 2 *")
    found = [moment.year for moment in islice(leap.after(utc("2091-01-01T00:00")), 3)]
    assert found == [2092, 2096, 2104]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found 0 fields"),
        ("* * * *", "found 4 fields"),
        ("0 0 0 1 1 *", "found 6 fields"),
        ("61 * * * *", "its minute is not cron's"),
        ("* 24 * * *", "its hour is not cron's"),
        ("* * 32 * *", "its day-of-month is not cron's"),
        ("* * 0 1 *", "its day-of-month is not cron's"),
        ("* * * JANUARY *", "its month is not cron's"),
        ("* * * * 8", "its day-of-week is not cron's"),
        ("*/0 * * * *", "its minute is not cron's"),
        ("@reboot", "@hourly, @daily, @weekly, @monthly"),
        ("@every 5m", "@hourly, @daily, @weekly, @monthly"),
        ("0 0 31 2 *", "no such month has such a day"),
        ("0 0 30 FEB *", "no such month has such a day"),
        ("0 0 31 4,6,9,11 *", "no such month has such a day"),
        ("9" * 5000 + " * * * *", "at most 100 characters"),
        ("\u0663 * * * *", "its minute is not cron's"),
    ],
)
@pytest.mark.fault(272)
def test_a_schedule_that_is_wrong_or_never_comes_is_refused(text: str, expected: str) -> None:
    """The field is named, and an example given."""
    with pytest.raises(ScheduleError, match="expected") as caught:
        parse(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe",
        "Europe/Berln",
        "europe/berlin",
        "/etc/passwd",
        "../UTC",
        "localtime",
        "CET-1CEST",
        "a\0b",
        "\ud800",
    ],
)
@pytest.mark.fault(272)
def test_a_zone_that_does_not_exist_is_refused(name: str) -> None:
    """By its exact name, on every system; a path is none."""
    with pytest.raises(ScheduleError, match="expected the name of a time zone, such as Europe/Berlin or UTC") as caught:
        parse("@daily", name)
    assert ("did you mean Europe/Berlin?" in str(caught.value)) == (name.lower().startswith("europe/ber"))


def test_the_newest_of_several_missed_moments_runs() -> None:
    """The others are skipped, and shown."""
    found = due(parse("*/5 * * * *"), utc("2026-11-29T03:00"), utc("2026-11-29T03:16:30"), 600)
    assert found == Due(utc("2026-11-29T03:15"), (utc("2026-11-29T03:05"), utc("2026-11-29T03:10")))


@pytest.mark.parametrize(("late", "runs"), [(0, True), (600, True), (601, False), (86_400 - 1, False)])
@pytest.mark.fault(273)
def test_a_moment_past_its_deadline_is_skipped(late: int, runs: bool) -> None:
    """Shown as skipped, and not started hours late."""
    moment = utc("2026-11-29T03:00")
    found = due(parse("0 3 * * *"), moment - timedelta(hours=1), moment + timedelta(seconds=late), 600)
    assert found == (Due(moment) if runs else Due(None, (moment,)))


def test_nothing_is_due_twice() -> None:
    """The moment that was started last is not due again."""
    moment = utc("2026-11-29T03:00")
    assert due(parse("0 3 * * *"), moment, moment + timedelta(seconds=5), 600) == Due(None)


@pytest.mark.fault(273)
def test_years_of_missed_minutes_are_cut_short() -> None:
    """The oldest are listed; the newest runs all the same."""
    found = due(parse("* * * * *"), utc("2020-01-01T00:00"), utc("2026-11-29T03:16:30"), 600)
    assert found.moment == utc("2026-11-29T03:16")
    assert (len(found.skipped), found.more_skipped) == (MAX_SKIPPED, True)
    assert found.skipped[0] == utc("2020-01-01T00:01")


def test_a_moment_names_its_task() -> None:
    """In UTC, so that the two hours that the clock shows alike have two names."""
    moment = datetime(2026, 11, 29, 4, 0, tzinfo=ZoneInfo(BERLIN))
    assert task_id("nightly", moment) == "nightly-20261129T0300Z"


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    ranges = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
    steps = st.integers(1, 30).map("*/{}".format)
    return st.one_of(st.just("*"), number.map(str), ranges, steps, st.lists(number, min_size=2, max_size=3).map(_list))


def _list(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))


CRON = st.tuples(_field(0, 59), _field(0, 23), st.just("*"), st.just("*"), st.sampled_from(["*", "1-5", "0"])).map(
    " ".join
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2037, 12, 1)).map(
    lambda wall: wall.replace(tzinfo=UTC, microsecond=0)
)
# Shortly before clocks change in one of the zones: Berlin, Beirut, New York, Havana, Lord Howe.
CHANGES = st.sampled_from(
    [
        utc(f"2026-{moment}")
        for moment in (
            "03-28T21:00", "03-28T23:00", "10-24T22:00", "03-08T03:00", "03-08T05:00", "11-01T03:00", "04-04T13:00",
            "10-03T14:00",
        )
    ]
)  # fmt: skip


@given(CRON, MOMENTS)
def test_without_changes_of_the_clock_it_is_cronsim(text: str, since: datetime) -> None:
    """In UTC every schedule is what the library makes of it."""
    assert list(islice(parse(text).after(since), 5)) == list(islice(CronSim(text, since), 5))


@given(CRON, st.sampled_from(ZONES), st.one_of(MOMENTS, CHANGES))
def test_moments_rise_and_are_shown_by_the_clock(text: str, zone: str, since: datetime) -> None:
    """Each is later than the one before; the clock shows it as the schedule has it, or has just skipped minutes."""
    found = list(islice(parse(text, zone).after(since), 8))
    assert found[0] > since
    assert all(one < two for one, two in pairwise(found))
    for moment in found:
        wall = moment.astimezone(ZoneInfo(zone))
        before = (moment - timedelta(minutes=1)).astimezone(ZoneInfo(zone))
        jumped = wall.utcoffset() > before.utcoffset()  # type: ignore[operator] # both have one
        matches = next(iter(CronSim(text, wall.replace(tzinfo=None) - timedelta(seconds=1)))) == wall.replace(
            tzinfo=None
        )
        assert matches or jumped


@given(CRON, st.sampled_from(ZONES), CHANGES)
def test_every_time_of_the_wall_clock_comes(text: str, zone: str, since: datetime) -> None:
    """Over a change: what cronsim names without a zone, when zoneinfo has it first; and again, if all hours are named."""
    place, one = ZoneInfo(zone), parse(text, zone)
    until = since + timedelta(hours=8)
    wall = since.astimezone(place).replace(tzinfo=None)
    named = takewhile(lambda time: time < wall + timedelta(hours=12), CronSim(text, wall - timedelta(hours=3)))
    folds = (0, 1) if text.split()[1] in {"*", "*/1"} else (0,)
    showings = {(time, time.replace(tzinfo=place, fold=fold).astimezone(UTC)) for time in named for fold in folds}
    expected = {shown for time, shown in showings if shown.astimezone(place).replace(tzinfo=None, fold=0) == time}
    found = set(takewhile(lambda moment: moment <= until, one.after(since)))
    assert {moment for moment in expected if since < moment <= until} <= found


@given(CRON, st.sampled_from(ZONES), CHANGES, st.integers(0, 400), st.integers(0, 20_000))
def test_due_is_the_newest_that_is_not_late(text: str, zone: str, since: datetime, minutes: int, deadline: int) -> None:
    """Against a list of all moments: what is due and what is skipped are all of them, in order."""
    now, one = since + timedelta(minutes=minutes), parse(text, zone)
    moments = list(takewhile(lambda moment: moment <= now, one.after(since)))
    found = due(one, since, now, deadline)
    in_time = [moment for moment in moments if (now - moment).total_seconds() <= deadline]
    assert found.moment == (in_time[-1] if in_time else None)
    rest = [moment for moment in moments if moment != found.moment]
    assert (list(found.skipped), found.more_skipped) == (rest[:MAX_SKIPPED], len(rest) > MAX_SKIPPED)


def test_zones_need_no_package_of_the_system() -> None:
    """Minimal Debians have none; the one from PyPI is among our own."""
    code = "from common.syncs.schedule import zone; print(zone('Europe/Berlin'))"
    environment = {"PYTHONTZPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "Europe/Berlin\n", done.stderr
