"""What is missing on a machine is told before the work: scripts/preflight.py and scripts/venv.sh, run for real.

What this machine has cannot be taken away: other systems' names come by options, other programs by a PATH of links.
"""

import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from syncctl.commands.options import DEFAULT_PORT
from tests.support.machines import BEGIN, ROOT, SUDO, SYSTEMS, named, project, release

__all__ = ["project", "release"]  # found here by pytest

PREFLIGHT = ROOT / "scripts" / "preflight.py"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

PLAIN = {"PATH": os.defpath, "HOME": str(Path.home())}


def preflight(
    *arguments: object,
    script: Path = PREFLIGHT,
    python: str = sys.executable,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, str]:
    """Exit code and lines."""
    done = subprocess.run(
        [python, script, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**PLAIN, **environment},
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_good_machine_gives_no_line() -> None:
    """But for the index, which is asked by each fresh machine's tests (tests/fresh)."""
    looks = ("python", "venv", "libc", "processor")
    assert preflight(*looks) == (0, "")


def test_it_parses_under_old_pythons() -> None:
    """Else they would answer with a SyntaxError."""
    for script in (PREFLIGHT, ROOT / "embedded" / "connectors" / "package_settings.py"):
        ast.parse(script.read_text(), feature_version=(3, 6))


def old_pythons() -> Iterator[str]:
    """Those of this machine: on PATH, or of pyenv."""
    for minor in range(6, 11):
        yield from filter(None, [shutil.which(f"python3.{minor}")])
        yield from map(str, (Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python3"))


def test_an_old_python_is_told_politely(tmp_path: Path) -> None:
    """By the script under that Python, and by venv.sh, which does not use it."""
    olds = [
        old for old in old_pythons() if subprocess.run([old, "-V"], check=False, capture_output=True).returncode == 0
    ]
    if not olds:
        pytest.skip("this machine has no Python older than 3.11")
    (tmp_path / "os-release").write_text(SYSTEMS["debian"][0])
    for old in olds:
        code, text = preflight("python", "--os-release", tmp_path / "os-release", python=old)
        assert code == 1
        assert text.startswith("missing: Python 3.11 or newer; ")
        assert f"Install one: {SUDO}apt update && {SUDO}apt install python3.11 python3.11-venv - " in text
        assert text.endswith("make PYTHON=/path/to/python3 demo\n")
    done = subprocess.run(
        ["sh", ROOT / "scripts" / "venv.sh"],
        env={**PLAIN, "PYTHON": olds[0]},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, BEGIN)
    assert "missing: Python 3.11 or newer; " in done.stderr


@pytest.mark.parametrize("release", SYSTEMS, indirect=True)
def test_a_python_without_venv_is_told(tmp_path: Path, release: tuple[Path, str]) -> None:
    """With the command of this system, or all where it is unknown."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError")  # stands for Debian's Python without python3-venv
    code, text = preflight("venv", "--os-release", release[0], environment={"PYTHONPATH": str(tmp_path)})
    assert code == 1
    assert text.startswith("missing: Python's venv module. Install it: ")
    assert text.count("\n") == 1
    assert named(text) == release[1]
    assert ("apt" in release[1]) == (f"apt install python{VERSION}-venv" in text)


def test_little_disk_is_told(project: Path) -> None:
    """Fatal only if .venv itself does not fit and is not there yet; caches may be full of what is wanted already."""
    script = project / "scripts" / "preflight.py"
    code, text = preflight("disk", "--venv-mib", 10**9, script=script)
    assert code == 1
    assert text.startswith("missing: ")
    assert f" MiB of disk space at {project}, where " in text
    code, text = preflight("disk", "--home-mib", 10**9, script=script)
    assert (code, text[:6]) == (0, "note: ")
    (project / ".venv").mkdir()
    (project / ".venv" / "ready").touch()
    code, text = preflight("disk", "--venv-mib", 10**9, script=script)
    assert (code, text[:6]) == (0, "note: ")
    assert preflight("disk", "--venv-mib", 0, "--home-mib", 0, script=script) == (0, "")


def test_little_memory_is_told() -> None:
    """It may suffice, so it is a note."""
    code, text = preflight("memory", "--memory-mib", 10**9)
    assert code == 0
    assert text.startswith("note: ")
    assert " MiB of memory are free, and `make demo` takes up to 1000000000." in text
    assert preflight("memory", "--memory-mib", 0) == (0, "")


@pytest.mark.parametrize(
    ("libc", "told"),
    [
        ("", "missing: glibc; this system has another C library (musl?), for which"),
        ("glibc 2.27", "missing: glibc 2.28 or newer; this system has glibc 2.27, for which"),
        ("glibc 2.28", ""),
        ("glibc 3.0", ""),
    ],
)
def test_another_c_library_is_told(libc: str, told: str) -> None:
    """There are no wheels for it."""
    code, text = preflight("libc", "--libc", libc)
    assert code == (1 if told else 0)
    assert text.startswith(told)
    assert bool(text) == bool(told)


@pytest.mark.parametrize(("processor", "code"), [("riscv64", 1), ("i686", 1), ("aarch64", 0), ("x86_64", 0)])
def test_another_processor_is_told(processor: str, code: int) -> None:
    """There are no wheels for it."""
    found, text = preflight("processor", "--processor", processor)
    assert found == code
    assert (f"for this processor ({processor}, 64 bits)" in text) == bool(code)


def test_a_taken_port_is_a_note() -> None:
    """It tells how `make serve` takes another one, unless one is named already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, text = preflight("port", "--port", port)
        assert code == 0
        assert text == (
            f"note: port {port} is taken. `make demo` uses another one; "
            f"for `make serve`: SYNCCTL_HTTP_PORT={port + 1} make serve\n"
        )
        assert preflight("port", "--port", port, environment={"SYNCCTL_HTTP_PORT": "4000"}) == (0, "")
    assert preflight("port", "--port", port) == (0, "")
    assert f"\nPORT = {DEFAULT_PORT}\n" in PREFLIGHT.read_text()


@pytest.fixture
def refused() -> Iterator[str]:
    """Where nobody answers."""
    with socket.socket() as held:  # bound, so that nobody else listens there
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "HTTPS_PROXY"])
def test_an_unreachable_index_is_told(refused: str, variable: str) -> None:
    """In one line, with pip's reason and without passwords."""
    path = "/simple" if variable == "PIP_INDEX_URL" else ""
    code, text = preflight("index", environment={variable: f"http://me:hidden@{refused}{path}"})
    assert code == 1
    assert text.startswith("missing: a package index that pip can reach. Check the network, the variables HTTPS_PROXY")
    assert "Connection refused" in text
    assert text.count("\n") == 1
    assert "hidden" not in text


def test_an_address_that_pip_repeats_shows_no_password() -> None:
    """pip hides those of addresses that it understands."""
    code, text = preflight("index", environment={"PIP_INDEX_URL": "http://me:hidden@[broken/simple"})
    assert code == 1
    assert text.count("\n") == 1
    assert "hidden" not in text


@pytest.mark.parametrize(
    "variables",
    [
        {"PIP_INDEX_URL": "me:hidden@127.0.0.1:9/simple"},
        {"PIP_INDEX_URL": "http://me:hidden/x@127.0.0.1:9/simple"},
        {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "me:hidden@127.0.0.1/wheels"},
    ],
    ids=["no scheme", "slash in the password", "find-links"],
)
def test_a_malformed_address_shows_no_password(variables: dict[str, str]) -> None:
    """pip repeats what it cannot parse, in whole or in part."""
    code, text = preflight("index", environment=variables)
    assert code == 1
    assert text.count("\n") == 1
    assert "hidden" not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another account")
def test_a_home_that_may_not_be_entered_gives_no_traceback(tmp_path: Path) -> None:
    """As with `su -m`, or `docker run --user`: HOME stays root's."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    become = f"import os, sys; sys.path.insert(0, {str(PREFLIGHT.parent)!r}); import preflight; os.setuid(65534); "
    done = subprocess.run(
        [sys.executable, "-c", f"{become} preflight.main(['disk', '--venv-mib', '0', '--home-mib', '0'])"],
        check=False,
        capture_output=True,
        text=True,
        env={"XDG_CACHE_HOME": str(closed / "cache")},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_index_that_never_answers_is_not_waited_for() -> None:
    """Whatever pip would do."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        code, text = preflight("index", "--index-seconds", 2, environment={"PIP_INDEX_URL": address})
    assert code == 1
    assert text.endswith(" pip: no answer within 2 seconds.\n")


def test_ctrl_c_is_no_traceback() -> None:
    """One word, the usual exit code, and no pip that waits on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = {**PLAIN, "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/simple"}
        command = [sys.executable, str(PREFLIGHT), "index"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            silent.settimeout(60)
            with silent.accept()[0] as pip:
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=30)
                pip.settimeout(30)
                while pip.recv(65536):
                    pass
    assert (process.returncode, err) == (130, "Interrupted.\n")


def test_everything_is_told_at_once(refused: str) -> None:
    """Notes do not hide what is missing."""
    arguments = ("--processor", "riscv64", "--libc", "", "--memory-mib", 10**9)
    code, text = preflight(*arguments, environment={"PIP_INDEX_URL": f"http://{refused}/simple"})
    lines = text.splitlines()
    assert code == 1
    assert len([line for line in lines if line.startswith("missing: ")]) == 3
    assert len([line for line in lines if line.startswith("note: ")]) >= 1
