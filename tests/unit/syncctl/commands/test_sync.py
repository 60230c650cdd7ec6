"""`syncctl sync validate`: problems where editors find them, the next runs of the rest, and exit codes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from syncctl.cli import app
from syncctl.exit_codes import ExitCode
from tests.support.docs import DECLARE, code, console

[NIGHTLY] = code(DECLARE, "yaml")
[SHOWN] = code(DECLARE, "")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SYNCCTL_SECRETS", "SYNCCTL_ALLOWED_IMAGES"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, ["sync", "validate", *arguments], input=stdin)


def test_the_page_s_example_is_valid(tmp_path: Path) -> None:
    """The document and the command of docs/how-to/declare-a-sync.md."""
    (tmp_path / "nightly.yaml").write_text(NIGHTLY, encoding="utf-8")
    command = next(console(DECLARE))
    done = CliRunner().invoke(app, command.split()[1:])
    assert done.exit_code == 0, done.output
    [head, row] = done.stdout.splitlines()
    assert head.split() == ["sync", "declared", "at", "runs"]
    assert row.startswith("nightly  nightly.yaml:1  20")
    assert row.count(" 02:30+0") == 3


def test_the_page_s_mistakes_are_shown_as_it_says(tmp_path: Path) -> None:
    """Line by line; and CI sees the exit code."""
    wrong = NIGHTLY.replace("image:", "imgae:").replace("Europe/Berlin", "Europe/Berln")
    (tmp_path / "nightly.yaml").write_text(wrong, encoding="utf-8")
    done = run("-f", "nightly.yaml")
    assert (done.exit_code, done.stderr, done.stdout) == (ExitCode.USAGE, SHOWN, "")


def test_json_has_problems_and_runs(tmp_path: Path) -> None:
    """The good ones beside the bad ones; moments are later than now, in order."""
    (tmp_path / "good.yaml").write_text(NIGHTLY, encoding="utf-8")
    (tmp_path / "bad.yml").write_text("a: 1\n\tb: 2\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("no sync", encoding="utf-8")
    (tmp_path / "folder.yaml").mkdir()
    done = run("-f", ".", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["ok"]) == (ExitCode.USAGE, False)
    assert [(one["file"], one["line"], one["field"]) for one in found["problems"]] == [("bad.yml", 2, "")]
    [sync] = found["syncs"]
    assert (sync["name"], sync["file"], sync["timeZone"]) == ("nightly", "good.yaml", "Europe/Berlin")
    moments = [datetime.fromisoformat(moment) for moment in sync["nextRuns"]]
    assert len(moments) == 3
    assert sorted(moments) == moments
    assert moments[0].utcoffset() is not None
    assert moments[0] > datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("  schedule", "  suspend: true\n  schedule"), "suspended"),
        (('  schedule: "30 2 * * 1-5"', "  after: [customers]"), "after customers"),
        (('  schedule: "30 2 * * 1-5"\n', ""), "on request"),
    ],
)
def test_what_runs_a_sync_is_shown(change: tuple[str, str], expected: str) -> None:
    """Standard input is read, too."""
    done = run("-f", "-", stdin=NIGHTLY.replace(*change))
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1] == f"nightly  stdin:1      {expected}"
    assert ("customers: is in `after`" in done.stderr) == ("customers" in expected)


def test_files_are_checked_together(tmp_path: Path) -> None:
    """As arguments, as a shell's *.yaml gives them, or by -f, in any mixture."""
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        (tmp_path / name).write_text(NIGHTLY, encoding="utf-8")
    done = run("-f", "a.yaml", "b.yaml", "-f", "c.yaml")
    assert done.stderr.count("metadata.name: expected another name; a.yaml:1 declares nightly") == 2


def test_what_the_deployment_allows_is_an_option_or_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own settings' names and defaults."""
    assert run("-f", "-", "--secrets", "shop-*", stdin=NIGHTLY).exit_code == ExitCode.USAGE
    assert run("-f", "-", "--allowed-images", "airbyte/*", stdin=NIGHTLY).exit_code == 0
    monkeypatch.setenv("SYNCCTL_ALLOWED_IMAGES", "other/*")
    assert "SYNCCTL_ALLOWED_IMAGES" in run("-f", "-", stdin=NIGHTLY).stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Name a file or a folder."),
        (("-f", "none.yaml"), "Cannot read none.yaml: No such file or directory."),
        (("-f", "."), ". has no files that end in .yaml, .yml or .json."),
    ],
)
def test_nothing_to_check_is_an_error(arguments: tuple[str, ...], expected: str) -> None:
    """Else CI would be green over a path that is misspelt."""
    done = run(*arguments, "--json")
    assert done.exit_code == ExitCode.USAGE
    assert expected in json.loads(done.stdout)["error"]
