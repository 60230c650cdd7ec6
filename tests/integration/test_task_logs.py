"""GET /tasks/<taskId>/logs: pages in both directions, of the lines that are wanted; and the log as a text."""

import functools
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from common.errors import BadRequest, NotFound
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Task, task_log, tasks
from common.store.task_log import LogFilter, LogLines, Position
from common.tasks import task_logs
from common.tasks.requests import LEVELS, LogQuery, parse_task_logs
from tests.support.databases import TestDatabase

BEGUN = datetime(2026, 9, 21, 14, 13, 20, 122_000, tzinfo=UTC)
READ = Task(command=Command.READ, task_id="t1", package="p", version="1", sync_id="s1", started_at=1_790_000_000)
ALL_LEVELS = (*LEVELS, "ERRSTD", "odd")
LINES = [
    (ALL_LEVELS[number * 7 % len(ALL_LEVELS)], f"{number} {'100% of_Users' if number % 5 == 0 else 'x'}\n{number}")
    for number in range(40)
]
"""Levels and messages; two lines of each moment."""


class _Query(dict[str, str]):
    def lists(self) -> list[tuple[str, list[str]]]:
        return [(name, [value]) for name, value in self.items()]


def _add(database: TestDatabase, lines: list[tuple[str, str]], begun: datetime = BEGUN) -> None:
    with Database(database.url) as db:
        for at in range(0, len(lines), 2):
            levels, messages = zip(*lines[at : at + 2], strict=True)
            together = LogLines.of("p", begun + timedelta(milliseconds=at), levels, "\x7f".join(messages))
            document = task_log.document([together], task_log.first_id())
            db.transact(functools.partial(task_log.add, task=READ, lines=document))


@pytest.fixture
def settings(database: TestDatabase) -> Settings:
    """A task whose log has all levels."""
    with Database(database.url) as db:
        db.transact(lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h"))
    _add(database, LINES)
    return Settings.load({"SYNCCTL_DATABASE_URL": database.url})


def _query(**given: str) -> LogQuery:
    return parse_task_logs(_Query(given), "t1")


def _page(settings: Settings, **given: str) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(task_logs.page(settings, _query(**given))))
    return answer


def _walk(db: Database, way: str, limit: int, wanted: LogFilter) -> list[str]:
    """The messages of all pages, from one end of the log to the other, oldest first."""
    found: list[str] = []
    at: Position | None = None
    for _ in range(100):
        page = (task_log.after if way == "after" else task_log.before)(db, "s1", "t1", limit, at, wanted)
        messages = [line.message for line in page.lines]
        found = found + messages if way == "after" else messages + found
        at = page.last if way == "after" else page.first
        if not page.more:
            return found
    raise AssertionError("it never ends")


def _wanted(level: str = "", q: str = "", since: str = "") -> list[str]:
    """The messages that a reader of the whole log would pick."""
    ranks = {name: rank for rank, name in enumerate(LEVELS)} | {"ERRSTD": LEVELS.index("ERROR"), "odd": len(LEVELS)}
    begin = (datetime.fromisoformat(since) - BEGUN) / timedelta(milliseconds=1) if since else 0
    return [
        message
        for number, (name, message) in enumerate(LINES)
        if ranks[name] >= (ranks[level] if level else 0) and q.lower() in message.lower() and number // 2 * 2 >= begin
    ]


