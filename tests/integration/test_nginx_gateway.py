"""The gateway's nginx, as knative/gateway/nginx configures it, in front of a function."""

import gzip
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from msgspec import Struct

from tests.support.functions import ROOT, Server, running
from tests.support.http_server import HttpServer

_NGINX = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/bin:/usr/local/bin") or shutil.which("nginx")
_NOWHERE = "postgresql://app:app@127.0.0.1:1/app?sslmode=disable"
_UNFINISHED = b"POST /read HTTP/1.1\r\nHost: g\r\nX-Slow: " + b"x" * 79_000
_LONGER = _UNFINISHED + b"\r\nX-Slower: " + b"x" * 79_000 + b"\r\nX-Slowest: " + b"x" * 79_000
_HALF = b"POST /read HTTP/1.1\r\nHost: g\r\nContent-Length: 8000000\r\n\r\n"

pytestmark = pytest.mark.skipif(_NGINX is None, reason="nginx is not installed (Debian: nginx-light)")


class _Gateway(Struct, frozen=True):
    server: Server
    """Asked as a function is."""
    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def worker(self) -> Path:
        [worker] = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return Path("/proc", worker)

    @property
    def peak_bytes(self) -> int:
        return int(re.findall(r"VmHWM:\s+(\d+)", (self.worker / "status").read_text())[0]) * 1024

    def unnamed_files(self) -> list[Path]:
        """Files that are open and have no name: no limit of a volume counts them."""
        return [file for file in (self.worker / "fd").iterdir() if _target(file).endswith("(deleted)")]


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:  # closed since the folder was listed
        return ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[_Gateway]:
    """In front of a function that takes bodies."""
    with running("read", token="right", THREADS="12", SYNCCTL_DATABASE_URL=_NOWHERE) as function:
        yield from _in_front_of(function, tmp_path)


@pytest.fixture
def before_the_console(tmp_path: Path) -> Iterator[_Gateway]:
    """In front of the function that hands out files."""
    with running("console") as function:
        yield from _in_front_of(function, tmp_path)


def _in_front_of(function: Server, tmp_path: Path) -> Iterator[_Gateway]:
    """nginx with the deployed configuration, whose ports, folders and ingress are others."""
    assert _NGINX is not None
    outer, inner = _free_port(), _free_port()
    text = (ROOT / "knative/gateway/nginx/nginx.conf").read_text()
    for old, new in {
        "/tmp/": f"{tmp_path}/",
        "listen 8080": f"listen 127.0.0.1:{outer}",
        "127.0.0.1:8081": f"127.0.0.1:{inner}",
        "kourier-internal.kourier-system.svc.cluster.local:80": f"127.0.0.1:{function.port}",
        "/etc/gateway": str(tmp_path),
    }.items():
        assert old in text
        text = text.replace(old, new)
    user = "" if os.geteuid() else "user root;\n"  # else its worker may not enter the test's folder
    (tmp_path / "nginx.conf").write_text(user + text)
    (tmp_path / "namespace.conf").write_text("set $namespace functions ;")
    command = [_NGINX, "-c", str(tmp_path / "nginx.conf"), "-g", "daemon off;"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        _wait(process, outer, tmp_path / "log")
        yield _Gateway(Server(outer, function.log, "right", None, function.inspect), process, tmp_path)
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 30):
            return
        time.sleep(0.02)
    raise AssertionError(f"nginx did not start:\n{log.read_text()}")


def _limit(kind: str) -> int:
    """The gateway's memory, or its volume, in bytes."""
    [deployment] = [one for one in yaml.safe_load_all((ROOT / "knative/gateway/nginx/gateway.yaml").read_text())
                    if one["kind"] == "Deployment"]  # fmt: skip
    pod = deployment["spec"]["template"]["spec"]
    text = {
        "memory": pod["containers"][0]["resources"]["limits"]["memory"],
        "volume": pod["volumes"][1]["emptyDir"]["sizeLimit"],
    }[kind]
    return int(text.removesuffix("Mi")) * 1024 * 1024


def _connect(gateway: _Gateway, stack: ExitStack, sent: bytes) -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.server.port), 30))
    connection.sendall(sent)
    return connection


@pytest.mark.fault(225)
def test_unfinished_heads_at_the_gateway_fit_its_memory(gateway: _Gateway) -> None:
    """As long as they may be, and as many as it has connections: others are answered before that, and after."""
    with ExitStack() as stack:
        for sent in [_UNFINISHED, _LONGER] * 200:
            with suppress(ConnectionError):  # the longer ones are refused
                _connect(gateway, stack, sent)
        assert gateway.server.ask("GET", "/health").status == 200
        assert gateway.server.ask("GET", "/read").status == 405
        with suppress(OSError):
            for _ in range(620):
                _connect(gateway, stack, _UNFINISHED)
    assert gateway.server.ask("GET", "/health").status == 200
    assert gateway.peak_bytes < _limit("memory")


