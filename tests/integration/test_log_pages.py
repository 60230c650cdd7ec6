"""GET /tasks/<taskId>: a page of its log is bounded in bytes, and the pages before it have the rest."""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from common.errors import BadRequest
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Task, task_log, tasks
from common.store.task_log import PAGE_BYTES, LogLines
from common.tasks.query import get_task
from tests.support.databases import TestDatabase

BEGUN = datetime(2026, 9, 21, 14, 13, 20, 122_000, tzinfo=UTC)
READ = Task(command=Command.READ, task_id="t1", package="p", version="1", sync_id="s1", started_at=1_790_000_000)


def _write(database: TestDatabase, texts: list[str]) -> None:
    """Lines of a task, two of each moment."""
    with Database(database.url) as db:
        db.transact(lambda db: tasks.begin(db, READ, pod_name="pod", request_hash="h"))
        for at in range(0, len(texts), 2):
            lines = LogLines("p", BEGUN + timedelta(milliseconds=at), "INFO", "\x7f".join(texts[at : at + 2]))
            add = functools.partial(task_log.add, task=READ, lines=task_log.document([lines], task_log.first_id()))
            db.transact(add)


def _settings(database: TestDatabase) -> Settings:
    return Settings.load({"SYNCCTL_DATABASE_URL": database.url})


def _pages(database: TestDatabase, count: int = 1000) -> Iterator[dict[str, Any]]:
    """From the end of the log to its begin."""
    before: str | None = ""
    while before is not None:
        answer = msgspec.json.encode(get_task(_settings(database), "t1", count, before))
        task: dict[str, Any] = msgspec.json.decode(answer)["task"]
        yield task
        before = task["logsBefore"]


@pytest.mark.fault(214)
@pytest.mark.parametrize("letter", ["x", "\U0001f33b", "\x01", "\\"])
def test_a_page_of_long_lines_is_cut_and_those_before_it_have_the_rest(database: TestDatabase, letter: str) -> None:
    """However a letter is written: in JSON one byte may become six."""
    texts = [f"{number} {letter * 31_000}" for number in range(300)]
    _write(database, texts)
    pages = list(_pages(database))
    assert len(pages) > 1
    assert all(len(msgspec.json.encode(page)) < PAGE_BYTES + 10_000 for page in pages)
    assert all(len(msgspec.json.encode(page)) > PAGE_BYTES / 2 for page in pages[:-1])
    assert [line["message"] for page in reversed(pages) for line in page["logs"]] == texts


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 11])
def test_pages_by_number_meet_without_a_gap(database: TestDatabase, count: int) -> None:
    """Lines of one moment too, and at the edge of a microsecond that no float holds."""
    texts = [str(number) for number in range(10)]
    _write(database, texts)
    pages = list(_pages(database, count))
    assert [line["message"] for page in reversed(pages) for line in page["logs"]] == texts
    assert len(pages) == -(-10 // count)


@pytest.mark.fault(214)
def test_what_another_sidecar_wrote_may_be_of_any_length(database: TestDatabase) -> None:
    """It is cut: no row alone is too large to show."""
    _write(database, ["before"])
    database.rows(
        "INSERT INTO task_log (id, level, logger, message, sync_id, task_id, timestamp) VALUES (gen_random_uuid(),"
        " repeat('L', 9999), repeat('g', 9999), repeat('m', 20000000), 's1', 't1', now())"
    )
    [page] = _pages(database)
    assert [len(line["message"]) for line in page["logs"]] == [6, 33_000]


@pytest.mark.parametrize("cursor", ["x", "1~x", "1~; DROP", "~", "99999999999999999~" + "0" * 36])
def test_another_cursor_is_refused_by_name(database: TestDatabase, cursor: str) -> None:
    """It is 400, before anything is asked."""
    with pytest.raises(
        BadRequest, match="logsBefore: expected the `logsBefore`, `before` or `after` of an earlier answer"
    ):
        get_task(_settings(database), "t1", 10, cursor)
