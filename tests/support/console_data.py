"""What the console's views are tried on: thousands of everything, every state, and hostile texts wherever one is shown.

Written into an edition's Postgres past the product, since a connector would take hours. Its tasks belong to another data
plane, so that the edition's sweep does not look for their pods.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from tests.support.edition_process import EditionProcess

TASKS, STREAMS, LINES = 5000, 3000, 100_000
WIDE, LONG, HOSTILE = "wide", "long", "hostile"
"""Ids of tasks: one with STREAMS streams, one with LINES lines of log, one with hostile texts in every member."""
FAILING = "failing"

MARK = "HOSTILE"
SCRIPT = f"{MARK}<script>window.harm=1</script><img src=x onerror='window.harm=2'><svg/onload=window.harm=3>"
LINK = "javascript:window.harm=4"
MARKUP = (
    f'"><a href="{LINK}" onclick="window.harm=5">{MARK}</a><iframe srcdoc="<script>parent.harm=6</script>"></iframe>'
)
TURNED = f"{MARK}\u202etxt.exe"
WORD = "w" * 400
TEXTS = (SCRIPT, MARKUP, f"[{MARK}]({LINK})", LINK, TURNED, WORD)
EVERYTHING = " ".join(TEXTS)

PLEASANT = (
    ("crm", "airbyte/source-hubspot", "4.9.0", "30 3 * * *"),
    ("github-issues", "airbyte/source-github", "2.1.0", "30 3 * * *"),
    ("shop-orders", "airbyte/source-shopify", "3.0.2", "30 3 * * *"),
)
PLEASANT_TASK = "github-issues-now"

_AT_ONCE = 10_000
"""Lines of a statement: a busy machine does not reach the time limit of one."""
_STATES = ("SUCCESS", "SUCCESS", "SUCCESS", "PARTIAL", "FAILED", "CANCELLED", "SUCCESS", "SUCCESS")
_COMMANDS = ("read", "read", "read", "read", "discover", "check", "spec")
_NOW = datetime.now(UTC).replace(microsecond=0)
_COLUMNS = (
    "task_id",
    "command",
    "sync_id",
    "storage_key",
    "package",
    "version",
    "pod_name",
    "request_hash",
    "state",
    "reason",
    "streams",
    "started_by",
    "created_at",
    "started_at",
    "updated_at",
    "finished_at",
    "accepted_at",
    "attempt_at",
    "attempt",
    "attempts",
    "failure",
    "data_plane",
    "waits_for",
    "waits_since",
    "estimate",
    "counted",
)


def seed(edition: EditionProcess) -> None:
    """Fill an edition, in seconds."""
    _insert(edition, _named())
    _insert(edition, _many())
    _log(edition)
    _results(edition)
    _declare(edition)


def seed_pleasant(edition: EditionProcess) -> None:
    """Fill an edition as an ordinary deployment is, for pictures."""
    for name, package, version, schedule in PLEASANT:
        status, answer = edition.ask(
            f"/syncs/{name}", _document(name, image=f"{package}:{version}", schedule=schedule, config={}), "PUT"
        )
        assert status == 200, answer
    _insert(edition, _pleasant())
    edition.database().rows(
        "INSERT INTO public.task_log (id, level, logger, message, sync_id, task_id, timestamp) "
        "SELECT gen_random_uuid(), CASE WHEN n % 8 = 0 THEN 'WARN' ELSE 'INFO' END, 'airbyte/source-github', "
        "CASE WHEN n % 8 = 0 THEN 'Close to the rate limit: ' || 5000 - n || ' calls are left' "
        "ELSE 'Read page ' || n || ' of ' || (ARRAY['issues', 'commits', 'reviews'])[1 + n % 3] || ': 100 records' END, "
        "'github-issues', CAST(:task AS text), now() - (400 - n) * interval '1.3 s' FROM generate_series(1, 400) n",
        task=PLEASANT_TASK,
    )


def _pleasant() -> Iterator[dict[str, Any]]:
    """Ten runs of each sync, of which few went wrong; one runs."""
    tables = {
        "crm": ("contacts", "companies", "deals"),
        "shop-orders": ("orders", "order_lines", "customers", "refunds"),
    }
    for name, package, version, _ in PLEASANT:
        names = tables.get(name, ("commits", "issues", "reviews"))
        for n in range(10):
            task = f"{name}-{_NOW - timedelta(days=n):%Y-%m-%d}"
            rows = {one: stream(900 + 731 * (n * 7 % 5) + 120 * at) for at, one in enumerate(names)}
            given: dict[str, Any] = {"sync_id": name, "package": package, "version": version, "streams": rows}
            given["started_by"] = '{"trigger":"schedule"}'
            if name == "crm" and n in {0, 6}:
                given |= {"state": "FAILED", "failure": failure("401 Unauthorized: the token has expired")}
            elif name == "github-issues" and n == 0:
                part = {"endedAt": None, "rowsPerSecond": 812.5, "percent": 41, "secondsLeft": 95}
                given |= {"state": "RUNNING", "streams": rows | {"commits": stream(40_000, "RUNNING", **part)}}
                task = PLEASANT_TASK
            yield _task(task, given.pop("state", "SUCCESS"), 600 + n * 86_400, **given)


def _at(seconds_ago: float) -> str:
    return (_NOW - timedelta(seconds=seconds_ago)).isoformat()


def _task(task_id: str, state: str = "SUCCESS", ago: float = 600, **given: Any) -> dict[str, Any]:
    """A row of syncctl_task; it ran for a minute, and began `ago` seconds ago."""
    final = state not in {"PENDING", "RUNNING"}
    row = {
        "task_id": task_id,
        "command": "read",
        "sync_id": task_id,
        "storage_key": "",
        "package": "airbyte/source-faker",
        "version": "7.2.1",
        "pod_name": f"pod-{task_id}"[:60],
        "request_hash": "none",
        "state": state,
        "reason": "",
        "streams": {"users": stream(1000), "products": stream(100)},
        "started_by": '{"trigger":"manual"}',
        "created_at": _at(ago),
        "started_at": None if state == "PENDING" else _at(ago - 5),
        "updated_at": _at(ago - 60) if final else _at(1),
        "finished_at": _at(ago - 60) if final else None,
        "attempt": 1,
        "attempts": [],
        "failure": None,
        "data_plane": "elsewhere",
        "waits_for": None,
        "waits_since": None,
        "estimate": None,
        "counted": True,
    } | given
    return {"accepted_at": row["created_at"], "attempt_at": row["created_at"], **row}


def stream(rows: int, status: str = "SUCCESS", **more: Any) -> dict[str, Any]:
    """What a task holds of a stream."""
    counts = {"emitted": rows, "sent": rows, "stored": rows, "refused": 0, "bytes": rows * 210}
    times = {"startedAt": _at(594), "endedAt": _at(544), "timedBy": "status", "seconds": 50.0, "lastRecordAt": _at(545)}
    return {"status": status, "error": "", **counts, **times, **more}


def failure(message: str, advice: str = "Renew the credentials.", **more: Any) -> dict[str, Any]:
    """What a task holds of its failure."""
    return {"kind": "config", "origin": "source", "message": message, "advice": advice, "retryable": False, **more}


def _named() -> Iterator[dict[str, Any]]:
    """The tasks that tests look at by name."""
    running = {"users": stream(40_000, "RUNNING", endedAt=None, rowsPerSecond=812.5, percent=41, secondsLeft=95)}
    limited = {"users": stream(10, "RUNNING", endedAt=None, limitedSince=_at(60), limitedUntil=_at(-600))}
    waiting = {"waits_for": "image", "waits_since": _at(90), "reason": "The image is being pulled."}
    failed = failure("401 Unauthorized: the token has expired")
    earlier = [failure("connection reset", retryable=True) | {"attempt": 1, "endedAt": _at(300)}]
    yield _task("succeeded", "SUCCESS", sync_id="state-success")
    yield _task("partly", "PARTIAL", sync_id="state-partial", streams={"users": stream(5), "orders": _lost()})
    yield _task(FAILING, "FAILED", sync_id="state-failed", failure=failed, attempts=earlier, attempt=2)
    yield _task("stopped", "CANCELLED", sync_id="state-cancelled", reason="cancelled by a request")
    yield _task("moving", "RUNNING", 120, sync_id="state-running", streams=running)
    yield _task("limited", "RUNNING", 120, sync_id="limited", streams=limited)
    yield _task("waiting", "PENDING", 90, sync_id="state-pending", streams={}, **waiting)
    yield _task(WIDE, "SUCCESS", streams={f"stream_{n:04}": stream(n) for n in range(STREAMS)})
    yield _task(LONG, "FAILED", failure=failed)
    yield _hostile()


def _lost() -> dict[str, Any]:
    return stream(3, "FAILED", stored=1, refused=2, error="a column has another type in the warehouse")


def _hostile() -> dict[str, Any]:
    """Hostile texts in every member that holds one."""
    streams = {text: stream(7, "FAILED", error=EVERYTHING, note=EVERYTHING) for text in TEXTS}
    bad = failure(EVERYTHING, EVERYTHING)
    return _task(
        HOSTILE,
        "FAILED",
        reason=EVERYTHING,
        package=SCRIPT,
        version=MARKUP,
        storage_key=EVERYTHING,
        started_by=EVERYTHING,
        streams=streams,
        failure=bad,
        attempts=[bad | {"attempt": 1, "endedAt": _at(300)}],
        attempt=2,
        data_plane=SCRIPT,
    )


def _many() -> Iterator[dict[str, Any]]:
    for n in range(TASKS):
        command, state = _COMMANDS[n % len(_COMMANDS)], _STATES[n % len(_STATES)]
        sync = f"sync-{n % 40:02}" if command == "read" else ""
        more: dict[str, Any] = {"failure": failure(f"error {n}")} if state == "FAILED" else {}
        if command != "read":
            more |= {"streams": {}, "storage_key": f"key-{n}"}
        yield _task(f"task-{n:04}", state, 3600 + n * 97, command=command, sync_id=sync, **more)
    for text, name in zip(TEXTS, ("script", "markup", "md", "link", "turned", "word"), strict=True):
        yield _task(f"hostile-{name}", "SUCCESS", 400, sync_id=text, package=text, version=text, started_by=text)


def _insert(edition: EditionProcess, rows: Iterator[dict[str, Any]]) -> None:
    names = ", ".join(_COLUMNS)
    while some := list(islice(rows, _AT_ONCE // 20)):
        edition.database().rows(
            f"INSERT INTO syncctl_task ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::syncctl_task, CAST(:rows AS jsonb))",
            rows=json.dumps(some),
        )


def _log(edition: EditionProcess) -> None:
    database = edition.database()
    insert = "INSERT INTO public.task_log (id, level, logger, message, sync_id, task_id, timestamp) "
    for first in range(1, LINES + 1, _AT_ONCE):
        database.rows(
            insert
            + "SELECT gen_random_uuid(), (ARRAY['INFO','INFO','INFO','DEBUG','WARN','ERROR'])[1 + n % 6], 'source', "
            "'line ' || n || ' of the log: ' || repeat('word ', 1 + n % 30), 'long', 'long', "
            "CAST(:start AS timestamptz) + n * interval '20 ms' FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n",
            start=_at(3600),
            first=first,
            last=first + _AT_ONCE - 1,
        )
    for task in (HOSTILE, FAILING):
        lines = (
            [*TEXTS, "\x1b[31mred\x1b[0m", "many\nlines\n\tof one message", EVERYTHING] if task == HOSTILE else ["401"]
        )
        database.rows(
            insert
            + "SELECT gen_random_uuid(), 'ERROR', CAST(:logger AS text), line ->> 0, CAST(:task AS text), CAST(:task AS text), "
            "now() + n * interval '1 ms' FROM jsonb_array_elements(jsonb_build_array(CAST(:lines AS jsonb)) -> 0) "
            "WITH ORDINALITY AS lines (line, n)",
            logger=SCRIPT if task == HOSTILE else "source",
            task=task,
            lines=json.dumps([[line] for line in lines]),
        )


def _results(edition: EditionProcess) -> None:
    """A spec, a check and a catalog as tasks' results, and saved states."""
    database = edition.database()
    for command in ("spec", "check", "discover"):
        name = f"hostile-{command}"
        _insert(edition, iter([_task(name, "SUCCESS", 300, command=command, sync_id="", storage_key=name, streams={})]))
        database.rows(
            "INSERT INTO syncctl_result (task_id, result) VALUES (:task, CAST(:result AS json))",
            task=name,
            result=json.dumps(hostile_result(command)),
        )
    for sync in (HOSTILE, "state-success"):
        for name in TEXTS if sync == HOSTILE else ("users", "products"):
            database.rows(
                "INSERT INTO public.source_state (sync_id, stream, state) VALUES (:sync, :name, CAST(:state AS jsonb))",
                sync=sync,
                name=name,
                state=json.dumps({"cursor": EVERYTHING if sync == HOSTILE else "2026-11-30"}),
            )


