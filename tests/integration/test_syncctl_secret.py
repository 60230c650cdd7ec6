"""`syncctl secret`: what declared syncs on one machine refer to. Real processes and files."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.credentials import Credentials
from tests.support import canaries


def run(home: Path, *arguments: str, value: bytes = b"", code: int = 0, **environment: str) -> str:
    """Both outputs together; neither ever holds a value (the canaries')."""
    given = {"PATH": os.environ["PATH"], "SYNCCTL_HOME": str(home), "HOME": str(home), **environment}  # noqa: TID251
    command = [sys.executable, "-m", "syncctl", "secret", *arguments]
    done = subprocess.run(
        command, input=value, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False
    )
    said = done.stdout.decode()
    canaries.refuse("the output", said)
    assert done.returncode == code, said
    return said


def test_a_value_is_kept_for_this_account_alone_and_never_shown(tmp_path: Path) -> None:
    """Piped, its line break is none of it; listed are names; deleted, nothing remains."""
    home = tmp_path / "home"
    run(home, "set", "credentials-shop", "api-key", value=canaries.CONFIG.encode() + b"\n")
    file = home / "secrets/credentials-shop/api-key"
    assert file.read_bytes() == canaries.CONFIG.encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (file.parent, file.parent.parent, home)} == {0o700}
    assert Credentials(home / "secrets").read("credentials-shop", "api-key") == canaries.CONFIG.encode()
    run(home, "set", "credentials-shop", "api-key", value=b"rotated")
    run(home, "set", "credentials-shop", "key.pem", value=b"-----BEGIN\nEND\n")
    assert file.read_bytes() == b"rotated"
    assert (file.parent / "key.pem").read_bytes() == b"-----BEGIN\nEND\n"
    assert json.loads(run(home, "list", "--json")) == {
        "secrets": [{"name": "credentials-shop", "keys": ["api-key", "key.pem"]}]
    }
    run(home, "delete", "credentials-shop", "key.pem")
    run(home, "delete", "credentials-shop")
    assert list((home / "secrets").iterdir()) == []


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    """Byte by byte; one that is missing is named, and nothing is written."""
    home, file = tmp_path / "home", tmp_path / "key.json"
    file.write_bytes(b'{"a": 1}\n')
    run(home, "set", "credentials-shop", "key", "--from-file", str(file))
    assert (home / "secrets/credentials-shop/key").read_bytes() == b'{"a": 1}\n'
    assert "cannot be read" in run(home, "set", "credentials-b", "key", "--from-file", str(tmp_path / "absent"), code=2)
    assert not (home / "secrets/credentials-b").exists()


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        ("../up", "key", "name: expected that of a Secret"),
        ("Shop", "key", "name: expected that of a Secret"),
        ("credentials-shop", "../key", "key: expected letters"),
        ("credentials-shop", ".hidden", "key: expected letters"),
        ("credentials-shop", "", "key: expected letters"),
    ],
)
def test_what_is_no_name_is_refused(tmp_path: Path, name: str, key: str, said: str) -> None:
    """A name is a folder's, a key a file's: nothing else passes."""
    assert said in run(tmp_path, "set", name, key, value=b"x", code=2)
    assert not (tmp_path / "secrets").exists()


def test_what_helps_nobody_is_told(tmp_path: Path) -> None:
    """An empty value, one that syncs may not refer to, and nothing to delete."""
    assert "The value is empty" in run(tmp_path, "set", "credentials-shop", "key", code=2)
    assert "allows credentials-*" in run(tmp_path, "set", "shop", "key", value=b"x")
    assert "may not" not in run(tmp_path, "set", "shop", "key", value=b"x", SYNCCTL_SECRETS="a, sh*")
    assert "no credentials-shop" in run(tmp_path, "delete", "credentials-shop", code=2)


def test_a_folder_that_another_account_could_change_is_refused(tmp_path: Path) -> None:
    """It could put its own values there."""
    (tmp_path / "secrets").mkdir(mode=0o777)
    (tmp_path / "secrets").chmod(0o777)
    assert "Every account may" in run(tmp_path, "set", "credentials-shop", "key", value=b"x", code=2)
