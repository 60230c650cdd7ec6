"""A fake of a deployment: a real HTTP server that answers as the functions do, from a script.

It stands in where a test needs faults, texts or a course of events that a healthy deployment cannot be made to
show on demand. Whatever a real one can do is tested against a real one (tests/e2e).
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support import canaries
from tests.support.http_server import HttpServer

TOKEN = canaries.TOKEN
BROKEN = -1
"""As a status: the connection is closed without an answer."""


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeDeployment:
    """`courses` holds, per taskId, what each request for the task returns; the last one stays. Its log is that of the
    task as it was shown last; asked for alone, the log goes through the course, too. A cursor is a number of lines.

    `documents` are the declared syncs by name, `views` what else is shown of one. `log_page` is the most lines that one answer holds; `cancelled` is what the answer to a cancel has beside its ok.

    `faults` are answers (status, headers, body) that come first, one per request. A start takes the taskId of the
    request, or the command's name.
    """

    url: str = ""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    views: dict[str, dict[str, Any]] = field(default_factory=dict)
    courses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    log_page: int = 1000
    revisions: bool = False
    """Whether an answer has a `revision`: how many of the task's course are left. It is never held."""
    cancelled: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    _shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, path: str) -> list[Request]:
        """The requests for a path."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.requests.append(request)
            if self.faults:
                return self.faults.pop(0)
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                return _json(401, {"ok": False, "error": "The token is wrong."})
            return self._route(request)

    def _route(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        head, _, task_id = request.path.strip("/").partition("/")
        if head == "tasks" and task_id:
            name, _, below = task_id.partition("/")
            name = unquote(name)
            course = self.courses.get(name)
            if not course:
                return _json(404, {"ok": False, "error": "No task has this taskId; GET /tasks lists them."})
            if below:
                return self._log(request, name, course)
            shown = self._shown[name] = course.pop(0) if len(course) > 1 else course[0]
            lines = shown.get("logs", [])
            revision = {"revision": f"{len(course)}.."} if self.revisions else {}
            shown = shown | {"logs": lines[-int(request.query.get("logs", 100)) :]}
            return _json(200, {"ok": True, "task": shown, **revision})
        if head == "tasks":
            return self._page(request)
        if head == "syncs" and not task_id.endswith("/run"):
            return self._syncs(unquote(task_id))
        if head == "cancel":
            self.courses[request.query["taskId"]][0]["state"] = "CANCELLED"
            return _json(200, {"ok": True} | self.cancelled)
        return _json(200, {"ok": True, "status": "ok", "taskId": request.query.get("taskId", head), "startedAt": 1})

    def _log(self, request: Request, name: str, course: list[dict[str, Any]]) -> tuple[int, dict[str, str], bytes]:
        shown = self._shown.pop(name, None) or (course.pop(0) if len(course) > 1 else course[0])
        query, lines = request.query, shown.get("logs", [])
        limit = min(int(query.get("limit", 100)), self.log_page)
        if before := query.get("before"):
            end = len(lines) if before == "end" else int(before)
            start = max(end - limit, 0)
            more = start > 0
        else:
            start = 0 if query["after"] == "start" else int(query["after"])
            end = min(start + limit, len(lines))
            more = end < len(lines)
        if more:
            self._shown[name] = shown
        around = {"before": str(start), "after": str(end), "more": more}
        return _json(200, {"ok": True, "state": shown["state"], "logs": lines[start:end], **around})

    def _syncs(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if not name:
            return _json(200, {"ok": True, "syncs": list(self.documents.values())})
        if name not in self.documents:
            return _json(404, {"ok": False, "error": f"No sync is declared as '{name}'."})
        return _json(200, {"ok": True, "sync": self.documents[name]} | self.views.get(name, {}))

    def _page(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """One task a page, whatever the limit."""
        tasks = [course[0] for course in self.courses.values()]
        at = int(request.query.get("cursor", 0))
        following = str(at + 1) if at + 1 < len(tasks) else None
        return _json(200, {"ok": True, "tasks": tasks[at : at + 1], "next": following})


def task(task_id: str = "t1", state: str = "SUCCESS", command: str = "read", **members: Any) -> dict[str, Any]:
    """A TASK as the endpoints send it."""
    final = state not in {"PENDING", "RUNNING"}
    return {
        "taskId": task_id,
        "command": command,
        "syncId": "nightly" if command == "read" else "",
        "storageKey": "" if command == "read" else "key",
        "package": "airbyte/source-faker",
        "version": "7.2.1",
        "state": state,
        "reason": "",
        "createdAt": "2026-11-24T10:05:00.000Z",
        "startedAt": "2026-11-24T10:05:01.000Z",
        "updatedAt": "2026-11-24T10:05:11.000Z",
        "finishedAt": "2026-11-24T10:05:11.000Z" if final else None,
        "startedBy": "",
        "streams": {},
        "logs": [],
    } | members


def stream(status: str = "SUCCESS", rows: int = 0, **members: Any) -> dict[str, Any]:
    """One entry of a TASK's `streams`."""
    counts = {"emitted": rows, "sent": rows, "stored": rows, "refused": 0, "bytes": rows * 100}
    return {"status": status, **counts, "error": ""} | members


def line(message: str, level: str = "INFO", second: int = 1) -> dict[str, str]:
    """One log line."""
    return {
        "timestamp": f"2026-11-24T10:05:{second:02}.000Z",
        "level": level,
        "logger": "airbyte/source-faker",
        "message": message,
    }


@contextmanager
def fake_deployment() -> Iterator[FakeDeployment]:
    """A running stand-in on a port of its own."""
    script = FakeDeployment()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def _respond(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, answer = script.answer(
                Request(self.command, parts.path, query, dict(self.headers.items()), body)
            )
            if status == BROKEN:
                self.connection.close()
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HttpServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


def _json(status: int, value: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()
