"""The sidecar's environment, as either controller sets it."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.protocol.commands import Command
from sidecar.settings import SidecarSettings

NEEDED = {
    "COMMAND": "read", "PACKAGE": "airbyte/source-garden", "PACKAGE_VERSION": "1.4.0",
    "DATABASE_URL": "postgresql://u:db-pass-1@db/x", "BULKER_URL": "http://bulker:3042",
}  # fmt: skip


def test_the_original_controllers_environment_is_enough() -> None:
    """Its variables (docs/reference/contract.md C14, C15) and no others."""
    settings = SidecarSettings.load(
        NEEDED | {"SYNC_ID": "s", "TASK_ID": "t", "STARTED_AT": "2024-04-19T10:00:00Z", "STARTED_BY": "{}"}
    )
    assert (settings.command, settings.exit_code_file, settings.stdout_pipe_file) == (Command.READ, "", "/pipes/stdout")
    assert settings.task.started_at == 1713520800


def test_white_space_around_values_is_nothing() -> None:
    """Secrets made with echo end in a line break; a value of blanks is none."""
    settings = SidecarSettings.load(
        NEEDED | {"BULKER_AUTH_TOKEN": " token \r\n", "COMMIT_SECONDS": "5\n", "SYNC_ID": " \n"}
    )
    assert (settings.bulker_auth_token, settings.commit_seconds, settings.sync_id) == ("token", 5, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COMMAND", "write"), ("COMMAND", ""), ("PACKAGE", ""), ("DATABASE_URL", " "), ("GRACE_SECONDS", "soon"),
        ("BULKER_URL", ""), ("BULKER_URL", "bulker:3042"), ("BULKER_URL", "http://"), ("BULKER_URL", "http://bulker:port"),
        ("BULKER_URL", "http://bulker:99999"), ("BULKER_URL", "http://[::1"),
    ],
)  # fmt: skip
def test_an_unusable_variable_is_named_and_no_value_repeated(name: str, value: str) -> None:
    """One sentence; the process ends with 2 and says it."""
    with pytest.raises(SettingsError) as caught:
        SidecarSettings.load(NEEDED | {name: value})
    assert name in caught.value.message
    assert "db-pass-1" not in caught.value.message


def test_a_start_without_settings_says_so_and_ends() -> None:
    """Exit code 2, one line that names the variable, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "sidecar"], env=NEEDED | {"COMMAND": "read", "BULKER_URL": "nowhere"},
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "CRITICAL : BULKER_URL: expected http://host:port of the Bulker to send rows to.\n"


@pytest.mark.parametrize("stamp", ["", "yesterday", "1713520800"])
def test_an_unreadable_start_is_not_now(stamp: str) -> None:
    """Rows then say 1970: a wrong "now" would never time out."""
    assert SidecarSettings.load(NEEDED | {"STARTED_AT": stamp}).task.started_at == 0


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """A spec has no configuration at all."""
    settings = SidecarSettings.load(NEEDED | {"CONFIG_FOLDER": str(tmp_path)})
    assert settings.file("config") == b""
    (tmp_path / "config.json").write_bytes(b'{"a":1}')
    assert settings.file("config") == b'{"a":1}'


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    """Files too large for a Secret are gzipped in it; a broken one is named."""
    settings = SidecarSettings.load(NEEDED | {"CONFIG_FOLDER": str(tmp_path)})
    (tmp_path / "catalog.json.gz").write_bytes(gzip.compress(b'{"streams":[]}'))
    assert settings.file("catalog") == b'{"streams":[]}'
    for broken in (b"no gzip", gzip.compress(b"{}")[:-9], gzip.compress(b"{}")[:10] + b"xxxxxxxx"):
        (tmp_path / "catalog.json.gz").write_bytes(broken)
        with pytest.raises(SettingsError, match=r"catalog\.json cannot be read"):
            settings.file("catalog")


def test_a_later_attempt_has_the_later_files(tmp_path: Path) -> None:
    """What is in its second Secret takes the place of the first attempt's, packed or not; the rest stays."""
    first, later = tmp_path / "first", tmp_path / "later"
    for folder in (first, later):
        folder.mkdir()
    for name in ("config", "catalog", "state"):
        (first / f"{name}.json").write_bytes(b'"first"')
    (later / "state.json.gz").write_bytes(gzip.compress(b'"later"'))
    settings = SidecarSettings.load(NEEDED | {"CONFIG_FOLDER": str(first), "RESUME_FOLDER": str(later)})
    assert [settings.file(name) for name in ("config", "catalog", "state")] == [b'"first"', b'"first"', b'"later"']
