"""Files for browsers: what is answered with which headers, and that nothing else is."""

import gzip
import json
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import functions_framework
import pytest
from flask.testing import FlaskClient

SCRIPT = "import { a } from './lib/a.js';\nimport './side.js';\nimport('./lib/late.js');\n"
FILES = {
    "index.html": '<html><head><script type="module" src="page/VERSION/main.js"></script></head></html>',
    "main.js": SCRIPT,
    "side.js": "export const one = 'from ./nowhere.js';\nexport {\n  b,\n  c,\n} from \"./lib/b.js\";\n",
    "lib/a.js": 'import"../side.js";',
    "lib/b.js": "export const b = 1, c = 2;",
    "lib/late.js": "export const late = 1;",
    "style.css": "p { color: red }" * 100,
    "icon.svg": "<svg/>",
    "notes.txt": "Größe",
    ".hidden/key": "of nobody",
}
FUNCTION = """
from pathlib import Path
import functions_framework
from common import static_files, web
ROUTE = web.route("page", "GET", subpaths=True, safe=True)
FILES = static_files.Files(Path(__file__).parent / "static", "page", first=("main.js",))
@functions_framework.http
def page(request):
    return web.hand_out(request, ROUTE, FILES.answer)
"""


class _Served:
    """A function over some files."""

    def __init__(self, folder: Path) -> None:
        for name, text in FILES.items():
            path = folder / "static" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (folder / "main.py").write_text(FUNCTION)
        (folder / "secret").write_text("hunter2")
        self.client = _client(folder)
        self.version = self.ask("/").text.partition("page/")[2].partition("/")[0]

    def ask(self, path: str, method: str = "GET", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(path, method=method, headers=named)

    def at(self, path: str) -> str:
        return f"/page/{self.version}/{path}"


def _client(folder: Path) -> FlaskClient:
    """Asks the function as functions-framework loads it."""
    made = functions_framework.create_app("page", str(folder / "main.py"))  # type: ignore[no-untyped-call] # no types
    client: FlaskClient = made.test_client()
    return client


@pytest.fixture
def served(tmp_path: Path) -> _Served:
    """Some files, with others beside them."""
    return _Served(tmp_path)


def test_the_page_names_its_files_by_their_version(served: _Served) -> None:
    """At both paths, never kept unasked."""
    for path in ("/", "/page"):
        answer = served.ask(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert f'src="page/{served.version}/main.js"' in answer.text
        assert "VERSION" not in answer.text
    moved = served.ask("/page/")
    assert (moved.status_code, moved.headers["Location"]) == (308, "../page")  # its addresses are relative


def test_the_page_names_what_its_first_modules_import(served: _Served) -> None:
    """Each once and through one another, so that a browser asks for all at once; what is imported later is left out."""
    text = served.ask("/").text
    head = text.partition("</head>")[0]
    found = [part.partition('"')[0] for part in head.split('rel="modulepreload" href="')[1:]]
    assert found == [f"page/{served.version}/{name}" for name in ("main.js", "lib/a.js", "side.js", "lib/b.js")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("main.js", "text/javascript"),
        ("style.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
        ("notes.txt", "text/plain"),
    ],
)
def test_a_file_is_kept_always_under_its_version(served: _Served, name: str, kind: str) -> None:
    """With the type that its ending has everywhere."""
    answer = served.ask(served.at(name))
    assert answer.data == FILES[name].encode()
    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.fault(674)
def test_a_page_from_before_an_update_gets_the_present_files_once(served: _Served) -> None:
    """Under the address that it knows, and nobody keeps them there."""
    answer = served.ask(f"/page/{'0' * 16}/main.js")
    assert (answer.status_code, answer.text) == (200, SCRIPT)
    assert answer.headers["Cache-Control"] == "no-store"


def test_another_file_is_another_version(served: _Served, tmp_path: Path) -> None:
    """Also one that has only moved."""
    (tmp_path / "other").mkdir()
    other = _Served(tmp_path / "other")
    assert other.version == served.version
    place = tmp_path / "other/static"
    (place / "icon.svg").rename(place / "icons.svg")
    assert served.version not in _client(tmp_path / "other").get("/").text


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("GZIP", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=nonsense", False),
    ],
)
def test_files_are_compressed_for_those_that_take_it(served: _Served, accepted: str, *, compressed: bool) -> None:
    """The same bytes in the end; caches keep the two apart."""
    answer = served.ask(served.at("style.css"), Accept_Encoding=accepted)
    assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None)
    assert (gzip.decompress(answer.data) if compressed else answer.data) == FILES["style.css"].encode()
    assert (answer.headers["Vary"], answer.content_length) == ("Accept-Encoding", len(answer.data))


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_what_a_browser_has_is_not_sent_again(served: _Served, accepted: str) -> None:
    """304 has the headers by which a cache goes on, and no encoding of the body that it lacks."""
    for path in ("/", served.at("style.css")):
        first = served.ask(path, Accept_Encoding=accepted)
        tag = first.headers["ETag"]
        for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            again = served.ask(path, Accept_Encoding=accepted, If_None_Match=known)
            assert (again.status_code, again.data) == (304, b""), known
            assert {name: again.headers[name] for name in ("ETag", "Vary", "Cache-Control")} == {
                name: first.headers[name] for name in ("ETag", "Vary", "Cache-Control")
            }
            assert "Content-Encoding" not in again.headers
            assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
        for unknown in ('W/"other"', "nonsense", tag.strip('W/"') + "x"):
            assert served.ask(path, Accept_Encoding=accepted, If_None_Match=unknown).status_code == 200


