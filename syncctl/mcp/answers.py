"""What the tools answer: the few members that matter, cut to a size that a model can read. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from syncctl.api.models import LogPage, StreamProgress, Task, decode_log_line
from syncctl.api.states import Saved
from syncctl.api.syncs import View

MOST_STREAMS = 40
MOST_BYTES = 24_000
"""Of one answer; a line, a state or a text has a share of it."""
_TEXT = 2_000
_CUT = "... (cut)"
_BAD_FIRST = {"FAILED": 0, "PARTIAL": 1, "RUNNING": 2}

Object = dict[str, Any]


def cut(text: str, size: int = _TEXT) -> str:
    """Return a text of at most `size` characters, and a mark where that has shortened it."""
    return text if len(text) <= size else text[:size] + _CUT


def as_text(value: object) -> str:
    """Return an answer as compact JSON."""
    return cut(msgspec.json.encode(value).decode(), MOST_BYTES)


def sync(document: Mapping[str, Any]) -> Object:
    """Return a declared sync in a line of a list."""
    spec, status = document.get("spec", {}), document.get("status", {})
    return _filled(
        name=document["metadata"]["name"], image=spec.get("image"), schedule=spec.get("schedule"),
        suspended=spec.get("suspend"), state=status.get("state"), message=cut(str(status.get("message") or "")),
        lastSuccess=status.get("lastSuccess"), nextRun=status.get("nextRun"),
    )  # fmt: skip


def sync_in_full(view: View) -> Object:
    """Return a declared sync with its streams and when their states were saved.

    Of its configuration the members' names alone: a value may be a secret.
    """
    spec = view.sync.get("spec", {})
    config = spec.get("config")
    left_out = {"config", "manifest", "env"}
    return _filled(
        **sync(view.sync), spec={name: value for name, value in spec.items() if name not in left_out},
        configured=sorted(config) if isinstance(config, dict) else None,
        env=[one.get("name") for one in spec.get("env") or []],
        streams=[
            _filled(stream=one.stream, status=one.status, rows=one.rows, lastRecord=one.last_record)
            for one in view.streams[:MOST_STREAMS]
        ],
        more=_more(len(view.streams)), states={one.key: one.saved_at for one in view.states[:MOST_STREAMS]},
    )  # fmt: skip


def task(found: Task) -> Object:
    """Return a task in a line of a list."""
    return _filled(
        taskId=found.task_id, command=found.command, state=found.state, syncId=found.sync_id, image=found.image,
        createdAt=found.created_at, finishedAt=found.finished_at, reason=cut(found.reason or "", 300),
    )  # fmt: skip


def task_in_full(found: Task) -> Object:
    """Return a task with why it failed, and its streams, the bad ones first."""
    failure = found.failure
    streams = sorted((found.streams or {}).items(), key=lambda one: (_BAD_FIRST.get(one[1].status, 3), one[0]))
    return _filled(
        **task(found) | {"reason": cut(found.reason or "")}, startedAt=found.started_at, attempt=found.attempt,
        failure=failure and _filled(kind=failure.kind, origin=failure.origin, advice=failure.advice),
        attempts=[_filled(attempt=one.attempt, kind=one.kind, message=cut(one.message)) for one in found.attempts],
        streams={name: _stream(progress) for name, progress in streams[:MOST_STREAMS]}, more=_more(len(streams)),
        hasResult=found.has_result,
    )  # fmt: skip


def log(task_id: str, page: LogPage) -> str:
    """Return a page of a task's log as text, its newest lines, and how to ask for those before them."""
    texts = [f"{one.timestamp} {one.level} {cut(one.message)}" for one in map(decode_log_line, page.logs)]
    total, left_out = sum(map(len, texts)), False
    while len(texts) > 1 and total > MOST_BYTES:
        total -= len(texts.pop(0))
        left_out = True
    if not texts:
        return f"Task {task_id} is {page.state} and has no log lines like that."
    if left_out:
        return "\n".join(texts) + "\n(earlier lines are left out: ask for fewer lines, or for a level)"
    return "\n".join(texts) + (f"\n(earlier lines: before={page.before})" if page.more else "")


def states(saved: Saved) -> Object:
    """Return a sync's saved states, each cut, with when it was saved."""
    return _filled(
        kind=saved.kind, activeTask=saved.active_task,
        states={
            key: _filled(savedAt=saved.saved_at.get(key), state=_value(raw))
            for key, raw in list(saved.states.items())[:MOST_STREAMS]
        },
        more=_more(len(saved.states)),
    )  # fmt: skip


def _value(raw: Raw) -> Any:
    data = bytes(raw)
    return Raw(data) if len(data) <= _TEXT else cut(data.decode(errors="replace"))


def _stream(progress: StreamProgress) -> Object:
    return _filled(
        status=progress.status, stored=progress.stored, refused=progress.refused or None,
        error=cut(progress.error or "", 300), note=cut(progress.note or "", 300),
    )  # fmt: skip


def _more(number: int) -> str:
    return f"{number - MOST_STREAMS} more are not shown" if number > MOST_STREAMS else ""


def _filled(**members: Any) -> Object:
    """Return the members that say something."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", [], {})}