@pytest.mark.fault(581)
def test_pages_of_both_directions_have_each_wanted_line_once(
    settings: Settings, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wanted of it, and however few lines a page looks at: an empty page tells where to go on."""
    middle = (BEGUN + timedelta(milliseconds=20)).isoformat()
    levels, texts = ["", "WARN", "FATAL"], ["", "100% OF_users", "\\"]
    given = [*itertools.product(levels, texts, [""]), ("ERROR", "x", middle), ("", "", middle)]
    with Database(database.url) as db:
        for (level, text, since), (looked_at, limit) in itertools.product(given, [(3, 1), (5, 7), (10_000, 7)]):
            monkeypatch.setattr(task_log, "LOOKED_AT", looked_at)
            query = _query(
                **{name: value for name, value in (("level", level), ("q", text), ("since", since)) if value}
            )
            wanted = LogFilter(query.hidden, query.text, query.since)
            for way in ("after", "before"):
                found = db.transact(functools.partial(_walk, way=way, limit=limit, wanted=wanted))
                assert found == _wanted(level, text, since), (way, level, text, since, looked_at, limit)


@pytest.mark.fault(582)
def test_a_follower_is_given_what_is_new_and_a_pager_turns_round(settings: Settings, database: TestDatabase) -> None:
    """A page's `after` is where the next lines will be, also of an empty page; `before` is where it began."""
    last = _page(settings, before="end", limit="2")
    assert [line["message"] for line in last["logs"]] == [message for _, message in LINES[-2:]]
    nothing = _page(settings, after=last["after"])
    assert (nothing["logs"], nothing["more"], nothing["after"]) == ([], False, last["after"])
    _add(database, [("DEBUG", "late"), ("ERROR", "later")], BEGUN + timedelta(hours=1))
    assert [line["message"] for line in _page(settings, after=nothing["after"])["logs"]] == ["late", "later"]
    new = _page(settings, after=nothing["after"], level="WARN")
    assert [line["message"] for line in new["logs"]] == ["later"]
    assert [line["message"] for line in _page(settings, before=new["before"], limit="1")["logs"]] == ["late"]
    assert (new["state"], new["taskId"]) == ("PENDING", "t1")


def test_the_log_of_a_task_without_lines_can_be_followed(settings: Settings, database: TestDatabase) -> None:
    """From its first line on, whichever end was asked for."""
    database.rows("DELETE FROM task_log")
    for given in ({}, {"before": "end"}, {"after": "start", "level": "WARN"}):
        page = _page(settings, **given)
        assert (page["logs"], page["more"], page["after"]) == ([], False, "start")
    with pytest.raises(NotFound, match="GET /tasks lists them"):
        task_logs.page(settings, msgspec.structs.replace(_query(), task_id="none"))


@pytest.mark.fault(583)
def test_a_text_has_each_line_on_a_line_and_comes_in_parts(
    settings: Settings, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message cannot pass for several, nor steer a terminal; no part has more lines than fit into memory."""
    monkeypatch.setattr(task_logs, "_TEXT_LINES", 7)
    _add(database, [("INFO", "\x1b[2J\r2026-01-01T00:00:00.000Z ERROR  forged")], BEGUN + timedelta(hours=1))
    parts = list(task_logs.text(settings, _query(format="text")).parts)
    lines = "".join(parts).splitlines()
    assert [part.count("\n") for part in parts] == [7, 7, 7, 7, 7, 6]
    assert lines[1] == f"2026-09-21T14:13:20.122Z {LINES[1][0]:<6} p  1 x\\n1"
    assert lines[-1] == r"2026-09-21T15:13:20.122Z INFO   p  \x1b[2J\r2026-01-01T00:00:00.000Z ERROR  forged"
    some = "".join(task_logs.text(settings, _query(format="text", level="ERROR", limit="9")).parts)
    wanted = [message.replace("\n", "\\n") for message in _wanted("ERROR")[:9]]
    assert [line.partition(" p  ")[2] for line in some.splitlines()] == wanted


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"after": "x"}, "after: expected the `logsBefore`, `before` or `after`"),
        ({"before": "1~; DROP"}, "before: expected the `logsBefore`, `before` or `after`"),
        ({"after": "end"}, "after: expected start"),
        ({"before": "start"}, "before: expected end"),
    ],
)
def test_another_position_is_refused_by_name(settings: Settings, given: dict[str, str], says: str) -> None:
    """It is 400, before anything is asked."""
    with pytest.raises(BadRequest, match=says):
        task_logs.page(settings, _query(**given))