def hostile_result(command: str) -> Any:
    """What a hostile connector answers."""
    if command == "check":
        return {"status": "FAILED", "message": EVERYTHING}
    if command == "spec":
        return hostile_spec()
    streams = [{"name": text, "json_schema": {"properties": {text: {"type": "string"}}}} for text in TEXTS]
    return {"streams": [one | {"supported_sync_modes": ["full_refresh", "incremental"]} for one in streams]}


def hostile_spec() -> dict[str, Any]:
    """A SPEC with hostile texts in every annotation."""
    words = {"title": SCRIPT, "description": EVERYTHING, "examples": list(TEXTS), "pattern_descriptor": MARKUP}
    properties: dict[str, Any] = {
        "text": {"type": "string", "default": SCRIPT, **words},
        "choice": {"type": "string", "enum": list(TEXTS), **words},
        SCRIPT: {"type": "integer", **words},
        "secret": {"type": "string", "airbyte_secret": True, **words},
        "kind": {
            "type": "object",
            **words,
            "oneOf": [{"title": text, "properties": {"is": {"type": "string", "const": text}}} for text in TEXTS],
        },
        "many": {"type": "array", "items": {"type": "string", **words}, **words},
    }
    schema = {"type": "object", **words, "required": ["text", SCRIPT], "properties": properties}
    groups = [{"id": MARKUP, "title": SCRIPT}]
    fields = {text: {"path_in_connector_config": [text]} for text in (*TEXTS, "text", "__proto__")}
    output = {"complete_oauth_output_specification": {"properties": fields}}
    auth = {"predicate_key": ["choice"], "predicate_value": SCRIPT, "oauth_config_specification": output}
    urls = {"documentationUrl": LINK, "changelogUrl": LINK}
    return {**urls, "connectionSpecification": schema | {"groups": groups}, "advanced_auth": auth}


def _declare(edition: EditionProcess) -> None:
    """A sync in every state, and a hostile one."""
    states = ("success", "partial", "failed", "cancelled", "running", "pending")
    documents = [_document(f"state-{state}") for state in states]
    documents += [_document("state-new"), _document("state-suspended", suspend=True, schedule="@hourly")]
    hostile = {"streams": [{"name": text[:200]} for text in TEXTS], "config": {text: text for text in TEXTS}}
    documents.append(_document(HOSTILE, **hostile))
    for document in documents:
        status, answer = edition.ask(f"/syncs/{document['metadata']['name']}", document, "PUT")
        assert status == 200, answer
    (edition.home / "syncs" / "state-invalid.yaml").write_text(
        json.dumps(_document("state-invalid") | {"spec": {"image": 5, SCRIPT: MARKUP}})
    )


def _document(name: str, **spec: Any) -> dict[str, Any]:
    source = {"image": "airbyte/source-faker:7.2.1", "config": {"count": 1000}, "streams": [{"name": "users"}]}
    return {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name, "annotations": {"note": EVERYTHING} if name == HOSTILE else {}},
        "spec": source | spec,
    }
