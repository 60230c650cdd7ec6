"""A receiver of webhooks: a real HTTP server on loopback that keeps what arrives, and answers as it is asked to."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from common.failures import Failure, FailureKind
from common.outbox.data import TaskData
from common.outbox.event import Event, EventType
from common.store.tasks import TaskState
from tests.support import canaries
from tests.support.http_server import HttpServer

PATH = f"/hooks/{canaries.TOKEN}"
"""Its last part is the credential of such a URL: tests fail where it is logged, or in a table."""
AT = "2026-11-29T01:31:00.000Z"
WHY = Failure(FailureKind.CONFIG_ERROR, "the API key is refused").as_json()


class Arrived(NamedTuple):
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as data."""
        return json.loads(self.body)


class Receiver:
    """What has arrived; `answers` are the statuses of the next requests, then 200."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.url = f"{self.origin}{PATH}"
        self.requests: list[Arrived] = []
        self.answers: list[int] = []
        self.lock = threading.Lock()

    def take(self) -> list[Arrived]:
        """Return what has come since the last time."""
        with self.lock:
            taken, self.requests = self.requests, []
        return taken

    def texts(self) -> list[str]:
        """Return what chat systems would show of that, without where to look."""
        return [request.json["text"].partition(" Task ")[0] for request in self.take()]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Runs until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with running.lock:
                running.requests.append(Arrived(self.path, dict(self.headers), body))
                status = running.answers.pop(0) if running.answers else 200
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:  # of who follows a redirect
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with HttpServer(("127.0.0.1", 0), Handler) as server:
        running = Receiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


def event(kind: EventType = EventType.FAILED, previous: str = "SUCCESS", sync: str = "nightly", **fields: Any) -> Event:
    """A read's, which has failed unless something else is asked for."""
    known: dict[str, Any] = {
        "task_id": "nightly-20261129T0130Z", "command": "read", "sync_id": sync, "storage_key": "",
        "package": "airbyte/source-faker", "version": "7.2.1", "state": TaskState.FAILED, "reason": "the API key is refused",
        "created_at": AT, "started_at": AT, "updated_at": AT, "finished_at": AT, "started_by": "", "streams": {},
        "failure": WHY, "attempt": 1, "attempts": [], "data_plane": "here", "schema_changes": None,
    }  # fmt: skip
    data = TaskData(**(known | fields))
    at = datetime(2026, 11, 29, 1, 31, tzinfo=UTC)
    return Event(f"{data.task_id}/1/failed", kind, at, data.task_id, sync, "here", previous, data)
