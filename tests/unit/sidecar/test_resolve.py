"""Values of Secrets come into a configuration: as at the end of an init container of earlier pods, and as in the sidecar."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from common.failures import SECRET_MISSING_EXIT

CONFIG = '{"n":1.0000000000000000000001,"api_key":{"valueFrom":{"secretKeyRef":{"name":"credentials-shop","key":"api-key"}}}}'
REFERENCES = [{"name": "credentials-shop", "key": "api-key"}, {"name": "credentials-shop", "key": "proxy"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config", "resolved", "references/credentials-shop"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config/config.json").write_text(CONFIG)
    give(tmp_path, **{"api-key": b"planted-1", "proxy": b"planted-2"})
    return tmp_path


def give(folder: Path, **values: bytes) -> None:
    for key, value in values.items():
        (folder / "references/credentials-shop" / key).write_bytes(value)


def run(folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    given = {f"MOUNT_{name.upper()}": str(folder / name) for name in ("config", "resolved", "references")}
    given |= {"PATH": os.defpath, "REFERENCES": json.dumps(REFERENCES), "RESOLVE_CONFIG": "true", **more}
    shell = ["sh", "-c", f'umask 0; exec "{sys.executable}" -m sidecar.resolve']
    return subprocess.run(shell, env=given, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_values_come_into_the_configuration_and_are_left_for_the_sidecar(folder: Path) -> None:
    """Any user may read the one, as it was before; and it may run again, as after a node's restart."""
    for _ in range(2):
        (folder / "config/config.json").write_text(CONFIG)
        assert run(folder).returncode == 0
        config = folder / "config/config.json"
        assert config.read_text() == '{"n":1.0000000000000000000001,"api_key":"planted-1"}'
        assert stat.S_IMODE(config.stat().st_mode) == 0o666
    assert json.loads((folder / "resolved/values.json").read_text()) == {
        "values": [{**REFERENCES[0], "value": "planted-1"}, {**REFERENCES[1], "value": "planted-2"}], "in_config": True,
    }  # fmt: skip


def test_a_link_that_a_connector_has_left_is_not_followed(folder: Path) -> None:
    """A pod whose containers start again has the volumes of before."""
    other = folder / "resolved/other"
    other.write_text("kept")
    (folder / "config/config.new").symlink_to(other)
    assert run(folder).returncode == 0
    assert other.read_text() == "kept"
    assert not (folder / "config/config.json").is_symlink()
    assert stat.S_IMODE((folder / "resolved/values.json").stat().st_mode) == 0o600


def test_a_configuration_that_is_not_to_be_resolved_stays(folder: Path) -> None:
    """Only variables refer to Secrets; a request's configuration may look as if it did."""
    assert run(folder, RESOLVE_CONFIG="").returncode == 0
    assert (folder / "config/config.json").read_text() == CONFIG
    assert not json.loads((folder / "resolved/values.json").read_text()).get("in_config")


@pytest.mark.fault(311)
def test_what_is_missing_is_named_and_nothing_is_resolved(folder: Path) -> None:
    """All of it at once, with Secret and key, and no value."""
    (folder / "references/credentials-shop/api-key").unlink()
    give(folder, proxy=b"\xff\xfeplanted-2")
    ended = run(folder)
    assert ended.returncode == SECRET_MISSING_EXIT
    assert ended.stderr == (
        "The Secret credentials-shop does not exist, or has no key api-key; key proxy of the Secret credentials-shop is "
        "no text in UTF-8.\n"
    )
    assert "planted" not in (folder / "config/config.json").read_text()


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"key\n", "key"), (b"key\r\n", "key"), (b"key\n\n", "key\n\n"), (b"a\nb\n", "a\nb\n"), (b" key ", " key ")],
)
def test_the_line_break_behind_a_single_line_is_none_of_the_value_s(folder: Path, raw: bytes, value: str) -> None:
    """`echo` and editors add one; HTTP clients refuse it in a header. Several lines, such as a key file's, stay."""
    give(folder, **{"api-key": raw})
    assert run(folder).returncode == 0
    assert json.loads((folder / "config/config.json").read_text())["api_key"] == value
