"""The functions' settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import settings
from common.errors import SettingsError
from common.settings import LogFormat, Settings

URL = "postgresql://user:hunter2@db:5432/app?search_path=newjitsu"


def test_an_empty_environment_gives_the_documented_defaults():
    """Functions start without any setting; only the database is missing then."""
    loaded = Settings.load({})
    assert (loaded.http_port, loaded.bulker_url, loaded.kubernetes_namespace) == (
        3043,
        "http://localhost:3042",
        "default",
    )
    assert (loaded.container_status_check_seconds, loaded.container_init_timeout_seconds) == (10, 180)
    assert (loaded.task_timeout_hours, loaded.stall_timeout_seconds, loaded.max_body_bytes) == (48, 3600, 4 << 20)
    assert loaded.kubernetes_client_config == "local"
    assert loaded.log_format is LogFormat.TEXT
    assert loaded.syncs_enabled
    assert loaded.instance_id != Settings.load({}).instance_id
    with pytest.raises(SettingsError, match="SYNCCTL_DATABASE_URL is not set"):
        loaded.require_database_url()


def test_every_setting_has_a_description():
    """The table of docs/reference/settings.md is made of them."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_variables_are_read_with_their_prefix_only():
    """Other programs' variables change nothing; a name of ours that is no setting is told in the log, once."""
    others = {"TASK_TIMEOUT_HOURS": "9", "SYNCCTL_SWEEPER_PORT": "tcp://10.0.0.1:80"}  # a Service's
    loaded = Settings.load({"SYNCCTL_TASK_TIMEOUT_HOURS": "0.5", "SYNCCTL_X": "y"} | others)
    assert loaded.task_timeout_hours == 0.5
    assert [text.split()[0] for text in loaded.take_warnings()] == ["SYNCCTL_SWEEPER_PORT", "SYNCCTL_X", "No"]
    assert loaded.take_warnings() == []


def test_no_tokens_at_all_is_told():
    """The installation stays open, as its README promises."""
    assert "No tokens are configured" in Settings.load({}).take_warnings()[0]
    assert Settings.load({"SYNCCTL_RAW_AUTH_TOKENS": "t"}).take_warnings() == []


OPEN_BY_MISTAKE = [
    ({"SYNCCTL_AUTH_TOKENS": ""}, "SYNCCTL_AUTH_TOKENS: is blank"),
    ({"SYNCCTL_BULKER_URL": " \n"}, "SYNCCTL_BULKER_URL: is blank"),
    ({"SYNCCTL_AUTH_TOKEN": "t"}, "SYNCCTL_AUTH_TOKEN: is not a setting; SYNCCTL_AUTH_TOKENS is"),
    ({"SYNCCTL_AUTHTOKENS": "t"}, "SYNCCTL_AUTH_TOKENS is"),
    ({"SYNCCTL_ALLOWED_IMAGE": "a/*"}, "SYNCCTL_ALLOWED_IMAGES is"),
    ({"SYNCTL_AUTH_TOKENS": "t"}, "SYNCTL_AUTH_TOKENS: is not a setting; SYNCCTL_AUTH_TOKENS is"),
    ({"syncctl_auth_tokens": "t"}, "syncctl_auth_tokens: is not a setting"),
    ({"SYNCCTL_CONFIG_PAHT": "/etc"}, "SYNCCTL_CONFIG_PATH is"),
    ({"SYNCCTL_CONFIG_FILE": "/etc"}, "SYNCCTL_CONFIG_FILE does not close"),
    ({"SYNCCTL_TOKENS": "t"}, "SYNCCTL_TOKENS does not close"),
    ({"SYNCCTL_TOKEN": "t"}, "SYNCCTL_TOKEN does not close"),
    ({"SYNCCTL_AUTH_TOKENS": "salt." + "a" * 127}, "SYNCCTL_AUTH_TOKENS: expected salt.hash"),
    ({"SYNCCTL_AUTH_TOKENS": "t,salt." + "z" * 128}, "SYNCCTL_AUTH_TOKENS: expected salt.hash"),
    ({"SYNCCTL_AUTH_TOKENS": "a."}, "SYNCCTL_RAW_AUTH_TOKENS"),
]


