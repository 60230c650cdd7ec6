"""What a webhook is sent: a sentence for people, and the event for programs. docs/how-to/be-notified.md shows it."""

import re
from typing import Any

import msgspec
from msgspec import structs

from common.failures import Failure
from common.images import Image
from common.logs import one_line
from common.notify import Ending, Form
from common.outbox.data import TaskData
from common.outbox.event import Event, EventType
from common.store.tasks import TaskState

_BEGIN, _END = 100, 300
"""How much of what went wrong is shown, in characters: a traceback ends in its cause. The task has all of it."""
_MARKUP = [
    (re.compile(r"<"), "\u2039"),
    (re.compile(r">"), "\u203a"),
    (re.compile(r"@(?=\w)"), "@\u200b"),
    (re.compile(r"\]\("), "] ("),
]
"""What a connector could call a whole channel by, or give another link's name: <!channel>, @all, [text](link)."""
_CARD = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.2"}
_ENDINGS = {
    EventType.FAILED: Ending.FAILED,
    EventType.PARTIAL: Ending.PARTIAL,
    EventType.RECOVERED: Ending.RECOVERED,
}


def endings(event: Event) -> set[Ending]:
    """Return what an event is, of that which webhooks are called for; nothing but for a sync's reads."""
    ending = _ENDINGS.get(event.type) if event.sync_id else None
    if ending is None:
        return set()
    first = ending is Ending.FAILED and event.previous != TaskState.FAILED
    return {ending, Ending.FIRST_FAILURE} if first else {ending}


def body(event: Event, form: Form) -> bytes:
    """Return the JSON that is sent, of an event that has endings."""
    sentence = text(event)
    content: dict[str, Any]
    match form:
        case Form.TEXT:
            content = {"text": sentence}
        case Form.CARD:
            block = {"type": "TextBlock", "text": sentence, "wrap": True}
            card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": _CARD | {"body": [block]}}
            content = {"type": "message", "attachments": [card]}
        case Form.EVENT:
            # Not `type`, which Mattermost takes for the post's, and refuses.
            content = {"text": sentence, "event": event.type, "timestamp": event.at, "data": event.data}
    return msgspec.json.encode(content)


def text(event: Event) -> str:
    """Return what happened, why and what to do, in a line of plain text."""
    task = event.data
    if not isinstance(task, TaskData):  # it has no endings
        return ""
    match event.type:
        case EventType.RECOVERED:
            what = f"has recovered: {task.totals.stored:,} rows stored."
        case EventType.PARTIAL:
            what = f"was read in part ({task.totals.stored:,} rows stored): {_why(task)}"
        case _:
            what = f"failed{' again' if event.previous == TaskState.FAILED else ''}: {_why(task)}"
    attempts = f", attempt {task.attempt}" if task.attempt > 1 else ""
    return _harmless(f"Sync {event.sync_id} {what} Task {task.task_id}, {Image(task.package, task.version)}{attempts}.")


def _why(task: TaskData) -> str:
    try:
        failure = msgspec.convert(task.failure, Failure)
    except msgspec.ValidationError:  # without one, or of a kind that a later version knows
        return f"{_short(task.reason.rstrip('. '))}."
    return structs.replace(failure, message=_short(failure.message)).sentence


def _short(text: str) -> str:
    return text if len(text) <= _BEGIN + _END else f"{text[:_BEGIN]} … {text[-_END:]}"


def _harmless(sentence: str) -> str:
    """Return a text in one line that chat systems show as it is: connectors and callers have written parts of it."""
    shown = one_line(" ".join(sentence.split()))
    for pattern, instead in _MARKUP:
        shown = pattern.sub(instead, shown)
    return shown
