"""Installing connectors with the real uv: one from PyPI, others from packages made here."""

import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec
import pytest

from common.errors import Refused, SyncError, Unavailable
from embedded import settings
from embedded.connectors import pythons, uv
from embedded.connectors.connector import Environment
from embedded.connectors.install import Connectors
from tests.support.http_server import HttpServer

ROOT = Path(__file__).parents[2]
ENVIRONMENT = settings.environment()
REAL = "airbyte/source-hardcoded-records:0.0.48"

BACKEND = """
import json, os, time, zipfile
from pathlib import Path

PLACE, NAME, VERSION, PROGRAM, COMPILED = {settings!r}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    if COMPILED == "never" or (COMPILED and os.environ.get("CC") == "false"):
        raise SystemExit("tiny.c:1:10: fatal error: Python.h: No such file or directory")
    with (Path(PLACE) / "builds").open("a") as builds:
        builds.write(json.dumps(dict(os.environ)) + "\\n")
    while not (Path(PLACE) / "go").exists():
        time.sleep(0.01)
    stem = NAME.replace("-", "_") + "-" + VERSION
    info = stem + ".dist-info/"
    with zipfile.ZipFile(Path(folder) / (stem + "-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("tiny.py", "def main(): print('I am ' + " + repr(VERSION) + ")")
        wheel.writestr(info + "METADATA", f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", f"[console_scripts]\\n{{PROGRAM}} = tiny:main\\n")
        wheel.writestr(info + "RECORD", "")
    return stem + "-py3-none-any.whl"
"""

INSTALLER = """
import json, sys
from pathlib import Path
from embedded.connectors import pythons, uv
from embedded.connectors.connector import Environment
from embedded.connectors.install import Connectors
Connectors(Path(sys.argv[1]), {}, json.loads(sys.argv[2]), ["*"]).install(sys.argv[3], print)
"""


def wait_until(true: Callable[[], object]) -> None:
    """Polls; the test's own time-out is the limit."""
    while not true():
        time.sleep(0.01)


def run(command: str, folder: Path) -> str:
    """What a command line prints, run by a shell as in a pod."""
    return subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True, cwd=folder).stdout


class Shop:
    """A folder of source packages as the only index; a build waits until the shop is open."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.cache = place / "connectors"
        self.environment = {
            "HOME": str(place),
            "PATH": os.defpath,
            "PIP_FIND_LINKS": str(place),
            "UV_OFFLINE": "1",
            "UV_CACHE_DIR": str(place / "uv"),
        }

    def add_wheel(
        self, name: str, version: str, module: str = "", *, tag: str = "py3-none-any", metadata: str = ""
    ) -> None:
        """A finished package; with `module`, the code of its `main`, a connector."""
        stem = f"{name.replace('-', '_')}-{version}"
        info, code = f"{stem}.dist-info/", name.replace("-", "_")
        with zipfile.ZipFile(self.place / f"{stem}-{tag}.whl", "w") as wheel:
            wheel.writestr(f"{code}.py", f"import sys\ndef main():\n    {module}\n")
            wheel.writestr(f"{info}METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}")
            wheel.writestr(f"{info}WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            if module:
                program = f"{name.removeprefix('airbyte-')} = {code}:main"
                wheel.writestr(f"{info}entry_points.txt", f"[console_scripts]\n{program}\n")
            wheel.writestr(f"{info}RECORD", "")

    def add(self, name: str, version: str, program: str, *, compiled: str = "") -> None:
        """A source package; `compiled`: its build needs a compiler, and "never" gets along with one."""
        project = f'[project]\nname = "{name}"\nversion = "{version}"\n'
        build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        backend = BACKEND.format(settings=(str(self.place), name, version, program, compiled))
        stem = f"{name.replace('-', '_')}-{version}"
        with tarfile.open(self.place / f"{stem}.tar.gz", "w:gz") as archive:
            for path, text in (
                ("pyproject.toml", project + build),
                ("backend.py", backend),
                ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
            ):
                entry = tarfile.TarInfo(f"{stem}/{path}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))

    def open(self) -> None:
        (self.place / "go").touch()

    def builds(self) -> list[dict[str, str]]:
        """The environment that each build so far saw."""
        path = self.place / "builds"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def connectors(self, *, packages: Collection[str] = ("*",), **environment: str) -> Connectors:
        return Connectors(self.cache, {}, self.environment | environment, packages)

    def installer(self, image: str) -> subprocess.Popen[str]:
        """Another process that installs the image."""
        return subprocess.Popen(
            [sys.executable, "-c", INSTALLER, self.cache, json.dumps(self.environment), image],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.add("airbyte-source-tiny", "1.0.0rc1", "source-tiny")
    return shop


def test_real_connector_installs_and_runs(tmp_path: Path) -> None:
    """A connector from PyPI is ready after install, runs, and is not installed again."""
    connectors = Connectors(settings.connectors_folder(), {}, ENVIRONMENT)
    connectors.install(REAL, lambda _: None)
    assert connectors.is_ready(REAL)
    output = run(f"{connectors.command(REAL)} spec", tmp_path)
    assert json.loads(output.splitlines()[-1])["type"] == "SPEC"
    connectors.install(REAL, pytest.fail)


@pytest.mark.parametrize(
    "image", ["airbyte/source-no-such-connector-at-all:1.0.0", "airbyte/source-hardcoded-records:99.0.0"]
)
def test_unknown_package_or_version_is_refused(image: str, tmp_path: Path) -> None:
    """What PyPI does not have is refused for good: package, version, uv's reason and the ways out."""
    connectors = Connectors(tmp_path, {}, ENVIRONMENT, ["source-no-such-connector-at-all"])
    name, _, version = image.removeprefix("airbyte/").partition(":")
    with pytest.raises(Refused, match=f"^airbyte-{name} {version} cannot be installed: ") as refused:
        connectors.install(image, lambda _: None)
    assert "no version of" in refused.value.message or "not found" in refused.value.message
    assert (
        "Check the image's name and tag, or map it to a command of this machine (`syncctl serve --image"
        in refused.value.message
    )
    assert "//" not in refused.value.message
    assert str(tmp_path) not in refused.value.message
    assert not connectors.is_ready(image)
    assert not [path for path in tmp_path.rglob("airbyte-*") if path.is_dir()]