@pytest.mark.parametrize(("given", "words"), OPEN_BY_MISTAKE)
def test_what_would_open_an_installation_by_mistake_is_refused(given: dict[str, str], words: str):
    """Blank, misspelt, or a hash that was cut, which anyone who reads it could send."""
    with pytest.raises(SettingsError, match=words) as caught:
        Settings.load(given)
    assert "aaaa" not in str(caught.value)


FILES = [
    ("", "empty or cut off: .* Write it whole, with one at its end"),
    ("# nothing yet\n", "holds no setting"),
    ("SYNCCTL_BULKER_URL=http://b:1\nSYNCCTL_AUTH_TOK", "cut off"),
    ("SYNCCTL_BULKER_URL=http://b:1\nSYNCCTL_AUTH_TOKENS\n", "line 2 of syncctl.env is not NAME=VALUE"),
    ("SYNCCTL_AUTH_TOKENS='hunter2\n", "line 1 of syncctl.env is not NAME=VALUE"),
    ("SYNCCTL AUTH_TOKENS=hunter2\n", "line 1 of syncctl.env is not NAME=VALUE"),
    ("SYNCCTL_AUTH_TOKENS=\n", "SYNCCTL_AUTH_TOKENS: is blank"),
    ("SYNCCTL_AUTH_TOKEN=hunter2\n", "SYNCCTL_AUTH_TOKENS is"),
    ("AUTH_TOKENS=hunter2\n", "AUTH_TOKENS: is not a setting; SYNCCTL_AUTH_TOKENS is"),
    ("\N{ZERO WIDTH SPACE}SYNCCTL_AUTH_TOKENS=hunter2\n", "line 1 of syncctl.env is not NAME=VALUE"),
    ("$env:SYNCCTL_AUTH_TOKENS=hunter2\n", "line 1 of syncctl.env is not NAME=VALUE"),
    ('{"SYNCCTL_AUTH_TOKENS": "hunter2="}\n', "line 1 of syncctl.env is not NAME=VALUE"),
]


@pytest.mark.parametrize(("text", "words"), FILES)
def test_a_file_that_is_cut_or_misspelt_opens_nothing(tmp_path: Path, text: str, words: str):
    """Neither at the start nor in its middle, nor by a line that nobody can read."""
    (tmp_path / "syncctl.env").write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        Settings.load({"SYNCCTL_CONFIG_PATH": str(tmp_path)})
    assert "hunter2" not in str(caught.value)


def test_a_file_that_loses_its_tokens_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """While a process lives: cut between two lines it looks whole. So does one that loses its list of images."""
    file = tmp_path / "syncctl.env"
    monkeypatch.setenv("SYNCCTL_CONFIG_PATH", str(tmp_path))
    settings.use(None)
    try:
        file.write_text("SYNCCTL_BULKER_URL=http://b:1\nSYNCCTL_AUTH_TOKENS=t\n")
        assert not settings.current().is_open
        file.write_text("SYNCCTL_BULKER_URL=http://b:1\n")
        for _ in range(2):
            with pytest.raises(SettingsError, match="tokens are gone"):
                settings.current()
        file.write_text("SYNCCTL_ALLOWED_IMAGES=a/*\nSYNCCTL_AUTH_TOKENS=other\n")
        assert settings.current().auth_tokens.get_secret_value() == "other"
        file.write_text("SYNCCTL_AUTH_TOKENS=other\n")
        with pytest.raises(SettingsError, match="allowed images are gone"):
            settings.current()
    finally:
        settings.use(None)


@pytest.mark.parametrize("character", ["\N{ACCOUNT OF}", "\N{FULLWIDTH COLON}", "["])
@pytest.mark.parametrize("name", ["SYNCCTL_DATABASE_URL", "SYNCCTL_SIDECAR_DATABASE_URL", "SYNCCTL_BULKER_URL"])
def test_a_url_that_the_parser_refuses_is_not_repeated(name: str, character: str):
    """Python's own error quotes user, password and host if a character of them stands for a slash or a colon."""
    scheme = "http" if name == "SYNCCTL_BULKER_URL" else "postgresql"
    with pytest.raises(SettingsError, match=f"{name}: expected a URL such as") as caught:
        Settings.load({name: f"{scheme}://user:hunter2{character}@db:5432/app"})
    assert "hunter2" not in str(caught.value)


