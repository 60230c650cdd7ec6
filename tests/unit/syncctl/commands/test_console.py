"""`syncctl console`: a browser that is signed in, and a token that nobody else sees on its way there."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from syncctl.commands import console
from tests.support.fake_deployment import TOKEN, FakeDeployment, fake_deployment
from tests.support.terminal import COMMAND, Ran, environment

ODD = "a+b/c=&<'\"#%"
"""A token with whatever an address or a page could misread."""
BROWSER = """
import json, os, pathlib, sys, urllib.parse
place = pathlib.Path(urllib.parse.unquote(urllib.parse.urlsplit(sys.argv[1]).path))
lines = {}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        lines[process.name] = (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        pass
modes = [oct(path.stat().st_mode & 0o777) for path in (place, place.parent)]
found = {"page": place.read_text(), "folder": str(place.parent), "modes": modes, "lines": lines, "argument": sys.argv[1]}
pathlib.Path(sys.argv[2]).write_text(json.dumps(found))
"""


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        yield script


def _run(url: str, *arguments: str, **env: str) -> Ran:
    given = {"BROWSER": "", "DISPLAY": "", "WAYLAND_DISPLAY": "", **env}
    done = subprocess.run(
        [*COMMAND, "console", *arguments], env=environment(url, **given), capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def _opened(folder: Path, url: str) -> tuple[Ran, dict[str, Any]]:
    """What a browser that was opened has seen."""
    program, seen = folder / "browser.py", folder / "secrets" / "seen.json"
    seen.parent.mkdir()
    program.write_text(BROWSER)
    done = _run(url, BROWSER=f"{sys.executable} {program} %s {seen}")
    found = json.loads(seen.read_text())
    seen.unlink()
    return done, found


@pytest.mark.fault(675)
def test_the_token_reaches_the_browser_by_a_file_alone(server: FakeDeployment, tmp_path: Path) -> None:
    """Of mode 0600 in a folder of its own, and in no process's arguments; another process removes it later."""
    done, seen = _opened(tmp_path, server.url)
    try:
        assert (done.code, done.out) == (0, ""), done.err
        assert f"Opened {server.url}/ in a browser" in done.err
        assert (seen["modes"], seen["argument"][:8]) == (["0o600", "0o700"], "file:///")
        assert not [line for line in seen["lines"].values() if TOKEN in line]
        assert _link(seen["page"]) == (f"{server.url}/", TOKEN)
        assert TOKEN not in done.err + done.out
        assert _removing(seen["folder"])
    finally:
        _forget(seen["folder"])


def _link(page: str) -> tuple[str, str]:
    """The address to which a page leads, at once and by hand, and the token behind it."""
    [link] = set(re.findall(r'(?:url=|href=")([^"]+)"', page))
    address, _, token = link.partition("#token=")
    return address, unquote(token)


def _removing(folder: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder in (process / "cmdline").read_bytes().decode(errors="replace").split("\0"):
                found.append(int(process.name))
    return found


def _forget(folder: str) -> None:
    for process in _removing(folder):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    shutil.rmtree(folder)


@pytest.mark.fault(675)
def test_the_file_is_removed(tmp_path: Path) -> None:
    """With its folder, by a program that knows nothing but its name."""
    folder = tmp_path / "made"
    folder.mkdir()
    page = console._write(folder, "http://127.0.0.1:1/", "t")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    subprocess.run([sys.executable, "-I", "-c", console._REMOVE, "0", str(folder)], check=True, timeout=60)
    assert not folder.exists()


@pytest.mark.parametrize(("token", "sent"), [(ODD, ODD), ("", "none")])
def test_any_token_gets_through(tmp_path: Path, token: str, sent: str) -> None:
    """Where none is required the console has to have one all the same."""
    page = console._write(tmp_path, "https://sync.example.test/a&b/", token).read_text()
    assert _link(page) == ("https://sync.example.test/a&amp;b/", sent)


def test_a_page_that_is_there_already_is_not_written_into(tmp_path: Path) -> None:
    """Somebody else's file, or link, would get the token."""
    (tmp_path / "console.html").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        console._write(tmp_path, "http://127.0.0.1:1/", "t")


@pytest.mark.fault(676)
@pytest.mark.parametrize("browser", ["", "lynx", "broken"])
def test_without_a_browser_it_says_what_to_do(server: FakeDeployment, tmp_path: Path, browser: str) -> None:
    """None is installed, or one that runs no scripts, or one that fails: the address, where the token is, and a way."""
    if browser:
        (tmp_path / browser).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / browser).chmod(0o755)
    env = {"BROWSER": f"{tmp_path}/broken %s"} if browser == "broken" else {}
    done = _run(server.url, PATH=str(tmp_path), **env)
    assert done.code == 1
    assert f"Console: {server.url}/\nToken: the one of --token or SYNCCTL_TOKEN" in done.out
    assert "Open this address yourself" in done.err
    assert f"ssh -L {server.url.rpartition(':')[2]}:127.0.0.1:" in done.err
    assert TOKEN not in done.out + done.err


def test_print_opens_nothing(server: FakeDeployment, tmp_path: Path) -> None:
    """And asks nobody. The embedded edition's token is in a file, which is named."""
    home = tmp_path / "secrets"
    home.mkdir()
    (home / "token").write_text(f"{TOKEN}\n")
    done = _run(server.url, "--print", SYNCCTL_HOME=str(home), SYNCCTL_TOKEN="", BROWSER="false %s")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"Console: {server.url}/\nToken: in the file {home}/token\n"
    done = _run(server.url, "--print", "--json", SYNCCTL_HOME=str(home), SYNCCTL_TOKEN="")
    assert json.loads(done.out) == {"url": f"{server.url}/", "opened": False, "tokenFile": f"{home}/token"}
    assert server.requests == []


def test_print_elsewhere_names_the_tokens(tmp_path: Path) -> None:
    """A password for a proxy in front is not shown, and a path stays."""
    done = _run("https://us:hunter2@sync.example.test/sync", "--print")
    assert done.out.startswith("Console: https://sync.example.test/sync/\nToken: the one of --token or SYNCCTL_TOKEN")
    assert "ssh" not in done.err
    done = _run("https://sync.example.test", "--print", SYNCCTL_TOKEN="")
    assert "one of the deployment's SYNCCTL_AUTH_TOKENS" in done.out


def test_what_is_wrong_is_said_before_a_browser_opens(server: FakeDeployment) -> None:
    """A wrong token, nobody who answers, or an address for each function."""
    server.faults = [(401, {}, b'{"ok":false,"error":"wrong"}')]
    done = _run(server.url, BROWSER="false %s")
    assert (done.code, "Pass the deployment's token" in done.err) == (5, True)
    done = _run("http://127.0.0.1:1", BROWSER="false %s")
    assert (done.code, "Nothing answers" in done.err) == (5, True)
    done = _run("http://{function}.example.test", BROWSER="false %s")
    assert (done.code, "one address for all functions" in " ".join(done.err.split())) == (2, True)
