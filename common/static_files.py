"""A page and its files, for browsers: compressed, cached by content, and allowed nothing but their own origin."""

import gzip
import hashlib
import posixpath
import re
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from threading import Lock

import flask
import msgspec
from flask import Response

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Pico's icons
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = "index.html"
_FOREVER = "public, max-age=31536000, immutable"
_METHODS = ("GET", "HEAD")
_VERSION_LENGTH = 16
_TEXT = "text/plain"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""By ending; whatever else is there is a text. Not by `mimetypes`, which answers as the system's tables have it."""
_IMPORT = re.compile(r"""^(?:import|export)\b(?:[^;"'()=]*?\bfrom)?\s*["'](\.[^"']+)["']""", re.MULTILINE)
"""What a module needs before it runs; what it imports later, by `import(...)`, is not among it."""


class _File:
    def __init__(self, content: bytes, suffix: str) -> None:
        self.content, self.kind = content, _TYPES.get(suffix, _TEXT)
        self.tag = hashlib.sha256(content).hexdigest()[:_VERSION_LENGTH]

    @cached_property
    def compressed(self) -> bytes:
        """As it is sent; made when it is first asked for, since a cold start waits for this."""
        return gzip.compress(self.content, mtime=0)


class Files:
    """The files of a folder. `index.html` is the page; it names the others as `NAME/VERSION/path`.

    `first`: modules that its first view loads, and with them whatever they import: the page names them all, so that a
    browser asks for all of them at once and not for one after the other.
    """

    def __init__(self, folder: Path, name: str, first: tuple[str, ...] = ()) -> None:
        self._folder, self._name, self._first = folder, name, first
        self._address = re.compile(rf"/{name}/(?P<version>[0-9a-f]{{{_VERSION_LENGTH}}})/(?P<path>.+)")
        self._lock = Lock()
        if flask.has_app_context():  # also for what Flask and functions-framework answer themselves
            flask.current_app.after_request(_guard)

    def answer(self, request: flask.Request) -> Response:
        """Answer a GET or HEAD of the page, at / and /NAME, or of one of its files."""
        page = request.path in {"/", f"/{self._name}"}
        if request.path == f"/{self._name}/":  # the page's addresses are relative: it may be behind a prefix
            return self._answer(request, None, location=f"../{self._name}")
        found = self._address.fullmatch(request.path)
        file = self._page if page else self._files.get(found["path"]) if found else None
        if file is None or (found and found["path"] == _PAGE):
            return _refuse(
                f"There is nothing at this path; the console is at / and /{self._name}.", HTTPStatus.NOT_FOUND
            )
        # A page that was open before an update asks for files of its own version: it gets the present ones, once.
        cache = "no-cache" if page else _FOREVER if found and found["version"] == self.version else "no-store"
        return self._answer(request, file, cache)

    @property
    def version(self) -> str:
        """A hash of all files: with it in their addresses they may be kept always."""
        return self._loaded[1]

    def preloaded(self) -> list[str]:
        """Return the first modules and all that they import, each once."""
        found, left = dict[str, None](), list(self._first)
        while left:
            path = left.pop(0)
            if path in self._files and path not in found:
                found[path] = None
                imports = _IMPORT.findall(self._files[path].content.decode())
                left += [posixpath.normpath(posixpath.join(posixpath.dirname(path), one)) for one in imports]
        return list(found)

    @property
    def _files(self) -> dict[str, _File]:
        return self._loaded[0]

    @property
    def _loaded(self) -> tuple[dict[str, _File], str]:
        """All of them: a few hundred KB, and what is not among them is not served."""
        with self._lock:  # they are read once, however many ask at first
            return self._read

    @cached_property
    def _read(self) -> tuple[dict[str, _File], str]:
        paths = [path for path in sorted(self._folder.rglob("[!.]*")) if path.is_file()]
        named = {path.relative_to(self._folder).as_posix(): path for path in paths}
        # Not what an editor or a system has left there.
        files = {name: _File(path.read_bytes(), path.suffix) for name, path in named.items() if "/." not in f"/{name}"}
        found = hashlib.sha256()
        for name, file in files.items():
            found.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
        return files, found.hexdigest()[:_VERSION_LENGTH]

    @cached_property
    def _page(self) -> _File:
        """The page, with its files' addresses."""
        links = [f'<link rel="modulepreload" href="{self._name}/VERSION/{path}">' for path in self.preloaded()]
        text = self._files[_PAGE].content.replace(b"</head>", "\n".join([*links, "</head>"]).encode(), 1)
        return _File(text.replace(b"VERSION", self.version.encode()), ".html")

    def _answer(self, request: flask.Request, file: _File | None, cache: str = "", location: str = "") -> Response:
        if request.method not in _METHODS:
            response = _refuse(f"Use {' or '.join(_METHODS)} here.", HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["Allow"] = ", ".join(_METHODS)
            return response
        if file is None:
            return Response(status=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": location}, content_type=_TEXT)
        squeeze = request.accept_encodings.quality("gzip") > 0
        response = Response(file.compressed if squeeze else file.content, content_type=f"{file.kind}; charset=utf-8")
        response.headers["Cache-Control"] = cache
        response.headers["Vary"] = "Accept-Encoding"
        if squeeze:
            response.headers["Content-Encoding"] = "gzip"
        response.set_etag(file.tag, weak=True)  # weak: the same for both encodings
        response.make_conditional(request)
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            response.headers.pop("Content-Encoding", None)
        return response


def _refuse(error: str, status: HTTPStatus) -> Response:
    body = msgspec.json.encode({"ok": False, "error": error})
    return Response(body, status, {"Cache-Control": "no-store"}, content_type="application/json")


def _guard(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
