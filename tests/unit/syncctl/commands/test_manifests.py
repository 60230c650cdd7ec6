"""`--manifest`: a low-code connector's file in place of an image."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.protocol.manifests import INJECTED
from common.syncs.manifest import IMAGE, VERSION
from tests.support.fake_deployment import FakeDeployment, fake_deployment, task
from tests.support.terminal import run

MANIFEST = """\
version: 6.5.2
type: DeclarativeSource
check: {type: CheckStream, stream_names: [posts]}
streams: [{type: DeclarativeStream, name: posts}]
"""
WIDE = {"COLUMNS": "300"}
USERS = {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        script.courses["check"] = [task("check", command="check", result={"status": "SUCCEEDED"})]
        script.courses["discover"] = [task("discover", command="discover", result={"streams": [USERS]})]
        yield script


@pytest.fixture
def shop(tmp_path: Path) -> str:
    path = tmp_path / "My shop.yaml"
    path.write_text(MANIFEST)
    return str(path)


def config_of(server: FakeDeployment, path: str) -> Any:
    [request] = server.asked(path)
    return json.loads(request.body)["config"]


def test_the_cdks_image_gets_the_manifest(server: FakeDeployment, shop: str, tmp_path: Path) -> None:
    """Beside the configuration, whose numbers keep their digits."""
    (tmp_path / "config.json").write_text('{"amount": 0.10000000000000000001}')
    done = run(server.url, "check", "--manifest", shop, "--config", str(tmp_path / "config.json"))
    assert done.code == 0, done.err
    [request] = server.asked("/check")
    assert (request.query["package"], request.query["version"]) == ("airbyte/source-declarative-manifest", VERSION)
    assert b'"amount":0.10000000000000000001' in request.body.replace(b": ", b":")
    manifest = config_of(server, "/check")[INJECTED]
    assert (manifest["version"], manifest["streams"][0]["name"]) == ("6.5.2", "posts")


def test_a_public_source_needs_no_configuration(server: FakeDeployment) -> None:
    """And the manifest may come from a pipe."""
    done = run(server.url, "discover", "--manifest", "-", stdin=MANIFEST)
    assert done.code == 0, done.err
    assert list(config_of(server, "/discover")) == [INJECTED]


def test_an_image_beside_it_is_the_version_that_runs_it(server: FakeDeployment, shop: str) -> None:
    """Such as a mirror's."""
    mirror = "registry.example.com/airbyte/source-declarative-manifest:7.0.0"
    assert run(server.url, "check", mirror, "--manifest", shop).code == 0
    [request] = server.asked("/check")
    assert request.query["version"] == "7.0.0"


def test_a_read_resumes_though_its_manifest_has_changed(server: FakeDeployment, shop: str) -> None:
    """The sync's name is made from the file's name and the configuration."""
    server.courses["read"] = [task("read")]
    for text in (MANIFEST, MANIFEST.replace("posts", "comments")):
        Path(shop).write_text(text)
        assert run(server.url, "read", "--manifest", shop, "--task", "read").code == 0
    names = {request.query["syncId"] for request in server.asked("/read")}
    assert len(names) == 1
    assert names.pop().startswith("my-shop-")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MANIFEST.replace("streams", "stream"), ":1: streams: expected a list of streams; or give dynamic_streams"),
        (MANIFEST.replace("6.5.2", "99.0.0"), f":1: version: expected at most {VERSION}, the version of its image"),
        ("a: [", ": expected YAML"),
        ("- 1\n", "must hold one manifest, a mapping."),
        (f"{MANIFEST}---\n{MANIFEST}", "must hold one manifest, a mapping."),
        ("a: &x 1\n", ":1: expected no anchors"),
    ],
)
@pytest.mark.fault(392)
def test_a_file_that_is_none_is_refused(server: FakeDeployment, shop: str, text: str, says: str) -> None:
    """By line and field; nothing is asked for."""
    Path(shop).write_text(text)
    done = run(server.url, "check", "--manifest", shop, env=WIDE)
    assert done.code == 2
    assert says in done.err
    assert not server.asked("/check")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Name an IMAGE, or the file of a manifest with --manifest."),
        ([IMAGE], "Name a file, or '-' for standard input."),
        (["--manifest", "-", "--config", "-"], "Only one of"),
        (["--manifest", "/no/such.yaml"], "Cannot read /no/such.yaml"),
    ],
)
@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_what_is_missing_is_named(server: FakeDeployment, command: str, arguments: list[str], says: str) -> None:
    """Exit code 2."""
    done = run(server.url, command, *arguments, stdin=MANIFEST, env=WIDE)
    assert done.code == 2
    assert says in done.err


def test_two_manifests_are_one_too_many(server: FakeDeployment, shop: str, tmp_path: Path) -> None:
    """The one in the configuration would be replaced without a word."""
    (tmp_path / "config.json").write_text(f'{{"{INJECTED}": {{}}}}')
    done = run(server.url, "check", "--manifest", shop, "--config", str(tmp_path / "config.json"), env=WIDE)
    assert done.code == 2
    assert "leave that, or --manifest, out" in done.err
