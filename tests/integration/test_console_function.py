"""The console's function as it is deployed: functions-framework and gunicorn, and nothing else to talk to."""

import ast
import gzip
import re
from collections.abc import Iterator

import pytest

from tests.support.functions import ROOT, Answer, Server, running

STATIC = ROOT / "functions/console/static"

# One worker, and so one server.
pytestmark = pytest.mark.xdist_group("console-function")


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    """It has no settings at all; requests come without a token."""
    with running("console") as server:
        yield server


def _page(served: Server) -> str:
    return served.ask("GET", "/").body.decode()


def _version(served: Server) -> str:
    found = re.search(r"console/([0-9a-f]{16})/main\.js", _page(served))
    assert found
    return found[1]


def test_the_page_and_its_files_need_no_token(served: Server) -> None:
    """All that the page names is there, byte for byte."""
    page = served.ask("GET", "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = set(re.findall(r'(?:href|src)="console/[0-9a-f]{16}/([^"]+)"', page.body.decode()))
    assert {"main.js", "app.js", "vendor/preact.js", "vendor/pico.css", "css/console.css"} <= named
    for name in named:
        answer = served.ask("GET", f"/console/{_version(served)}/{name}", Accept_Encoding="gzip")
        assert (answer.status, gzip.decompress(answer.body)) == (200, (STATIC / name).read_bytes()), name
        assert "immutable" in answer.headers["cache-control"]


def test_a_request_with_a_token_is_answered_alike(served: Server) -> None:
    """Nobody looks at it: a browser's page asks with none, and a cache in between may keep the answer."""
    assert served.ask("GET", "/", token="whatever").body == served.ask("GET", "/").body


def test_nothing_is_sent_twice(served: Server) -> None:
    """HEAD has the length of GET and no body; 304 has neither, whatever the encoding."""
    path = f"/console/{_version(served)}/vendor/pico.css"
    for accepted in ("gzip", "identity"):
        whole = served.ask("GET", path, Accept_Encoding=accepted)
        head = served.ask("HEAD", path, Accept_Encoding=accepted)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(whole.body)))
        again = served.ask("GET", path, Accept_Encoding=accepted, If_None_Match=whole.headers["etag"])
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", whole.headers["etag"])


@pytest.mark.fault(672)
def test_no_path_leads_out_of_the_folder(served: Server) -> None:
    """As sent, since clients and proxies tidy some of them: each is a 404 in JSON with the page's own policy."""
    version = _version(served)
    for tried in (
        "/console/{}/../main.py", "/console/{}/%2e%2e/main.py", "/console/{}/..%2fmain.py", "/console/{}/....//main.py",
        "/console/{}//etc/passwd", "/console/{}/%2fetc%2fpasswd", "/console/{}/main.js/..", "/console/{}/main.js%00.css",
        "/console/{}/..\\main.py", "/console/{}/main.js;a", "/console/../main.py", "/../main.py", "//main.py",
        "/console/main.py", "/static/main.js", "/robots.txt", "/favicon.ico", "/tasks", "/%ff", "/%00",
    ):  # fmt: skip
        answer = served.ask("GET", tried.replace("{}", version))
        _is_refused(answer, 404)


def _is_refused(answer: Answer, status: int) -> None:
    assert (answer.status, answer.json["ok"]) == (status, False), answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.fault(673)
def test_nobody_s_body_is_waited_for(served: Server) -> None:
    """The answer comes while the sender still writes, and so to every path."""
    for path in ("/", "/console", "/nowhere", "/health", "/openapi.json"):
        head = f"POST {path} HTTP/1.1\r\nHost: c\r\nContent-Length: 8000000000\r\n\r\n"
        answer = served.raw(head.encode(), b"x" * 100_000)
        assert (answer.status, answer.json["ok"]) == (404 if path == "/nowhere" else 405, False)


def test_the_function_is_one_short_file_beside_its_files() -> None:
    """What a browser gets is in one folder; the function imports nothing that the others do not."""
    assert {path.name for path in (ROOT / "functions/console").iterdir()} - {"__pycache__"} == {"main.py", "static"}
    tree = ast.parse((ROOT / "functions/console/main.py").read_text())
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported == {"pathlib", "flask", "common"}
