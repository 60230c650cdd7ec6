"""docs/how-to/run-a-manifest.md on the one-machine edition: a manifest reads an HTTP API with the real CDK."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docs import ROOT, code
from tests.support.edition_process import EditionProcess
from tests.support.posts_api import posts_api

HOW_TO = (ROOT / "docs/how-to/run-a-manifest.md").read_text(encoding="utf-8")
TOKEN = "sk-canary-0815-manifest"


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with posts_api(TOKEN) as url:
        yield url


@pytest.fixture
def files(tmp_path: Path, api: str) -> Path:
    (tmp_path / "todo.yaml").write_text(code(HOW_TO, "yaml")[0])
    (tmp_path / "config.json").write_text(json.dumps({"url": api, "token": TOKEN}))
    return tmp_path


def syncctl(edition: EditionProcess, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("syncctl")
    where = {"SYNCCTL_URL": edition.url, "SYNCCTL_TOKEN": edition.token, "COLUMNS": "200"}
    return subprocess.run(
        [program, *arguments, "--manifest", "todo.yaml", "--config", "config.json"],
        cwd=folder, env=where, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.timeout(600)  # the CDK is installed
def test_a_manifest_reads_an_api(edition: EditionProcess, files: Path) -> None:
    """Checked, discovered and read in pages, as the how-to types it."""
    checked = syncctl(edition, files, "check")
    assert (checked.returncode, checked.stdout) == (0, "SUCCEEDED\n"), checked.stderr
    found = syncctl(edition, files, "discover", "--json")
    [stream] = json.loads(found.stdout)["streams"]
    assert (stream["name"], stream["source_defined_primary_key"]) == ("posts", [["id"]])
    read = syncctl(edition, files, "read", "--prefix", "low_", "--follow")
    assert read.returncode == 0, read.stdout + read.stderr
    assert sorted(edition.rows("SELECT id, title FROM low_posts")) == [(1, "one"), (2, "two"), (3, "three")]


@pytest.mark.timeout(600)
def test_a_refused_token_is_explained_and_hidden(edition: EditionProcess, files: Path, api: str) -> None:
    """The manifest's specification marks it, and a template is no secret."""
    (files / "config.json").write_text(json.dumps({"url": api, "token": "sk-wrong-4711-manifest"}))
    checked = syncctl(edition, files, "check")
    assert checked.returncode == 1
    assert checked.stdout.startswith("FAILED: ")
    assert "sk-wrong-4711-manifest" not in checked.stdout + checked.stderr
