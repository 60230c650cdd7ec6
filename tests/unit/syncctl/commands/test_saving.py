"""`syncctl read --save-as`: what is written, when, and what is shown."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_deployment import FakeDeployment, fake_deployment, task
from tests.support.terminal import Ran, run

IMAGE = "airbyte/source-faker:7.2.1"
SPEC = {"connectionSpecification": {"properties": {"pin": {"airbyte_secret": True}}}}
STREAM = {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        script.courses |= {
            "spec": [task("spec", command="spec", result=SPEC)],
            "discover": [task("discover", command="discover", result={"streams": [STREAM]})],
            "mine": [task("mine")],
        }
        yield script


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "my config.json"
    path.write_text('{"count": 5, "login": {"pin": "planted-12"}}')
    return path


def _read(server: FakeDeployment, config: Path, *more: str) -> Ran:
    saved = config.with_name("saved.yaml")
    words = ("read", IMAGE, "-c", str(config), "--sync", "nightly", "--task", "mine", "--save-as", str(saved), *more)
    return run(server.url, *words)


def test_a_read_is_kept_as_a_document(server: FakeDeployment, config: Path) -> None:
    """Streams only if some were chosen: else the sync reads what the connector offers."""
    done = _read(server, config, "--prefix", "raw_")
    assert done.code == 0
    text = config.with_name("saved.yaml").read_text()
    assert "name: nightly" in text
    assert "prefix: raw_" in text
    assert "streams" not in text
    assert f"Declare it with `syncctl apply -f {config.with_name('saved.yaml')}`." in done.err


def test_chosen_streams_are_in_it(server: FakeDeployment, config: Path) -> None:
    """With their modes."""
    _read(server, config, "--stream", "users")
    assert "mode: full_refresh" in config.with_name("saved.yaml").read_text()


def test_the_command_for_the_secret_makes_its_values(server: FakeDeployment, config: Path) -> None:
    """Out of the same file; no value is printed."""
    done = _read(server, config)
    [command] = [line.strip() for line in done.err.splitlines() if "secret set" in line]
    assert command == f"""jq -j '.["login"]["pin"]' '{config}' | syncctl secret set credentials-nightly pin"""
    assert "planted" not in done.out + done.err + config.with_name("saved.yaml").read_text()


def test_a_cluster_gets_one_secret(server: FakeDeployment, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By kubectl, in the namespace of the tasks."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    words = ("read", IMAGE, "-c", str(config), "--task", "mine", "--save-as", str(config.with_name("saved.yaml")))
    done = run("http://sync.test", *words)
    assert "kubectl create secret generic credentials-" in done.err
    assert "-n sync-tasks --from-file=pin=<(jq -j " in done.err


def test_with_follow_only_a_success_is_kept(server: FakeDeployment, config: Path) -> None:
    """What failed is not what worked."""
    server.courses["mine"] = [task("mine", state="FAILED")]
    assert _read(server, config, "--follow").code == 1
    assert not config.with_name("saved.yaml").exists()
    server.courses["mine"] = [task("mine")]
    assert _read(server, config, "--follow").code == 0
    assert config.with_name("saved.yaml").exists()


@pytest.mark.fault(416)
def test_a_file_that_is_there_is_not_overwritten(server: FakeDeployment, config: Path) -> None:
    """It is refused before anything is read."""
    config.with_name("saved.yaml").write_text("mine")
    done = _read(server, config, "--json")
    assert (done.code, json.loads(done.out)["ok"]) == (2, False)
    assert "exists already" in done.out
    assert server.requests == []