class Broken(http.server.BaseHTTPRequestHandler):
    """Answers everything with the status in the address."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def broken_index() -> Iterator[str]:
    with HttpServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [500, 401, 403, 429])
def test_index_out_of_order_is_no_verdict_on_the_package(status: int, broken_index: str, tmp_path: Path) -> None:
    """An index that fails or turns us away means "later"; its address and password are not shown."""
    index = f"http://user:hidden@{broken_index}/{status}/simple"
    environment = {"HOME": str(tmp_path), "PATH": os.defpath, "UV_HTTP_RETRIES": "0", "PIP_INDEX_URL": index}
    with pytest.raises(Unavailable, match=r"airbyte-source-faker 7\.2\.1 cannot be installed now") as unavailable:
        Connectors(tmp_path, {}, environment).install("airbyte/source-faker:7.2.1", lambda _: None)
    assert "hidden" not in unavailable.value.message
    assert broken_index not in unavailable.value.message


@pytest.mark.parametrize(
    "setting",
    [
        {"PIP_INDEX_URL": "http://me:hidden@127.0.0.1:99999/simple"},
        {"PIP_FIND_LINKS": "me:hidden@127.0.0.1/wheels"},
    ],
)
def test_a_malformed_address_shows_no_password(setting: dict[str, str], shop: Shop) -> None:
    """uv repeats what it cannot parse."""
    with pytest.raises((Unavailable, Refused)) as failed:
        shop.connectors(**setting).install("airbyte/source-tiny:1.0.0rc1", lambda _: None)
    assert "hidden" not in failed.value.message


@pytest.mark.parametrize(
    "setting",
    [
        {"PIP_INDEX_URL": "http://127.0.0.1:99999/simple"},
        {"PIP_INDEX_URL": "127.0.0.1:9/simple"},
        {"PIP_FIND_LINKS": "/not/there"},
        {"UV_INDEX_STRATEGY": "bogus"},
        {"UV_CONCURRENT_BUILDS": "0"},
        {"UV_CONFIG_FILE": "/not/there/uv.toml"},
    ],
)
def test_a_setting_that_uv_cannot_read_is_no_verdict_on_the_package(setting: dict[str, str], shop: Shop) -> None:
    """It can be mended."""
    with pytest.raises(Unavailable, match=r"cannot be installed now: .* and settings for packages .*, and try again\."):
        shop.connectors(**setting).install("airbyte/source-absent:1.0", lambda _: None)


def test_an_interpreter_that_hangs_is_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv would wait for it until the time of a whole install is over, and that for each version."""
    monkeypatch.setattr(uv, "INSTALL_SECONDS", 30)
    monkeypatch.setattr(pythons, "ANSWER_SECONDS", 1)
    shop.add_wheel("airbyte-source-picky", "1.0", OLDER)
    folder = shop.place / "hanging"
    folder.mkdir()
    for version in pythons.VERSIONS:
        program = folder / f"python{version}"
        program.write_text("#!/bin/sh\nexec /bin/sleep 1000\n")
        program.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(Refused):
        shop.connectors(PATH=str(folder)).install("airbyte/source-picky:1.0", lambda _: None)
    assert time.monotonic() - began < 30