def test_head_is_get_without_a_body(served: _Served) -> None:
    """The same headers; so for what is unknown."""
    for path in ("/", served.at("style.css"), "/nowhere", "/health"):
        for accepted in ("gzip", ""):
            head = served.ask(path, "HEAD", Accept_Encoding=accepted)
            get = served.ask(path, Accept_Encoding=accepted)
            assert (head.status_code, head.data, dict(head.headers)) == (get.status_code, b"", dict(get.headers))


@pytest.mark.fault(672)
@pytest.mark.parametrize(
    "path",
    [
        "/nowhere", "/page/main.js", "/page/VERSION/main.js", "/page//main.js", "/page/{}", "/page/{}/", "/page/{}/nowhere.js",
        "/page/{}/index.html", "/page/{}/lib", "/page/{}/lib/", "/page/{}/main.js/", "/page/{}//main.js", "//page/{}/main.js",
        "/page/{}/../../../secret", "/page/{}/%2e%2e/%2e%2e/secret", "/page/{}/..%2f..%2fsecret", "/page/{}/lib/../main.js",
        "/page/{}/%2fetc/passwd", "/page/{}/main.js%00", "/page/{}/main.js%0a", "/page/{}/MAIN.JS", "/page/{}/main.py", "/page/{}/.hidden/key",
        "/page/{}x/main.js", "/page/%ff/main.js", "/%00", "/page/{}/" + "a" * 5000, "/tasks", "/robots.txt", "/favicon.ico",
    ],
)  # fmt: skip
def test_what_is_no_file_is_a_404_in_json(served: _Served, path: str) -> None:
    """Whatever is tried: only names that are in the folder lead to something."""
    answer = served.ask(path.replace("{}", served.version))
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json"), answer.data
    assert json.loads(answer.data)["ok"] is False
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.fault(672)
def test_other_methods_are_refused(served: _Served) -> None:
    """405 that names the methods, also where Flask would answer OPTIONS itself."""
    for path in ("/", "/page", served.at("main.js"), "/health", "/openapi.json"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = served.ask(path, method)
            assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/json"), (path, method)
            assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.fault(672)
def test_every_answer_forbids_a_browser_what_no_view_needs(served: _Served) -> None:
    """Errors of Flask's and the framework's included."""
    paths = [
        "/",
        "/page",
        "/page/",
        served.at("main.js"),
        "/nowhere",
        "/health",
        "/openapi.json",
        "/robots.txt",
        "/%ff",
    ]
    for path in paths:
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            headers = served.ask(path, method).headers
            policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
            assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'", path
            assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_health_is_that_of_every_function(served: _Served) -> None:
    """For Knative's probes, without looking at a file."""
    answer = served.ask("/health")
    assert (answer.status_code, answer.json, answer.headers["Content-Type"]) == (
        200,
        {"status": "pass"},
        "application/json",
    )
    assert served.ask("/openapi.json").json["openapi"] == "3.1.0"


def test_many_may_ask_at_once_first(tmp_path: Path) -> None:
    """Each gets the whole page, of one version."""
    served, ready, pages = _Served(tmp_path), Barrier(16), list[bytes]()
    fresh = _client(tmp_path).application

    def ask() -> None:
        ready.wait(30)
        pages.append(fresh.test_client().get("/").data)

    threads = [Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(pages), set(pages)) == (16, {served.ask("/").data})
