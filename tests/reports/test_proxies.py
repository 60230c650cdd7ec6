"""What the environment tells an HTTP client, in the command line. The functions' own client: test_kubernetes.py."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tests.reports.conftest import CASES
from tests.support.http_server import HttpServer

LINES = (CASES / "cli-proxy-variables/environment.txt").read_text().splitlines()
SECRET = "proxy-password-9d1"
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
COMMANDS = (["tasks"], ["tasks", "t1"], ["cancel", "t1"], ["logs", "t1"], ["spec", "airbyte/source-faker:7.2.1"])


def syncctl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line before a deployment elsewhere, with these variables alone of those that matter here."""
    kept = {name: value for name, value in os.environ.items() if name.upper() not in NAMES}  # noqa: TID251 - for a child
    deployment = {"SYNCCTL_URL": "https://sync.example.test", "SYNCCTL_TOKEN": "t"}
    done = subprocess.run(
        [sys.executable, "-m", "syncctl", *arguments],
        env=kept | deployment | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr + done.stdout
    return done


@pytest.fixture
def proxy() -> Iterator[list[tuple[str, str]]]:
    """A proxy that answers 407, and keeps what it was asked for: its address, then each method and target."""

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
            self.send_response(407, "Proxy Authentication Required")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HttpServer(("127.0.0.1", 0), Handler)
    asked = [("127.0.0.1", str(server.server_address[1]))]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield asked
    server.shutdown()
    server.server_close()
    thread.join()


SIBLINGS = (
    "all_proxy=socks5h://127.0.0.1:1",
    "HTTPS_PROXY=http://127.0.0.1:port",
    "HTTPS_PROXY=http://proxy..test:3128",
    "https_proxy=http://999.1.1.1:3128",
)


@pytest.mark.parametrize("line", [*LINES, *SIBLINGS])
@pytest.mark.fault(91)
def test_cli_proxy_variables(line: str) -> None:
    """A sentence with the variable's name where a proxy cannot be used; an odd exception is passed over."""
    name, _, value = line.partition("=")
    done = syncctl("tasks", **{name: value})
    assert done.returncode == 5
    expected = "Nothing answers at https://sync.example.test" if name == "NO_PROXY" else name.upper()
    assert expected in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_names_the_variable(command: list[str]) -> None:
    """Also with a password in the proxy's address."""
    done = syncctl(*command, ALL_PROXY=f"socks5://us:{SECRET}@127.0.0.1:1080")
    assert (done.returncode, "ALL_PROXY" in done.stderr) == (5, True)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_is_used_and_named(proxy: list[tuple[str, str]], name: str, scheme: str) -> None:
    """With its password, which is not shown, and beside exceptions that cannot be read."""
    address = f"us:{SECRET}@{':'.join(proxy[0])}"
    done = syncctl("tasks", **{name: scheme + address, "NO_PROXY": "[::1],10.0.0.0/8,.svc"})
    assert (done.returncode, name.upper() in done.stderr, "407" in done.stderr) == (5, True, True)
    assert proxy[1][0] == "sync.example.test:443"
    assert proxy[1][1].startswith("Basic ")


def test_no_proxy_keeps_a_host_from_it(proxy: list[tuple[str, str]]) -> None:
    """By its domain."""
    done = syncctl("tasks", HTTPS_PROXY=f"http://{':'.join(proxy[0])}", NO_PROXY="[::1],.example.test")
    assert (done.returncode, "Nothing answers" in done.stderr, len(proxy)) == (5, True, 1)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_cannot_be_read(name: str) -> None:
    """A file that is not there; a folder that is not there only holds none."""
    done = syncctl("tasks", **{name: "/no/such/place"})
    assert done.returncode == 5
    assert ("SSL_CERT_FILE" if name == "SSL_CERT_FILE" else "sync.example.test") in done.stderr
