"""A connector that does not start with the newest packages gets those of its release, by the real uv."""

import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from common.errors import Refused
from embedded.connectors import pythons
from embedded.connectors.connector import Environment
from embedded.connectors.install import Connectors
from tests.support.http_server import HttpServer

IMAGE = "airbyte/source-old:1.0"
TRACE = {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 0, "error": {"message": "Too new"}}}
SPEC = {"type": "SPEC", "spec": {"connectionSpecification": {}}}
CONNECTOR = f"""
import json, cdk
def main():
    print(json.dumps({SPEC!r} if cdk.VERSION == "1.0" else {TRACE!r}))
"""


class Index(http.server.SimpleHTTPRequestHandler):
    """The JSON form of a package index (PEP 691), which tells when a file was uploaded."""

    times = True

    def do_GET(self) -> None:
        if not self.path.startswith("/simple/"):
            return super().do_GET()
        name = self.path.split("/")[2]
        files = [_file(path, times=self.times) for path in Path(self.directory).glob(f"{name.replace('-', '_')}-*.whl")]
        body = json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": []}).encode()
        self.send_response(200 if files else 404)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *_: object) -> None:
        pass


class Timeless(Index):
    times = False


def _file(path: Path, *, times: bool) -> dict[str, object]:
    uploaded = {"upload-time": path.with_suffix(".time").read_text()} if times else {}
    return {"filename": path.name, "url": f"/{path.name}", "hashes": {}, **uploaded}


def _wheel(place: Path, name: str, version: str, code: str, uploaded: str, metadata: str = "") -> None:
    stem = f"{name.replace('-', '_')}-{version}"
    info, module = f"{stem}.dist-info/", name.replace("-", "_")
    path = place / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{module}.py", code)
        wheel.writestr(f"{info}METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}")
        wheel.writestr(f"{info}WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        if metadata:
            program = f"{name.removeprefix('airbyte-')} = {module}:main"
            wheel.writestr(f"{info}entry_points.txt", f"[console_scripts]\n{program}\n")
        wheel.writestr(f"{info}RECORD", "")
    path.with_suffix(".time").write_text(uploaded)


@pytest.fixture(params=[Index])
def connectors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connectors]:
    """Connectors whose only index has a connector of 2020, and what it needs in releases of 2019 and 2024."""
    _wheel(tmp_path, "airbyte-source-old", "1.0", CONNECTOR, "2020-05-01T10:00:00.5Z", "Requires-Dist: cdk>=1\n")
    _wheel(tmp_path, "cdk", "1.0", "VERSION = '1.0'", "2019-05-01T10:00:00Z")
    _wheel(tmp_path, "cdk", "2.0", "VERSION = '2.0'", "2024-05-01T10:00:00Z")
    with HttpServer(("127.0.0.1", 0), partial(request.param, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        variables = {
            "HOME": str(tmp_path),
            "PATH": "/nowhere",  # no other Python
            "UV_DEFAULT_INDEX": f"http://127.0.0.1:{server.server_port}/simple/",
            "UV_CACHE_DIR": str(tmp_path / "uv"),
            "UV_HTTP_RETRIES": "0",
            "UV_PYTHON_DOWNLOADS_JSON_URL": f"file://{tmp_path}/none.json",
            "UV_PYTHON_INSTALL_DIR": str(tmp_path / "pythons"),
        }
        (tmp_path / "none.json").write_text("{}")
        yield Connectors(tmp_path / "cache", {}, variables, ["*"])
        server.shutdown()
        thread.join()


@pytest.mark.fault(391)
def test_a_connector_runs_with_the_packages_of_its_release(connectors: Connectors, tmp_path: Path) -> None:
    """It ends with 0 and without a specification; the progress, the environment and each task's log tell."""
    reports: list[str] = []
    connectors.install(IMAGE, reports.append)
    made = msgspec.json.decode(next(tmp_path.glob("cache/*/ready")).read_bytes(), type=Environment)
    assert (made.python, made.until) == (pythons.OURS, "2020-05-02T10:00:00Z")
    assert reports[1] == "airbyte-source-old 1.0 does not start (Too new); trying the packages of 2020-05-02 ..."
    assert reports[-1].endswith("; it runs with the packages of 2020-05-02, the time of its release")
    assert "runs with the packages of 2020-05-02" in connectors.command(IMAGE)


@pytest.mark.parametrize("connectors", [Timeless], indirect=True)
def test_an_index_that_tells_no_times_changes_nothing(connectors: Connectors) -> None:
    """The connector's own words stay the reason."""
    with pytest.raises(Refused, match=r"^airbyte-source-old 1.0 does not run with Python .*: Too new\."):
        connectors.install(IMAGE, lambda _: None)