def test_port_is_the_platforms_unless_set():
    """$PORT counts where SYNCCTL_HTTP_PORT is not set."""
    assert Settings.load({"PORT": "8080"}).http_port == 8080
    assert Settings.load({"PORT": "8080", "SYNCCTL_HTTP_PORT": "1"}).http_port == 1


def test_a_sink_binding_s_variables_count():
    """An own setting wins; what a SinkBinding cannot have meant is named as it was given."""
    given = {"K_SINK": "http://broker-ingress.knative-eventing.svc.cluster.local/ns/default", "K_CE_OVERRIDES": ""}
    assert Settings.load(given).sink_url == given["K_SINK"]
    own = Settings.load(given | {"SYNCCTL_SINK_URL": "https://sink", "K_CE_OVERRIDES": '{"extensions":{"team":"a"}}'})
    assert (own.sink_url, own.sink_overrides) == ("https://sink", {"team": "a"})
    assert Settings.load({"K_CE_OVERRIDES": '{"extensions":null}'}).sink_overrides == {}
    with pytest.raises(SettingsError, match="K_SINK: expected a URL such as http://host:port"):
        Settings.load({"K_SINK": "broker"})
    for wrong in ("[]", "{", '{"extensions":{"type":"x"}}', '{"extensions":{"Team":"x"}}', '{"extensions":{"team":1}}'):
        with pytest.raises(SettingsError, match="K_CE_OVERRIDES: expected JSON such as"):
            Settings.load({"K_CE_OVERRIDES": wrong})


def test_line_breaks_around_values_are_trimmed():
    """Secrets made with `echo` end in a line break, on Windows in two characters."""
    loaded = Settings.load(
        {
            "SYNCCTL_BULKER_AUTH_TOKEN": "warehouse-token-1\n",
            "SYNCCTL_AUTH_TOKENS": "caller-token-1,caller-token-2\n",
            "SYNCCTL_DATABASE_URL": f"{URL}\n",
            "SYNCCTL_BULKER_URL": "http://127.0.0.1:3042/\r\n",
            "SYNCCTL_TASK_TIMEOUT_HOURS": " 2\n",
        }
    )
    assert loaded.bulker_auth_token.get_secret_value() == "warehouse-token-1"
    assert loaded.auth_tokens.get_secret_value() == "caller-token-1,caller-token-2"
    assert (loaded.require_database_url(), loaded.bulker_url) == (URL, "http://127.0.0.1:3042/")
    assert loaded.task_timeout_hours == 2


def test_values_given_in_code_are_trimmed_too():
    """The embedded edition's own settings pass the same checks."""
    assert Settings.model_validate({"bulker_auth_token": "t\n"}).bulker_auth_token.get_secret_value() == "t"


