"""The embedded edition's settings."""

from pathlib import Path

import pytest

from common.errors import SettingsError
from embedded import settings

URL = "postgresql://me:planted@127.0.0.1:5432/mine"


def test_the_users_own_database_may_be_named_in_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise the edition makes a Postgres of its own, and the user's stays empty."""
    monkeypatch.delenv("SYNCCTL_DATABASE_URL", raising=False)
    monkeypatch.setenv("SYNCCTL_CONFIG_PATH", str(tmp_path))
    (tmp_path / "syncctl.env").write_text(f"SYNCCTL_DATABASE_URL={URL}\n")
    assert settings.own_database_url() == URL
    monkeypatch.setenv("SYNCCTL_DATABASE_URL", URL + "2")
    assert settings.own_database_url() == URL + "2"  # a variable wins


def test_a_blank_url_makes_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCCTL_DATABASE_URL", " ")
    with pytest.raises(SettingsError, match="SYNCCTL_DATABASE_URL: is blank"):
        settings.own_database_url()


def test_without_a_url_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNCCTL_DATABASE_URL", raising=False)
    assert settings.own_database_url() == ""