@pytest.mark.fault(225)
def test_slow_bodies_at_the_gateway_are_written_nowhere(gateway: _Gateway) -> None:
    """Without a token each is refused before its body; with one, the body goes to the function as it comes."""
    with ExitStack() as stack:
        held = [_connect(gateway, stack, _HALF + b"x" * 100_000) for _ in range(20)]
        for connection in held:
            assert connection.recv(100).startswith(b"HTTP/1.1 401")
        token = _HALF.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer right\r\n\r\n").replace(b"8000000", b"4000000")
        held = [_connect(gateway, stack, token + b"x" * 2_000_000) for _ in range(4)]
        assert gateway.server.ask("GET", "/read").status == 405
        assert gateway.unnamed_files() == []
    files = [file.stat().st_size for file in gateway.folder.rglob("*") if file.is_file()]
    assert sum(files) < _limit("volume")


def test_requests_pass_the_gateway(gateway: _Gateway) -> None:
    """Whole bodies, chunked ones, and 404 in the function's own words, whose body is not sent twice."""
    ask = gateway.server.ask
    target = "/read?package=airbyte/source-faker&version=1&syncId=s&taskId=t"
    body = b'{"config":{"a":"' + b"x" * 100_000 + b'"},"catalog":{"streams":[]}}'
    assert ask("POST", target, body).status == 503  # it got past every check, and there is no Postgres
    head = f"POST {target} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer right\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert gateway.server.raw(head.encode(), chunks).status == 503
    assert ask("GET", "/openapi.json", token="").json["openapi"] == "3.1.0"
    assert ask("POST", target, b"x" * 5_000_000).status == 413
    for sent in (b"", body):
        answer = ask("POST", "/read/no/such", sent)
        assert (answer.status, "/read and /health" in answer.error) == (404, True)
    answer = gateway.server.raw(head.replace("/read?", "/read/no/such?").encode(), chunks)
    assert (answer.status, "/read and /health" in answer.error) == (404, True)


def test_the_console_passes_the_gateway(before_the_console: _Gateway) -> None:
    """At / and below /console: its policy and its encoding as they are, 304, HEAD, and its own words of a 404."""
    ask = before_the_console.server.ask
    page = ask("GET", "/", Accept_Encoding="gzip")
    assert (page.status, page.headers["content-encoding"]) == (200, "gzip")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    text = gzip.decompress(page.body).decode()
    assert ask("GET", "/console").body.decode() == text
    assert ask("GET", "/console/").headers["location"].endswith("../console")
    [named] = re.findall(r'"(console/[0-9a-f]{16}/vendor/pico\.css)"', text)
    style = ask("GET", f"/{named}")
    assert (style.status, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert ask("GET", f"/{named}", If_None_Match=style.headers["etag"]).status == 304
    assert ask("HEAD", f"/{named}").headers["content-length"] == str(len(style.body))
    unknown = ask("GET", f"/{named}x")
    assert (unknown.status, "the console is at /" in unknown.error) == (404, True)
    assert ask("POST", "/", "x").headers["allow"] == "GET, HEAD"


@pytest.fixture
def before_nothing(tmp_path: Path) -> Iterator[_Gateway]:
    """In front of Knative's ingress where it knows no function: 404 without a word."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HttpServer(("127.0.0.1", 0), Handler) as ingress:
        Thread(target=ingress.serve_forever).start()
        try:
            yield from _in_front_of(Server(ingress.server_port, tmp_path / "log"), tmp_path)
        finally:
            ingress.shutdown()


@pytest.mark.fault(678)
def test_a_console_that_is_not_deployed_is_named(before_nothing: _Gateway) -> None:
    """In JSON, at each of its paths; and every other path says where the console is."""
    ask = before_nothing.server.ask
    for path in ("/", "/console", "/console/0123456789abcdef/main.js"):
        missing = ask("GET", path)
        assert (missing.status, "The function console is not deployed" in missing.error) == (404, True)
    elsewhere = ask("GET", "/nowhere")
    assert (elsewhere.status, "the console is at /" in elsewhere.error) == (404, True)


@pytest.mark.fault(222)
@pytest.mark.fault(223)
@pytest.mark.parametrize(
    "lines", ["Authorization: Bearer right\r\nAuthorization: Bearer wrong", "X: " + "x" * 90_000],
    ids=["two-tokens", "long"],
)  # fmt: skip
def test_what_the_gateway_refuses_itself_is_json(gateway: _Gateway, lines: str) -> None:
    """With a status of its own."""
    answer = gateway.server.raw(f"GET /read HTTP/1.1\r\nHost: g\r\n{lines}\r\n\r\n".encode(), method="GET")
    assert (answer.status, answer.json["ok"]) == (400, False)