@pytest.mark.fault(69)
def test_all_problems_come_in_one_message_without_values():
    """Each variable is named with what was expected; secrets stay unsaid."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(
            {
                "SYNCCTL_DATABASE_URL": "mysql://user:hunter2@db/app",
                "SYNCCTL_BULKER_AUTH_TOKEN": "top\nsecret",
                "SYNCCTL_AUTH_TOKENS": " , ,",
                "SYNCCTL_BULKER_URL": "bulker:3042",
                "SYNCCTL_TASK_TIMEOUT_HOURS": "two",
                "SYNCCTL_TASK_RETRIES": "1.5",
                "SYNCCTL_SYNCS_ENABLED": "maybe",
                "SYNCCTL_HTTP_PORT": "70000",
                "SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS": "0",
                "SYNCCTL_LOG_FORMAT": "xml",
                "SYNCCTL_KUBERNETES_NODE_SELECTOR": "[1]",
            }
        )
    message = caught.value.message
    for part in (
        "SYNCCTL_DATABASE_URL: expected a URL such as postgresql://host:port, with special characters percent-encoded.",
        "SYNCCTL_BULKER_AUTH_TOKEN: expected one line",
        "SYNCCTL_AUTH_TOKENS: expected a comma-separated list of tokens",
        "SYNCCTL_BULKER_URL: expected a URL such as http://host:port.",
        "SYNCCTL_TASK_TIMEOUT_HOURS: expected a number.",
        "SYNCCTL_TASK_RETRIES: expected a whole number.",
        "SYNCCTL_SYNCS_ENABLED: expected true or false.",
        "SYNCCTL_CONTAINER_INIT_TIMEOUT_SECONDS: expected a number of at least 1.",
        "SYNCCTL_HTTP_PORT: expected a number of at most 65535.",
        "SYNCCTL_LOG_FORMAT: expected 'text' or 'json'.",
        "SYNCCTL_KUBERNETES_NODE_SELECTOR: expected labels",
    ):
        assert part in message
    for value in ("hunter2", "secret", "two", "xml", "[1]", "mysql"):
        assert value not in message


@pytest.mark.parametrize(
    "url",
    ["postgres://h/d", "postgresql://u:p@h:5432/d", "postgresql:///d?host=/run/pg", "postgresql://u:p#@h,g:1/d", URL],
)
def test_database_urls_of_all_forms_are_taken(url: str):
    """Also a unix socket's folder as host; what is wrong with several hosts is for the store to say."""
    assert Settings.load({"SYNCCTL_DATABASE_URL": url}).require_database_url() == url


@pytest.mark.parametrize("url", ["h:5432/d", "postgresql://", "postgresql://h/a b", "http://h"])
def test_database_urls_that_cannot_work_are_refused(url: str):
    """Before anything connects."""
    with pytest.raises(SettingsError, match="SYNCCTL_SIDECAR_DATABASE_URL"):
        Settings.load({"SYNCCTL_SIDECAR_DATABASE_URL": url})


def test_the_sidecars_database_is_ours_unless_set():
    """Task pods may reach Postgres by another name."""
    assert Settings.load({"SYNCCTL_DATABASE_URL": URL}).require_sidecar_database_url() == URL
    other = {"SYNCCTL_DATABASE_URL": URL, "SYNCCTL_SIDECAR_DATABASE_URL": "postgresql://other/d"}
    assert Settings.load(other).require_sidecar_database_url() == "postgresql://other/d"


@pytest.mark.parametrize("limit", ["511Mi", "2", "2GB", "0.5Gi", "-2Gi", "Gi", "२Gi"])
def test_a_memory_limit_that_no_connector_can_live_with_is_refused(limit: str):
    """What the pod asks for has to fit; other units are not guessed."""
    with pytest.raises(SettingsError, match="SYNCCTL_SOURCE_MEMORY_LIMIT: expected 512Mi or more"):
        Settings.load({"SYNCCTL_SOURCE_MEMORY_LIMIT": limit})
    assert Settings.load({"SYNCCTL_SOURCE_MEMORY_LIMIT": "3Gi"}).source_memory_limit == "3Gi"


@pytest.mark.parametrize(("name", "least"), [("SYNCCTL_SOURCE_DISK_LIMIT", 512), ("SYNCCTL_SIDECAR_DISK_LIMIT", 128)])
def test_a_disk_limit_below_the_pods_request_is_refused(name: str, least: int):
    """The API server would refuse the pod."""
    with pytest.raises(SettingsError, match=f"{name}: expected {least}Mi or more"):
        Settings.load({name: f"{least - 1}Mi"})
    assert getattr(Settings.load({name: f"{least}Mi"}), name.removeprefix("SYNCCTL_").lower()) == f"{least}Mi"


