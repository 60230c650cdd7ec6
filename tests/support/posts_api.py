"""The HTTP API that the manifest of docs/how-to/run-a-manifest.md reads: two pages of posts."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import HttpServer

POSTS = [(1, "one"), (2, "two"), (3, "three")]
_PAGES: dict[str, Any] = {
    "": {"items": [{"id": number, "title": title} for number, title in POSTS[:2]], "next": "p2"},
    "p2": {"items": [{"id": number, "title": title} for number, title in POSTS[2:]]},
}


@contextmanager
def posts_api(token: str) -> Iterator[str]:
    """Its address, for who has the token; the refusal repeats it, as careless APIs do."""

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization", "")
            good = given == f"Bearer {token}"
            page = parse_qs(urlsplit(self.path).query).get("after", [""])[0]
            body = json.dumps(_PAGES[page] if good else {"message": f"unknown: {given}"}).encode()
            self.send_response(200 if good else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HttpServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
