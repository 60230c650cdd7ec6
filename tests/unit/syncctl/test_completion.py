"""What a shell is offered: commands, and values from a deployment that answers."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import typer
from typer.testing import CliRunner

from syncctl import cli
from syncctl.completion import values
from syncctl.kn import cli as plugin
from tests.support.fake_deployment import TOKEN, FakeDeployment, fake_deployment, task
from tests.support.fake_knative import fake_knative

Tab = Callable[..., list[str]]
READ = "syncctl read airbyte/source-faker:7.2.1"


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        script.courses["t1"] = [task("t1")]
        yield script


@pytest.fixture
def tab(server: FakeDeployment) -> Tab:
    """Return what is offered at the end of a line, as the scripts for bash ask for it."""

    def press(line: str, **variables: str) -> list[str]:
        words = line.split(" ")
        app, variable = (plugin.app, "_KN_SYNC_COMPLETE") if words[0] == "kn-sync" else (cli.app, "_SYNCCTL_COMPLETE")
        asked = {variable: "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
        environment = asked | {"SYNCCTL_URL": server.url, "SYNCCTL_TOKEN": TOKEN} | variables
        return CliRunner().invoke(app, [], env=environment, prog_name=words[0], complete_var=variable).stdout.split()

    return press


def test_commands_and_options_are_offered(tab: Tab) -> None:
    """Without a deployment."""
    assert tab("syncctl disc") == ["discover"]
    assert tab("syncctl read --cata") == ["--catalog"]


def test_tasks_syncs_and_images_are_the_deployment_s(tab: Tab, server: FakeDeployment) -> None:
    """Each once; those that begin as the word does."""
    server.courses["u2"] = [task("u2")]
    assert tab("syncctl logs ") == ["t1"]  # the fake has one task a page
    assert tab("syncctl logs x") == []
    assert tab("syncctl tasks --sync ") == ["nightly"]
    assert tab("syncctl spec airbyte/source-faker:7") == ["airbyte/source-faker:7.2.1"]


@pytest.mark.fault(415)
def test_published_connectors_are_offered_without_a_deployment(tab: Tab) -> None:
    """Up to the version, which nobody here knows."""
    assert "airbyte/source-faker:" in tab("syncctl spec airbyte/source-fa", SYNCCTL_URL="http://127.0.0.1:1")
    assert tab("syncctl logs t", SYNCCTL_URL="http://127.0.0.1:1") == []


def test_streams_are_those_of_the_catalog(tab: Tab, tmp_path: Path) -> None:
    """Discovered or configured."""
    catalog = tmp_path / "catalog.json"
    catalog.write_text('{"streams": [{"name": "users"}, {"stream": {"name": "orders", "namespace": "shop"}}]}')
    assert tab(f"{READ} --catalog {catalog} --stream ") == ["users", "shop.orders"]
    assert tab(f"{READ} --catalog {tmp_path}/none --stream ") == []


def test_streams_are_those_of_the_newest_discovery(tab: Tab, server: FakeDeployment) -> None:
    """Of the same image."""
    result = {"streams": [{"name": "users"}]}
    server.courses = {"d1": [task("d1", command="discover", result=result)]}
    assert tab(f"{READ} --stream ") == ["users"]
    assert server.asked("/tasks")[0].query == {"command": "discover", "status": "SUCCESS", "limit": "50"}
    assert tab("syncctl read airbyte/source-faker:7.2.0 --stream ") == []


def test_streams_of_a_run_are_the_syncs(tab: Tab, server: FakeDeployment) -> None:
    """Those that it selects, and those that it has read."""
    spec = {"image": "a/b:1", "streams": [{"name": "orders", "namespace": "shop"}]}
    server.documents["nightly"] = {"metadata": {"name": "nightly"}, "spec": spec}
    server.views["nightly"] = {"streams": [{"stream": "users"}]}
    given = {"COMP_WORDS": "syncctl\nrun\nnightly\n--stream\n", "SYNCCTL_URL": server.url, "SYNCCTL_TOKEN": TOKEN}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        found = values.streams(cast(typer.Context, SimpleNamespace(params={"url": server.url, "token": TOKEN})), "")
    assert [value for value, _ in found] == ["shop.orders", "users"]


def test_the_plugin_completes_from_the_cluster(
    tab: Tab, server: FakeDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the options stand; SYNCCTL_URL is not for it."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_knative(tmp_path) as knative:
        knative.deploy(url="http://{}.sync.test")
        knative.secret(SYNCCTL_AUTH_TOKENS=TOKEN)
        cluster = {"KUBECONFIG": str(knative.kubeconfig), "SYNCCTL_URL": "http://127.0.0.1:1"}
        assert tab("kn-sync disc") == ["discover"]
        assert tab("kn-sync tasks ", **cluster) == ["t1"]
        assert tab("kn-sync -n sync-functions tasks ", **cluster) == ["t1"]
        assert tab("kn-sync tasks -n nowhere ", **cluster) == []


def test_states_are_those_that_are_saved(tab: Tab, server: FakeDeployment) -> None:
    """Of streams, and their parts of a state of all."""
    part = {"stream_descriptor": {"name": "users", "namespace": "shop"}, "stream_state": {}}
    for states, offered in (
        ({"users": {"n": 1}}, ["users"]),
        ({"_GLOBAL_STATE": {"stream_states": [part]}}, ["_GLOBAL_STATE", "shop.users"]),
    ):
        server.faults = [(200, {}, json.dumps({"ok": True, "states": states, "savedAt": {}}).encode())]
        assert tab("syncctl state get nightly ") == offered
    assert {request.path for request in server.requests} == {"/syncs/nightly/state"}