@pytest.mark.parametrize("url", ["http://u:hunter2@bulker:3042", "https://hunter2@bulker", "http://@bulker"])
def test_bulkers_address_holds_no_password(url: str):
    """It would be in the manifest of every task's pod, for everybody who may look at pods."""
    with pytest.raises(SettingsError, match="SYNCCTL_BULKER_URL: expected no user or password") as caught:
        Settings.load({"SYNCCTL_BULKER_URL": url})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["SYNCCTL_SINK_URL", "K_SINK", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_where_a_password_of_another_address_belongs(name: str):
    """Bulker's token is not what it lacks."""
    with pytest.raises(SettingsError, match=f"{name}: expected no user .*OTEL_EXPORTER_OTLP_HEADERS for a collector's"):
        Settings.load({name: "https://u:hunter2@host"})


@pytest.mark.parametrize("text", ["airbyte/source-*", "a/b, registry.example.com:5000/team/*", "[::1]:5000/x", "*/x"])
def test_patterns_of_images_are_taken(text: str):
    """Names with stars, with or without a registry."""
    assert Settings.load({"SYNCCTL_ALLOWED_IMAGES": text}).allowed_images == text


@pytest.mark.parametrize("name", ["two words", "1st", "a;b", "-a", "\u00e9", "a" * 64])
def test_a_schema_s_name_is_refused_in_words(name: str):
    """Not by a regular expression."""
    with pytest.raises(SettingsError, match="SYNCCTL_DATABASE_SCHEMA: expected a name of letters"):
        Settings.load({"SYNCCTL_DATABASE_SCHEMA": name})


@pytest.mark.parametrize(
    "text", [",", "a/b,", "a/b:1", "a/b@sha256:0", "a b", "https://registry.example.com/a", "a//b"]
)
def test_patterns_that_could_not_mean_anything_are_refused(text: str):
    """A list of nothing would allow everything, a tag would never match."""
    with pytest.raises(SettingsError, match=r"SYNCCTL_ALLOWED_IMAGES: expected names of images"):
        Settings.load({"SYNCCTL_ALLOWED_IMAGES": text})


@pytest.mark.parametrize("text", ['{"disk": "ssd", "gpu": true}', "{disk: ssd, gpu: true}", "disk: ssd\ngpu: true"])
def test_the_node_selector_is_json_or_yaml_and_all_text(text: str):
    """Labels are text, whatever they look like."""
    loaded = Settings.load({"SYNCCTL_KUBERNETES_NODE_SELECTOR": text})
    assert loaded.kubernetes_node_selector == {"disk": "ssd", "gpu": "true"}


def test_a_kubeconfig_may_have_lines():
    """Its text fits a variable."""
    text = "apiVersion: v1\nkind: Config"
    assert Settings.load({"SYNCCTL_KUBERNETES_CLIENT_CONFIG": text}).kubernetes_client_config == text


def test_the_config_file_fills_in_what_the_environment_leaves_out(tmp_path: Path):
    """The real environment wins, also over the file's quotes and dollars."""
    (tmp_path / "syncctl.env").write_text(
        "# ours\nSYNCCTL_BULKER_URL=http://file:1\n"
        "export SYNCCTL_BULKER_AUTH_TOKEN='a$B'\nSYNCCTL_KUBERNETES_CONTEXT=x\n"
    )
    loaded = Settings.load(
        {
            "SYNCCTL_CONFIG_PATH": str(tmp_path),
            "SYNCCTL_BULKER_URL": "http://environment:1",
        }
    )
    assert loaded.bulker_url == "http://environment:1"
    assert loaded.bulker_auth_token.get_secret_value() == "a$B"
    assert loaded.kubernetes_context == "x"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_config_file_that_cannot_be_read_stops_us(tmp_path: Path, content: bytes | None):
    """Going on without its tokens would open the installation."""
    if content is not None:
        (tmp_path / "syncctl.env").write_bytes(content)
    with pytest.raises(SettingsError, match="SYNCCTL_CONFIG_PATH"):
        Settings.load({"SYNCCTL_CONFIG_PATH": str(tmp_path)})


def test_secrets_do_not_show():
    """Neither in a repr nor in a dump that somebody logs."""
    loaded = Settings.load(
        {
            "SYNCCTL_DATABASE_URL": URL,
            "SYNCCTL_AUTH_TOKENS": "hunter2",
            "SYNCCTL_RAW_AUTH_TOKENS": "hunter2",
            "SYNCCTL_TOKEN_SECRET": "hunter2",
            "SYNCCTL_BULKER_AUTH_TOKEN": "hunter2",
            "SYNCCTL_KUBERNETES_CLIENT_CONFIG": "users:\n- token: hunter2",
        }
    )
    assert "hunter2" not in repr(loaded) + str(loaded)


def test_settings_do_not_change():
    """They are read once."""
    with pytest.raises(ValueError, match="frozen"):
        Settings.load({}).http_port = 1


def test_given_settings_are_the_current_ones():
    """The embedded edition brings its own."""
    mine = Settings.load({})
    settings.use(mine)
    try:
        assert settings.current() is mine
    finally:
        settings.use(None)


@given(st.dictionaries(st.sampled_from(sorted(map(settings.variable, Settings.model_fields))), st.text(max_size=30)))
def test_any_environment_is_taken_or_explained(environ: dict[str, str]):
    """Nothing but a SettingsError, which names only variables that were set."""
    try:
        Settings.load(environ)
    except SettingsError as error:
        message = error.message
    else:
        return
    assert any(name in message for name in environ)


KEY = "-" * 42 + "8="


@pytest.mark.parametrize("text", [KEY, KEY.replace("-", "+"), f"{KEY}, {KEY}"])
def test_keys_that_encrypt_are_taken_in_either_alphabet(text: str):
    assert Settings.load({"SYNCCTL_ENCRYPTION_KEY": text}).encryption_keys == text


@pytest.mark.parametrize("text", [KEY[:-1], KEY[4:], f"{KEY},", "tok-ä", "a passphrase"])
def test_keys_of_another_form_are_refused_in_words(text: str):
    """A passphrase is none: nothing is derived from it."""
    with pytest.raises(SettingsError, match="SYNCCTL_ENCRYPTION_KEY: expected 32 bytes in base64") as caught:
        Settings.load({"SYNCCTL_ENCRYPTION_KEY": text})
    assert text not in caught.value.message


WEBHOOKS = [
    ({"SYNCCTL_WEBHOOK_URL": "hooks.example.com/hunter2"}, "SYNCCTL_WEBHOOK_URL: expected a URL such as https://"),
    ({"SYNCCTL_WEBHOOK_URL": "https://hooks.example.com/hünter2"}, "percent-encoded"),
    ({"SYNCCTL_WEBHOOK_URL": "https://[hunter2/"}, "SYNCCTL_WEBHOOK_URL: expected"),
    ({"SYNCCTL_WEBHOOK_SECRET": "hunter2"}, "SYNCCTL_WEBHOOK_SECRET: expected 24 to 64 bytes"),
    (
        {"SYNCCTL_WEBHOOK_WHEN": "failed,success"},
        "SYNCCTL_WEBHOOK_WHEN: expected failed, first_failure, partial, recov",
    ),
    ({"SYNCCTL_WEBHOOK_FORM": "slack"}, "SYNCCTL_WEBHOOK_FORM: expected 'event', 'text' or 'card'"),
    ({"SYNCCTL_WEBHOOK_ALLOWED_HOSTS": "http://localhost"}, "SYNCCTL_WEBHOOK_ALLOWED_HOSTS: expected names"),
]


@pytest.mark.parametrize(("given", "words"), WEBHOOKS)
def test_unusable_settings_of_webhooks_are_named_and_not_repeated(given: dict[str, str], words: str):
    """The URL is a credential; a host with a scheme would never be met, and stay refused."""
    with pytest.raises(SettingsError, match=words) as caught:
        Settings.load(given)
    assert "nter2" not in str(caught.value)


def test_settings_of_webhooks():
    """Lists may have spaces; the URL is in no representation of the settings."""
    given = {"WHEN": "failed, recovered", "ALLOWED_HOSTS": "localhost, ::1, mattermost.internal", "FORM": "text"}
    given |= {"URL": "https://hooks.example.com/hunter2", "SECRET": "whsec_" + "A" * 32 + ", " + "b" * 44}
    loaded = Settings.load({f"SYNCCTL_WEBHOOK_{name}": value for name, value in given.items()})
    assert "hunter2" not in repr(loaded)
    assert "AAAA" not in repr(loaded)
    assert loaded.webhook_form == "text"
