"""The embedded edition's settings."""

from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings import Settings, variable
from embedded import settings
from embedded.edition import Edition

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


@pytest.mark.fault(246)
def test_the_file_comes_before_the_edition_s_defaults(tmp_path: Path) -> None:
    """And a variable before both."""
    (tmp_path / "syncctl.env").write_text(
        "SYNCCTL_DATA_PLANE=mine\nSYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS=77\nSYNCCTL_TASK_RETRIES=5\n"
    )
    defaults = {"SYNCCTL_DATA_PLANE": "host", "SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS": "1800"}
    environ = {"SYNCCTL_CONFIG_PATH": str(tmp_path), "SYNCCTL_TASK_RETRIES": "1"}
    found = settings.settings({}, environ, defaults=defaults)
    assert (found.data_plane, found.container_init_timeout_seconds, found.task_retries) == ("mine", 77, 1)
    assert settings.settings({}, {}, defaults=defaults).data_plane == "host"


def test_events_go_where_a_sink_binding_would_say() -> None:
    """Of Knative's variables those of a SinkBinding count on one machine as well; its PORT does not."""
    found = settings.settings({}, {"K_SINK": "http://sink", "K_CE_OVERRIDES": "{}", "PORT": "80"}, defaults={})
    assert (found.sink_url, found.http_port) == ("http://sink", 3043)


@pytest.mark.fault(246)
def test_what_has_no_effect_is_named(tmp_path: Path) -> None:
    """What the edition brings itself, what is for a cluster, and what the file cannot give."""
    (tmp_path / "syncctl.env").write_text(
        "SYNCCTL_BULKER_URL=http://bulker\nSYNCCTL_KUBERNETES_NAMESPACE=n\nSYNCCTL_HTTP_PORT=1\nSYNCCTL_HOME=/tmp\n"
        "SYNCCTL_TASK_RETRIES=5\n"
    )
    environ = {"SYNCCTL_CONFIG_PATH": str(tmp_path), "SYNCCTL_SWEEP_SECONDS": "5", "SYNCCTL_HOME": "/home"}
    found = settings.without_effect({"SYNCCTL_BULKER_URL"}, environ)
    assert [sentence.partition(":")[0] for sentence in found] == [
        "SYNCCTL_BULKER_URL has no effect here",
        "SYNCCTL_HTTP_PORT has no effect in syncctl.env",
        "SYNCCTL_KUBERNETES_NAMESPACE has no effect here",
        "SYNCCTL_SWEEP_SECONDS has no effect here",
    ]
    assert settings.without_effect({"SYNCCTL_BULKER_URL"}, {"SYNCCTL_HTTP_PORT": "1"}) == []


IN_EFFECT = frozenset(
    [
        "database_url",
        "database_schema",
        "http_port",
        "auth_tokens",
        "token_secret",
        "allowed_images",
        "bulker_logs_connection_id",
        "data_plane",
        "source_memory_limit",
        "container_init_timeout_seconds",
        "sink_url",
        "sink_overrides",
        "sink_ca_certs",
        "task_log_bytes",
        "task_timeout_hours",
        "task_retries",
        "task_retry_pause_seconds",
        "stall_timeout_seconds",
        "container_grace_shutdown_seconds",
        "abandoned_row_seconds",
        "max_body_bytes",
        "secrets",
        "encryption_key",
        "instance_id",
        "log_format",
        "syncs_enabled",
        "webhook_url",
        "webhook_when",
        "webhook_form",
        "webhook_secret",
        "webhook_allowed_hosts",
        "keep_days",
        "keep_tasks_per_sync",
        "keep_caller_tables",
        "otlp_endpoint",
    ]
)
"""What the embedded edition goes by. A new setting is here, or named as one without effect."""


@pytest.mark.fault(301)
def test_each_setting_is_in_effect_or_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A limit of a connector's disk does nothing on one machine, and a user should read that."""
    monkeypatch.delenv("SYNCCTL_DATABASE_URL", raising=False)
    brought = Edition(tmp_path, 0, {}, print).brought("http://127.0.0.1:1", "planted")
    environ = {variable(field): "given" for field in Settings.model_fields}
    named = {sentence.partition(" ")[0] for sentence in settings.without_effect(brought, environ)}
    assert named == {variable(field) for field in Settings.model_fields if field not in IN_EFFECT}


@pytest.mark.fault(302)
def test_task_pods_reach_the_postgres_that_the_edition_makes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A URL from a cluster's settings would name another one, and each task would wait for it in vain."""
    edition = Edition(tmp_path, 0, {}, print)
    edition.database_url = "postgresql://made@127.0.0.1:2/here"
    monkeypatch.delenv("SYNCCTL_DATABASE_URL", raising=False)
    assert edition.brought("", "")["SYNCCTL_SIDECAR_DATABASE_URL"] == edition.database_url
    monkeypatch.setenv("SYNCCTL_DATABASE_URL", URL)
    assert "SYNCCTL_SIDECAR_DATABASE_URL" not in edition.brought("", "")  # the user's own Postgres, and URL of it