def test_an_index_that_only_pip_conf_names_is_used(shop: Shop) -> None:
    """As for .venv."""
    shop.add_wheel("airbyte-source-good", "1.0", "print('I am good')")
    folder = shop.place / "simple" / "airbyte-source-good"
    folder.mkdir(parents=True)
    for wheel in shop.place.glob("airbyte_source_good*.whl"):
        wheel.rename(folder / wheel.name)
    with HttpServer(("127.0.0.1", 0), partial(Quiet, directory=shop.place)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        conf = shop.place / ".config" / "pip" / "pip.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(f"[global]\nindex-url = http://127.0.0.1:{server.server_port}/simple/\n")
        variables = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", "UV_HTTP_RETRIES": "0"}
        try:
            shop.connectors(UV_OFFLINE="0", PIP_FIND_LINKS="", **variables).install(
                "airbyte/source-good:1.0", lambda _: None
            )
        finally:
            server.shutdown()
            thread.join()


def test_network_out_of_order_can_be_tried_again(tmp_path: Path) -> None:
    """A proxy that is not there makes the install unavailable, not refused."""
    proxy = "http://127.0.0.1:9"
    environment = {"HOME": str(tmp_path), "PATH": os.defpath, "UV_HTTP_RETRIES": "0", "HTTPS_PROXY": proxy}
    with pytest.raises(Unavailable, match=r"network.*try again"):
        Connectors(tmp_path, {}, environment).install("airbyte/source-faker:7.2.1", lambda _: None)


def test_docker_tag_of_a_pre_release_is_found(shop: Shop) -> None:
    """Docker's 1.0.0-rc.1 is PyPI's 1.0.0rc1; the progress is reported."""
    shop.open()
    reports: list[str] = []
    image = "airbyte/source-tiny:1.0.0-rc.1"
    shop.connectors().install(image, reports.append)
    assert reports == [
        "installing airbyte-source-tiny 1.0.0-rc.1, which may take a minute or more ...",
        f"installed airbyte-source-tiny 1.0.0-rc.1 in {reports[-1].split()[-2]} s",
    ]
    assert run(shop.connectors().command(image), shop.place) == "I am 1.0.0rc1\n"


def test_folder_and_environment_of_the_caller_do_not_matter(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Project files where we run are not read, and neither our secrets nor our Python reach an install."""
    shop.open()
    here = tmp_path / "here"
    here.mkdir()
    (here / "uv.toml").write_text("this is no toml")
    (here / "manifest.yaml").write_text("type: Broken")
    monkeypatch.chdir(here)
    connectors = shop.connectors(
        VIRTUAL_ENV="/nowhere",
        PYTHONPATH="/nowhere",
        SYNCCTL_DATABASE_URL="hidden",
        UV_WORKING_DIR=str(here),
        no_proxy="example.test",
    )
    connectors.install("airbyte/source-tiny:1.0.0rc1", lambda _: None)
    (seen,) = shop.builds()
    assert "/nowhere" not in (seen.get("VIRTUAL_ENV"), seen.get("PYTHONPATH"))
    assert "hidden" not in seen.values()
    assert seen["no_proxy"] == "example.test"


@pytest.mark.fault(238)
def test_no_token_that_an_install_does_not_need_reaches_a_build(shop: Shop) -> None:
    """A build runs a package's code. Settings of the index reach uv, and none of them the connector's first start."""
    shop.open()
    shop.add("old-cdk", "1.0", "nothing")
    seen = shop.place / "seen"
    code = f"import json, os; open({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))"
    shop.add_wheel("airbyte-source-nosy", "1.0", code, metadata="Requires-Dist: old-cdk\n")
    tokens = {
        "UV_PUBLISH_TOKEN": "t", "UV_PUBLISH_PASSWORD": "t", "TWINE_PASSWORD": "t", "PIP_PASSWORD": "t",
        "AWS_SECRET_ACCESS_KEY": "t", "GITHUB_TOKEN": "t", "HATCH_INDEX_AUTH": "t", "SSL_CLIENT_KEY_PASSWORD": "t",
        "XDG_SESSION_COOKIE": "t",
    }  # fmt: skip
    needed = {"UV_HTTP_TIMEOUT": "9", "UV_INDEX_MINE_PASSWORD": "p", "NETRC": "/not/there"}
    shop.connectors(**tokens, **needed).install("airbyte/source-nosy:1.0", lambda _: None)
    [build] = shop.builds()
    assert not tokens.keys() & build.keys()
    assert needed.items() <= build.items()
    start = json.loads(seen.read_text())
    assert not (tokens | needed | {"PIP_FIND_LINKS": "", "UV_FIND_LINKS": ""}).keys() & start.keys()
    assert start["HOME"] == str(shop.place)


@pytest.mark.fault(236)
def test_a_package_that_anybody_may_own_is_not_installed(shop: Shop) -> None:
    """Nothing of it is fetched; the refusal names the setting that allows it, and then it is installed and stays."""
    image = "airbyte/source-tiny:1.0.0rc1"
    shop.open()
    with pytest.raises(Refused, match=r"SYNCCTL_CONNECTOR_PACKAGES=airbyte/source-tiny; or map it to a command"):
        shop.connectors(packages=["source-other"]).install(image, pytest.fail)
    assert not shop.cache.exists()
    assert not shop.builds()
    shop.connectors(packages=["source-tiny"]).install(image, lambda _: None)
    shop.connectors(packages=[]).install(image, pytest.fail)


@pytest.mark.fault(237)
def test_a_known_connector_comes_as_a_wheel_unless_it_is_named(shop: Shop) -> None:
    """Building it would run its code; what it depends on may be built, which old connectors need."""
    image = "airbyte/source-faker:9.0"
    shop.add("airbyte-source-faker", "9.0", "source-faker")
    shop.open()
    with pytest.raises(
        Refused, match=r"airbyte-source-faker 9\.0 cannot be installed: .*SYNCCTL_CONNECTOR_PACKAGES"
    ) as refused:
        shop.connectors(packages=[]).install(image, lambda _: None)
    assert "wheel" in refused.value.message
    assert not shop.builds()
    shop.connectors(packages=["source-faker"]).install(image, lambda _: None)
    assert len(shop.builds()) == 1


def test_what_a_known_connector_depends_on_may_be_built(shop: Shop) -> None:
    """Without a compiler."""
    shop.add("old-cdk", "1.0", "nothing")
    shop.add_wheel("airbyte-source-faker", "9.0", "print('I am faker')", metadata="Requires-Dist: old-cdk==1.0\n")
    shop.open()
    shop.connectors(packages=[]).install("airbyte/source-faker:9.0", lambda _: None)
    assert len(shop.builds()) == 1


def test_package_without_the_program_is_refused(shop: Shop) -> None:
    """A package of the right name that brings no connector is refused and not kept."""
    shop.add("airbyte-source-odd", "2.0", "something-else")
    shop.open()
    with pytest.raises(Refused, match=r"^airbyte-source-odd 2\.0 is not a connector.* source-odd"):
        shop.connectors().install("airbyte/source-odd:2.0", lambda _: None)
    assert not shop.connectors().is_ready("airbyte/source-odd:2.0")


def test_two_processes_install_once(shop: Shop) -> None:
    """While one process installs, another waits, says so, and then uses what the first one made."""
    image = "airbyte/source-tiny:1.0.0rc1"
    reports: list[str] = []
    with shop.installer(image) as first:
        wait_until(lambda: shop.builds() or first.poll() is not None)
        second = threading.Thread(target=shop.connectors().install, args=(image, reports.append))
        second.start()
        wait_until(lambda: reports)
        assert not shop.connectors().is_ready(image)
        shop.open()
        second.join()
        assert first.wait() == 0
    assert reports == ["waiting for another install of airbyte-source-tiny 1.0.0rc1 ..."]
    assert shop.connectors().is_ready(image)
    assert len(shop.builds()) == 1


def test_killed_install_does_not_count_and_is_repeated(shop: Shop) -> None:
    """After SIGKILL in the middle nothing is ready; the next install waits for what still runs, and succeeds."""
    image = "airbyte/source-tiny:1.0.0rc1"
    reports: list[str] = []
    with shop.installer(image) as first:
        wait_until(lambda: shop.builds() or first.poll() is not None)
        first.kill()
    assert not shop.connectors().is_ready(image)
    second = threading.Thread(target=shop.connectors().install, args=(image, reports.append))
    second.start()
    wait_until(lambda: reports)
    assert reports == ["waiting for another install of airbyte-source-tiny 1.0.0rc1 ..."]
    shop.open()
    second.join()
    assert reports[1] == "installing airbyte-source-tiny 1.0.0rc1, which may take a minute or more ..."
    assert shop.connectors().is_ready(image)
    assert run(shop.connectors().command(image), shop.place) == "I am 1.0.0rc1\n"


def test_lost_python_means_not_ready(shop: Shop) -> None:
    """When the Python a connector was installed with is gone, it counts as not installed and is made again."""
    shop.open()
    image = "airbyte/source-tiny:1.0.0rc1"
    shop.connectors().install(image, lambda _: None)
    (python,) = shop.cache.glob("*/bin/python")
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert not shop.connectors().is_ready(image)
    shop.connectors().install(image, lambda _: None)
    assert shop.connectors().is_ready(image)


def cut_stamp(home: Path) -> None:
    (home / "ready").write_bytes(b"")


def remove_packages(home: Path) -> None:
    shutil.rmtree(next(home.glob("lib/python*/site-packages")))


def remove_settings(home: Path) -> None:
    (home / "pyvenv.cfg").unlink()


def empty_program(home: Path) -> None:
    (home / "bin" / "source-good").write_bytes(b"")


def forbid_program(home: Path) -> None:
    (home / "bin" / "source-good").chmod(0o644)


def replace_python(home: Path) -> None:
    other = home.parent.parent / "python3.99"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    (home / "bin" / "python").unlink()
    (home / "bin" / "python").symlink_to(other)


def replace_by_file(home: Path) -> None:
    shutil.rmtree(home)
    home.write_text("a note")


def replace_by_link(home: Path) -> None:
    shutil.rmtree(home)
    home.symlink_to("/nowhere/x")


@pytest.mark.parametrize(
    "damage",
    [
        cut_stamp,
        remove_packages,
        remove_settings,
        empty_program,
        forbid_program,
        replace_python,
        replace_by_file,
        replace_by_link,
    ],
)
def test_a_damaged_environment_is_made_again(shop: Shop, damage: Callable[[Path], None]) -> None:
    """Whatever stands in its place."""
    image = "airbyte/source-good:1.0"
    shop.add_wheel("airbyte-source-good", "1.0", "print('I am good')")
    shop.connectors().install(image, lambda _: None)
    damage(shop.cache / "airbyte-source-good-1.0")
    assert not shop.connectors().is_ready(image)
    shop.connectors().install(image, lambda _: None)
    assert shop.connectors().is_ready(image)
    assert run(shop.connectors().command(image), shop.place) == "I am good\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another account")
def test_a_connector_of_another_account_does_not_run(shop: Shop) -> None:
    """It could be any program; the sentence names it and what to do."""
    image = "airbyte/source-good:1.0"
    shop.add_wheel("airbyte-source-good", "1.0", "print('I am good')")
    shop.connectors().install(image, lambda _: None)
    home = shop.cache / "airbyte-source-good-1.0"
    os.chown(home, 54321, 54321)
    assert not shop.connectors().is_ready(image)
    with pytest.raises(SyncError, match=rf"{home} belongs to another account \(54321\).*SYNCCTL_CONNECTORS"):
        shop.connectors().install(image, lambda _: None)


def test_a_cache_that_cannot_be_used_is_named(shop: Shop) -> None:
    """With the way out."""
    cache = shop.place / "file"
    cache.touch()
    connectors = Connectors(cache / "connectors", {}, shop.environment, ["*"])
    assert not connectors.is_ready("airbyte/source-good:1.0")
    with pytest.raises(Unavailable, match=rf"in {cache}/connectors: Not a directory.*SYNCCTL_CONNECTORS"):
        connectors.install("airbyte/source-good:1.0", lambda _: None)


def made(shop: Shop, image: str) -> Environment:
    """The version stands in the environment's own file."""
    name, _, version = image.removeprefix("airbyte/").partition(":")
    return msgspec.json.decode((shop.cache / f"airbyte-{name}-{version}" / "ready").read_bytes(), type=Environment)


def test_a_package_without_a_wheel_is_replaced_by_the_next_that_has_one(shop: Shop) -> None:
    """Not by the newest; progress, log and environment name it, and no compiler runs."""
    image = "airbyte/source-old:1.0"
    shop.add_wheel("airbyte-source-old", "1.0", "print('I am old')", metadata="Requires-Dist: numbers<2\n")
    shop.add("numbers", "1.0", "none", compiled="yes")
    for version in ("2.1", "2.2", "3.0"):
        shop.add_wheel("numbers", version)
    reports: list[str] = []
    shop.connectors().install(image, reports.append)
    assert made(shop, image) == Environment(pythons.OURS, "", {"numbers": ("1.0", "2.1")})
    assert f"Python {pythons.OURS}: numbers 1.0 has no wheel for this Python; trying a newer release ..." in reports
    assert reports[-1].endswith("s; it runs with numbers 2.1 instead of 1.0")
    command = shop.connectors().command(image)
    ran = subprocess.run(["sh", "-c", f"{command} read"], check=True, capture_output=True, text=True, cwd=shop.place)
    assert ran.stderr == "airbyte-source-old 1.0 runs with numbers 2.1 instead of 1.0\n"
    assert ran.stdout == "I am old\n"


def test_a_python_outside_of_the_range_is_used_where_no_other_can_be_had(shop: Shop) -> None:
    """An upper bound is often only caution: the connector runs, and its log says so."""
    image = "airbyte/source-careful:1.0"
    shop.add_wheel("airbyte-source-careful", "1.0", "print(sys.argv[1])", metadata="Requires-Python: >=3.1,<3.2\n")
    shop.connectors().install(image, lambda _: None)
    assert made(shop, image).note == f"runs with Python {pythons.OURS} instead of >=3.1,<3.2"


def test_what_only_a_compiler_can_build_is_built_where_there_is_one(shop: Shop) -> None:
    """As the last resort, since it may take long: nothing newer has a wheel."""
    image = "airbyte/source-native:1.0"
    shop.add_wheel("airbyte-source-native", "1.0", "print('native')", metadata="Requires-Dist: numbers<2\n")
    shop.add("numbers", "1.0", "none", compiled="yes")
    shop.open()
    shop.connectors().install(image, lambda _: None)
    assert made(shop, image).note == ""


def test_a_compilers_output_is_never_shown(shop: Shop) -> None:
    """Two lines: what is missing for which Python, and what to do."""
    shop.add_wheel("airbyte-source-native", "1.0", "print('native')", metadata="Requires-Dist: numbers<2\n")
    shop.add("numbers", "1.0", "none", compiled="never")
    with pytest.raises(Refused) as refused:
        shop.connectors().install("airbyte/source-native:1.0", lambda _: None)
    first, second = refused.value.message.splitlines()
    assert first == (
        f"airbyte-source-native 1.0 does not run with Python {pythons.OURS}: numbers 1.0 has no wheel for this Python."
    )
    assert re.fullmatch(r"Install Python 3\.\d+ by `.*uv python install 3\.\d+` .*, and try again\.", second)


def test_a_connector_that_does_not_start_is_refused_with_a_python_to_try(shop: Shop) -> None:
    """It installs, but its import fails under every Python that is at hand."""
    image = "airbyte/source-ancient:1.0"
    shop.add_wheel("airbyte-source-ancient", "1.0", "raise ValueError('mutable default')")
    with pytest.raises(Refused) as refused:
        shop.connectors().install(image, lambda _: None)
    first, second = refused.value.message.splitlines()
    assert first == f"airbyte-source-ancient 1.0 does not run with Python {pythons.OURS}: ValueError: mutable default."
    assert second.startswith("Install Python 3.")
    assert not shop.connectors().is_ready(image)


def another_python(versions: Iterable[str] = pythons.VERSIONS) -> Path:
    """A Python of another minor version that works here; most machines have one, so its tests run somewhere."""
    found = [shutil.which(f"python{version}") for version in versions]
    kept = [Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}") for version in versions]
    for path in (*map(Path, filter(None, found)), *chain.from_iterable(kept)):
        works = subprocess.run([path, "-c", "import venv"], check=False, capture_output=True).returncode == 0
        if works and not pythons.same(path.name.removeprefix("python"), pythons.OURS):
            return path
    pytest.skip("this machine has no Python of another version")


OLDER = f"sys.version_info[:2] == {sys.version_info[:2]} and sys.exit('ValueError: too new'); print(sys.version)"


def test_another_python_of_this_machine_is_used_where_ours_does_not_do(shop: Shop) -> None:
    """As published, with nothing replaced."""
    other = another_python()
    image = "airbyte/source-picky:1.0"
    shop.add_wheel("airbyte-source-picky", "1.0", OLDER)
    reports: list[str] = []
    path = os.pathsep.join([str(other.parent), os.defpath])
    shop.connectors(PATH=path).install(image, reports.append)
    assert (
        f"airbyte-source-picky 1.0 does not run with Python {pythons.OURS}: ValueError: too new; looking further ..."
    ) in reports
    assert made(shop, image).note == ""
    assert not pythons.same(made(shop, image).python, pythons.OURS)
    assert run(shop.connectors().command(image), shop.place).startswith(made(shop, image).python)


DESCRIBE = """
import json, os, platform, sys, sysconfig
real = os.path.realpath(sys.executable)
print(json.dumps([real, platform.python_version(), platform.machine(), sysconfig.get_path("stdlib")]))
"""


@pytest.fixture
def downloads(shop: Shop) -> Iterator[dict[str, str]]:
    """The site that uv downloads Pythons from cannot be had in a test: one here offers a Python of this machine."""
    described = subprocess.check_output([another_python(pythons.DOWNLOADED), "-c", DESCRIBE])
    program, version, machine, library = json.loads(described)
    major, minor, patch = map(int, version.split("."))
    with tarfile.open(shop.place / "python.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(program, f"python/bin/python{major}.{minor}")
        archive.add(library, f"python/lib/python{major}.{minor}", filter=_needed)
    with HttpServer(("127.0.0.1", 0), partial(Quiet, directory=shop.place)) as server:
        offer = {
            "name": "cpython", "major": major, "minor": minor, "patch": patch, "prerelease": "", "variant": None,
            "arch": {"family": machine, "variant": None}, "os": "linux", "libc": "gnu", "build": "20261129",
            "url": f"http://127.0.0.1:{server.server_port}/python.tar.gz", "sha256": None,
        }  # fmt: skip
        (shop.place / "offers.json").write_text(json.dumps({f"cpython-{version}-linux-{machine}-gnu": offer}))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield {
            "UV_OFFLINE": "0",
            "UV_DEFAULT_INDEX": f"http://127.0.0.1:{server.server_port}/none",
            "UV_PYTHON_DOWNLOADS_JSON_URL": f"file://{shop.place}/offers.json",
            "UV_PYTHON_INSTALL_DIR": str(shop.place / "pythons"),
        }
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        pass


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if {"test", "site-packages", "__pycache__"} & set(entry.name.split("/")) else entry


def test_a_python_is_downloaded_where_no_other_does(shop: Shop, downloads: dict[str, str]) -> None:
    """Into the place where uv's users expect it, with nothing left in their folder for programs."""
    image = "airbyte/source-picky:1.0"
    shop.add_wheel("airbyte-source-picky", "1.0", OLDER)
    nowhere = shop.place / "programs"
    nowhere.mkdir()
    for program in ("sh", "false"):
        (nowhere / program).symlink_to(str(shutil.which(program)))
    reports: list[str] = []
    shop.connectors(PATH=str(nowhere), **downloads).install(image, reports.append)
    assert any(report.startswith("downloading Python 3.") for report in reports)
    assert made(shop, image).note == ""
    assert run(shop.connectors().command(image), shop.place).startswith(made(shop, image).python)
    assert [*(shop.place / "pythons").glob("cpython-*")]
    assert not (shop.place / ".local" / "bin").exists()
