"""An HTTP API with latency and one rate limit for all its clients: `python -m bench.streams.api LATENCY RATE`.

/NAME/PAGES/SIZE?page=K   page K of a stream: so many items, and the number of the next page, null at the end
/stats                    how many requests were answered since the last look, by NAME, and how many refused
"""

import json
import sys
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_FILLER = "x" * 250


class Limit:
    """A bucket that holds the tokens of one second; `rate` 0: no limit."""

    def __init__(self, rate: float) -> None:
        self._rate, self._tokens, self._at, self._lock = rate, rate, time.monotonic(), threading.Lock()

    def admits(self) -> bool:
        """Take a token. Return False if none is left."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._tokens + (now - self._at) * self._rate, self._rate)
            self._at = now
            if self._rate and self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class Api(ThreadingHTTPServer):
    """The server; `counts` by a stream's name, "refused" among them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, latency: float, rate: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency, self.limit, self.counts = latency, Limit(rate), Counter[str]()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/stats":
            self._answer(HTTPStatus.OK, self.server.counts)
            self.server.counts = Counter()
            return
        _, name, pages, size = url.path.split("/")
        admitted = self.server.limit.admits()
        time.sleep(self.server.latency)
        self.server.counts[name if admitted else "refused"] += 1
        if not admitted:
            self._answer(HTTPStatus.TOO_MANY_REQUESTS, {})
            return
        page = int(parse_qs(url.query).get("page", ["0"])[0])
        items = [{"id": page * int(size) + number, "text": _FILLER} for number in range(int(size))]
        self._answer(HTTPStatus.OK, {"items": items, "next": page + 1 if page + 1 < int(pages) else None})

    def _answer(self, status: HTTPStatus, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


if __name__ == "__main__":
    with Api(float(sys.argv[1]), float(sys.argv[2])) as api:
        sys.stdout.write(f"{api.server_port}\n")
        sys.stdout.flush()
        api.serve_forever()
