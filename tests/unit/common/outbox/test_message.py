"""What people and programs get to read of an event."""

import json
from datetime import UTC, datetime

import pytest

from common.notify import Ending, Form
from common.outbox import message
from common.outbox.data import SkippedData, Totals
from common.outbox.event import Event, EventType
from tests.support.webhooks import AT, WHY, event

ENDINGS = [
    (EventType.FAILED, "SUCCESS", {Ending.FAILED, Ending.FIRST_FAILURE}),
    (EventType.FAILED, "PARTIAL", {Ending.FAILED, Ending.FIRST_FAILURE}),
    (EventType.FAILED, "", {Ending.FAILED, Ending.FIRST_FAILURE}),
    (EventType.FAILED, "FAILED", {Ending.FAILED}),
    (EventType.PARTIAL, "FAILED", {Ending.PARTIAL}),
    (EventType.RECOVERED, "FAILED", {Ending.RECOVERED}),
    (EventType.SUCCEEDED, "FAILED", set()),
    (EventType.CANCELLED, "", set()),
    (EventType.RETRYING, "", set()),
]


@pytest.mark.parametrize(("kind", "previous", "expected"), ENDINGS)
def test_what_an_event_is_of_what_is_notified(kind: EventType, previous: str, expected: set[Ending]) -> None:
    """A failure is the first unless the read before failed, too."""
    assert message.endings(event(kind, previous)) == expected
    assert message.endings(event(kind, previous, sync="")) == set()  # a check, spec or discover


def test_texts() -> None:
    """What happened, why, what to do, and where to look."""
    where = "Task nightly-20261129T0130Z, airbyte/source-faker:7.2.1"
    advice = "correct the configuration; `check` tries it without reading anything."
    assert message.text(event()) == f"Sync nightly failed: the API key is refused; {advice} {where}."
    again = event(previous="FAILED", attempt=3, failure=None)
    assert message.text(again) == f"Sync nightly failed again: the API key is refused. {where}, attempt 3."
    partial = event(
        EventType.PARTIAL,
        totals=Totals(5, {"FAILED": 2, "SUCCESS": 3}, emitted=1300, stored=1200),
        failure=WHY | {"kind": "of_tomorrow"},
    )
    assert (
        message.text(partial) == f"Sync nightly was read in part (1,200 rows stored): the API key is refused. {where}."
    )
    recovered = event(
        EventType.RECOVERED, "FAILED", totals=Totals(5, {"SUCCESS": 5}, emitted=1200, stored=1200), failure=None
    )
    assert message.text(recovered) == f"Sync nightly has recovered: 1,200 rows stored. {where}."


def test_of_a_traceback_the_cause_is_shown() -> None:
    """It comes last; what to do is behind it all the same."""
    words = (
        "The connector ended with exit code 1. It last said:\nTraceback\n" + "  File x\n" * 300 + "TypeError: no number"
    )
    text = message.text(event(failure=WHY | {"kind": "source_exit", "message": words}))
    assert text.startswith("Sync nightly failed: The connector ended with exit code 1. It last said: Traceback File x")
    assert (
        "File x TypeError: no number; look at the last lines of the task's log for the connector's own words. Task"
        in text
    )
    assert len(text) < 700


@pytest.mark.fault(525)
def test_what_a_connector_says_calls_nobody_and_links_nowhere() -> None:
    """Slack's mentions and links, Mattermost's mentions, Markdown's links; in one line of bounded length."""
    words = "<!channel> <@U123> <https://evil|bank> @all mail a@b.c [bank](https://evil)\n\n\x1b[31m\u202e"
    text = message.text(event(failure=None, reason=words + "x" * 5_000))
    assert "<" not in text
    assert "@all" not in text
    assert "](" not in text
    assert text.replace("\u200b", "").isprintable()
    assert "\u2039!channel\u203a" in text
    assert "a@\u200bb.c" in text
    assert len(text) < 1_000


def test_the_forms() -> None:
    """Google Chat takes no member that it does not know, Mattermost no `type`, and Teams' Workflows cards alone."""
    one = event()
    whole = json.loads(message.body(one, Form.EVENT))
    assert list(whole) == ["text", "event", "timestamp", "data"]
    assert (whole["event"], whole["timestamp"]) == ("dev.sync-functions.task.failed.v1", "2026-11-29T01:31:00Z")
    assert whole["data"]["failure"]["kind"] == "config_error"
    assert json.loads(message.body(one, Form.TEXT)) == {"text": whole["text"]}
    card = json.loads(message.body(one, Form.CARD))
    assert card["type"] == "message"
    assert card["attachments"][0]["content"]["body"] == [{"type": "TextBlock", "text": whole["text"], "wrap": True}]


def test_an_event_without_a_task_has_no_endings() -> None:
    """Such as skipped moments of a schedule."""
    data = SkippedData(sync_id="nightly", sync="nightly", moments=[AT])
    skipped = Event("s", EventType.SKIPPED, datetime(2026, 11, 29, tzinfo=UTC), "", "nightly", "here", "", data)
    assert message.endings(skipped) == set()
