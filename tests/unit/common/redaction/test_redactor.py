"""Secrets of the configuration are found in every spelling; words that merely look alike are left alone."""

import base64
import html
import json
import logging
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import redaction
from common.logs import RedactingFormatter
from common.redaction import MASK, Redactor, leaves
from common.redaction.forms import LOG_WORDS

KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n"


def _of(config: Any, *others: str) -> Redactor:
    return redaction.of_config(json.dumps(config).encode(), *others)


def _spellings(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret).replace("/", "\\/")[1:-1],
        json.dumps(json.dumps({"x": secret})),
        repr({"x": secret}),
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        quote(secret, safe="").lower() if secret.islower() else secret,
        quote(quote(secret)),
        html.escape(secret),
        html.escape(secret, quote=False),
        repr(raw)[2:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        html.escape(secret).replace("&#x27;", "&apos;"),
        html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        *([base64.b64encode(secret.encode("latin-1")).decode()] if secret.isascii() or max(secret) < "\u0100" else []),
    ]


@pytest.mark.parametrize(
    "secret",
    [
        "hunter22",
        "pä$$wörd/ 9+&=?",
        'quo"te\\d\ttext',
        "sk_live_51H8/xyz+abc==",
        "日本語パスワード",
        "'single' \"double\"",
        "a" * 4096,
    ],
)
def test_every_spelling_of_a_secret_is_hidden(secret: str) -> None:
    """As it is, JSON-escaped (also twice), as Python prints it, in HTML, URL-quoted (also twice), base64."""
    redact = _of({"password": secret}).redact
    for spelling in _spellings(secret):
        hidden = redact(f"<{spelling}>")
        assert spelling not in hidden
        assert MASK in hidden
        assert hidden[0] + hidden[-1] == "<>"


@pytest.mark.parametrize("user", ["u", "us", "use", "user"])
def test_basic_credentials_are_hidden_at_every_offset(user: str) -> None:
    """user:password encoded whole, whatever the length of the name."""
    encoded = base64.b64encode(f"{user}:correct-horse-battery".encode()).decode()
    hidden = _of({"password": "correct-horse-battery"}).redact(f"Authorization: Basic {encoded}")
    assert MASK in hidden
    assert len(hidden.partition("Basic ")[2].replace(MASK, "")) <= 12


def _base64_leaves(password: str, encoded: str) -> str:
    """What of a text in base64 is not hidden, decoded."""
    hidden = _of({"password": password}).redact(f"Basic {encoded}")
    assert MASK in hidden
    return hidden.removeprefix("Basic ").replace(MASK, "")


@pytest.mark.fault(254)
@pytest.mark.parametrize("password", ["pa55", "k3y-1", "schlüssel", 'pä"ss\\wörd/1', "x" * 9])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("before", ["", "u:", "us:", "use:"])
def test_a_password_within_base64_is_hidden(password: str, encoding: str, before: str) -> None:
    """Short ones, in HTTP's older encoding, and within JSON, at each offset; what is around it stays."""
    for text in (f"{before}{password}", json.dumps({"user": before, "password": password})):
        for written in (base64.b64encode(text.encode(encoding)), base64.urlsafe_b64encode(text.encode(encoding))):
            rest = _base64_leaves(password, written.decode())
            assert len(rest) <= len(written) - len(password.encode(encoding)) * 4 // 3 + 2


@pytest.mark.fault(254)
@pytest.mark.parametrize(
    ("config", "secret"),
    [
        ({"dsn_string": "host=db password='planted 1' user=u"}, "planted 1"),
        ({"source": "host=db password = 'planted 1'"}, "planted 1"),
        ({"source": "host=db password='it\\'s planted'"}, "it's planted"),
        ({"source": "host=db password='it\\'s planted'"}, "it\\'s planted"),
        ({"source": 'Server=db;Password="planted; 1";Encrypt=yes'}, "planted; 1"),
        ({"source": "Server=db;Password='it''s planted'"}, "it's planted"),
        ({"source": "Driver=x;PWD={planted;1};Server=db"}, "planted;1"),
        ({"password": "a&amp;planted&lt;1"}, "a&planted<1"),
        ({"tokens": {"sk-live-9f8a77": ["read"]}}, "sk-live-9f8a77"),
        ({"api_keys": [{"sk-live-9f8a77": {"scope": "all"}}]}, "sk-live-9f8a77"),
    ],
)
def test_quoted_and_named_secrets_are_found(config: Any, secret: str) -> None:
    """Values of connection strings in quotes, escaped markup, and tokens that are names of members."""
    assert secret not in _of(config).redact(f"it said {secret}.")


def test_names_of_members_are_hidden_in_documents() -> None:
    """As their values are."""
    assert _of({"password": "planted-1"}).redact_json(b'{"planted-1":{"a":"planted-1"}}') == (
        b'{"********": {"a": "********"}}'
    )
    config = {"credentials": {"aws_s3_bucket": "b", "oauth2_client_id": "c", "s3": {"region_us_east_1": "x"}}}
    text = "aws_s3_bucket oauth2_client_id region_us_east_1"
    assert _of(config).redact(text) == text


@pytest.mark.fault(255)
@pytest.mark.parametrize("password", ["sync", "Read", "INFO"])
def test_a_word_of_every_log_is_hidden_only_as_a_value(password: str) -> None:
    """Hidden wherever it stands, it would leave no log to read."""
    redact = _of({"password": password}).redact
    assert redact(f"INFO {password} of 5 records") == f"INFO {password} of 5 records"
    for before, after in (("password=", ""), ("u:", "@h"), ('"', '"'), ("'", "'")):
        assert redact(f"{before}{password}{after}") == f"{before}{MASK}{after}"


@pytest.mark.fault(255)
def test_weak_secrets_are_named_and_not_shown() -> None:
    """By their paths, once each; what is no secret, or empty, is not."""
    known = _of({})
    spec = {"connectionSpecification": {"properties": {"shade": {"airbyte_secret": True}}}}
    config = {
        "password": "sync", "tunnel": {"pin_code": "abc", "passphrase": ""}, "shade": "ab", "host": "db", "token": "long-1",
        "tokens": ["x", "y"], "auth_type": "none",
    }  # fmt: skip
    known.learn(json.dumps(config).encode(), json.dumps(spec).encode())
    assert known.weak(json.dumps(config).encode()) == "password, shade, tokens"
    assert known.weak(b'{"password":"planted-1"}') == ""
    many = {f"password_{n}": "abc" for n in range(30)}
    assert known.weak(json.dumps(many).encode()).endswith("password_19 and others")


@pytest.mark.parametrize("key", [KEY, KEY.replace("\n", "\\n"), KEY.replace("\n", "\r\n")])
def test_a_key_of_several_lines_is_hidden_line_by_line(key: str) -> None:
    """A log has one line a time; line ends may be real, or written as backslash n."""
    redact = _of({"private_key": key}).redact
    for line in KEY.splitlines():
        assert redact(f"key: {line}!") == f"key: {MASK}!"
    assert "MIIE" not in redact(json.dumps(key)) + redact(repr(key)) + redact(key)


@pytest.mark.parametrize(
    ("config", "secret"),
    [
        ({"api_key": "planted-1"}, "planted-1"),
        ({"credentials": {"auth_type": "Client", "client_secret": "planted-1"}}, "planted-1"),
        ({"tunnel": [{"ssh_key": "planted-1"}]}, "planted-1"),
        ({"tokens": ["planted-1", "other"]}, "planted-1"),
        ({"url": "postgres://u:planted-1@db/x"}, "planted-1"),
        ({"url": "postgres://u:p%40ss-1@db/x"}, "p@ss-1"),
        ({"jdbc": "Server=db;User=u;Password=planted-1;Encrypt=yes"}, "planted-1"),
        ({"webhook": "https://h.test/x?token=planted-1&y=2"}, "planted-1"),
        ({"service_account_json": json.dumps({"private_key_id": "planted-1"})}, "planted-1"),
        ({"credentials_json": json.dumps({"client_email": "e", "private_key": "planted-1"})}, "planted-1"),
        ({"headers": [{"name": "Authorization", "value": "Bearer planted-1"}]}, "planted-1"),
        ({"auth_header": "Bearer planted-1"}, "planted-1"),
        ({"auth_type": "x9-odd-value!"}, "x9-odd-value!"),
        ({"bearer": "planted-1"}, "planted-1"),
        ({"login": {"pw": "planted-1"}}, "planted-1"),
        ({"creds": "planted-1"}, "planted-1"),
        ({"webhook_url": "https://h.test/services/T1/planted-1"}, "https://h.test/services/T1/planted-1"),
        ({"credentials": {"value": "planted-1"}}, "planted-1"),
        ({"authorization": {"Bearer": "planted-1"}}, "planted-1"),
        ({"api_keys": {"production": ["planted-1"]}}, "planted-1"),
        ({"secrets": [{"a": {"b": "planted-1"}}]}, "planted-1"),
        ({"parameters": [{"parameter": "api_key", "value": "planted-1"}]}, "planted-1"),
        ({"parameters": [{"name": "token", "val": "planted-1"}]}, "planted-1"),
        ({"password": 123456789}, "123456789"),
        ({"api_key": 987654321012}, "987654321012"),
        ({"auth": {"access_token": 987654321012}}, "987654321012"),
        ({"headers": ["X-Api-Key: planted-1", "Accept: */*"]}, "planted-1"),
        ({"command": "curl -H 'Authorization: Bearer planted-1' https://h.test"}, "planted-1"),
        ({"settings": "[db]\npassword = planted-1\n"}, "planted-1"),
        ({"source": "https://planted-1@h.test/x"}, "planted-1"),
        ({"source": "https://h.test/x?key=planted-1"}, "planted-1"),
        ({"source": "jdbc:mysql://u:planted-1@h.test/x"}, "planted-1"),
        ({"source": "jdbc:oracle:thin:u/planted-1@h.test:1521/x"}, "planted-1"),
        ({"note": "see postgres://u:planted-1@h.test/x"}, "planted-1"),
    ],
)
def test_secrets_are_found_wherever_they_stand(config: Any, secret: str) -> None:
    """In groups, lists, URLs, connection strings, JSON in a string, lists of headers."""
    assert secret not in _of(config).redact(f"it said {secret}.")


def test_our_own_secrets_are_hidden_too() -> None:
    """Bulker's token as it is, the database's URL by its password."""
    redact = _of({}, "postgresql://bulker:db-pass-1@db:5432/x", "bulker-token-1").redact
    assert redact("db-pass-1 and bulker-token-1 on db:5432") == f"{MASK} and {MASK} on db:5432"
    assert _of({}, "", "").redact("nothing") == "nothing"


@pytest.mark.parametrize(
    "config",
    [
        {"auth_type": "Service", "connection_method": "SSH tunnel", "credentials_title": "OAuth Credentials"},
        {"primary_key": "customer", "keyspace": "orders", "cursor_key": "updated"},
        {"host": "orders.example.test", "user": "customer", "start_date": "2024-01-01"},
        {"password": "", "token": "abc", "secret": None, "api_key": True, "pin": 12345},
        {"credentials": {"auth_method": "oauth2.0", "type": "client"}},
        {
            "credentials": {
                "host": "db-1.example.test",
                "user": "svc-1-reader",
                "client_id": "id-1234-5678",
                "port": 54321,
            }
        },
        {"source": "https://gardener@h.test/x", "session_timeout": 3600000, "query": "key = 'customer'"},
    ],
)
def test_words_are_left_alone(config: Any) -> None:
    """What only names a kind of secret, and values so short that a log is full of them."""
    text = "Service SSH tunnel OAuth Credentials customer orders updated abc True 12345 oauth2.0 client 2024-01-01"
    text += " db-1.example.test svc-1-reader id-1234-5678 54321 gardener 3600000"
    assert _of(config).redact(text) == text


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"{not json", b'"text"', b"[" * 100_000, b"\xff\xfe", b'{"a":1E400}']
)
def test_any_configuration_can_be_taken(raw: bytes) -> None:
    """A configuration that cannot be read has no secrets that could be found; ours are hidden all the same."""
    assert redaction.of_config(raw, "bulker-token-1").redact("bulker-token-1") == MASK


def test_a_changed_configuration_is_learnt() -> None:
    """A renewed token is as secret as the old one, which stays so."""
    known = _of({"access_token": "old-token-1"})
    known.learn(b'{"access_token":"new-token-2"}')
    assert known.redact("old-token-1 new-token-2") == f"{MASK} {MASK}"


@pytest.mark.parametrize("digits", [4300, 4301, 20_000])
def test_a_number_longer_than_python_s_own_hides_no_secret_from_us(digits: int) -> None:
    """Neither in a changed configuration, nor in JSON within a string, nor is a document lost for it."""
    number = b"1" * digits
    known = _of({"key_file": f'{{"n":{number.decode()},"private_key":"planted-1"}}'})
    known.learn(b'{"n":%b,"access_token":"planted-2"}' % number)
    assert known.redact("planted-1 planted-2") == f"{MASK} {MASK}"
    hidden = known.redact_json(b'{"n":%b,"said":"planted-2"}' % number)
    assert hidden in (b'{"n": %b, "said": "********"}' % number, b'{"n": "%b", "said": "********"}' % number)


def test_marked_properties_are_secrets_whatever_their_name() -> None:
    """At any depth, in lists too; and in a changed configuration as well, without being marked again."""
    hiding = _of({})
    marked = {name: {"airbyte_secret": True} for name in ("shade", "rose", "leaf")}
    hiding.learn(
        b'{"colour":{"shade":"planted"},"rose":["thorny-1"],"leaf":12345678,"size":"large-one"}',
        json.dumps({"connectionSpecification": {"properties": marked}}).encode(),
    )
    assert hiding.redact("planted thorny-1 12345678 large-one") == f"{MASK} {MASK} {MASK} large-one"
    hiding.learn(b'{"shade":"renewed"}')
    assert hiding.redact("planted renewed") == f"{MASK} {MASK}"


def test_documents_stay_json() -> None:
    """Only the insides of strings change; a document without a secret keeps its very bytes."""
    known = _of({"password": "n123", "secret": '"},{"x'})
    document = b'{"status":"FAILED","message":"bad \\n123 \\"},{\\"x","n":9007199254740993}'
    hidden = json.loads(known.redact_json(document))
    assert hidden == {"status": "FAILED", "message": f"bad \n123 {MASK}", "n": 9007199254740993}
    odd = b'{ "n" : 1E400,"a":"\\u00e9" }'
    assert known.redact_json(odd) == odd
    assert json.loads(known.redact_json(b'{"message":"\xff n123"}')) == {"message": f"\ufffd {MASK}"}


def test_names_in_a_catalog_are_not_words_to_hide() -> None:
    """A password that is a word must not rename a stream or column; any other is hidden."""
    catalog = b'{"streams":[{"name":"orders","json_schema":{"default":"s3cr3t-t0ken"}}]}'
    assert _of({"password": "orders"}).redact_json(catalog, words=False) == catalog
    assert b"s3cr3t" not in _of({"password": "s3cr3t-t0ken"}).redact_json(catalog, words=False)


def test_our_own_log_is_masked() -> None:
    """Tracebacks too: an exception's text may repeat what a connector sent."""
    formatter = RedactingFormatter(_of({"password": "planted-1"}).redact)
    try:
        int("planted-1")
    except ValueError as error:
        cause = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "it failed: %s", ("planted-1",), cause)
    assert "planted-1" not in formatter.format(record)
    assert "ValueError" in formatter.format(record)


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=4, max_size=20), st.text(max_size=10), st.text(max_size=10))
def test_whatever_the_secret_it_is_gone(secret: str, before: str, after: str) -> None:
    """Any text as a password, but a word of every log: not in any line that repeats it."""
    secret = secret.strip()
    if len(secret) < 4 or secret.lower() in leaves._PUBLIC_VALUES | LOG_WORDS or secret in MASK:
        return
    hidden = Redactor([secret]).redact(f"{before}<{secret}>{after}")
    assert f"<{secret}>" not in hidden


@pytest.mark.parametrize("password", ["rose", "Rose", "ROSE", "postgres", "password", "1234"])
@pytest.mark.fault(70)
def test_a_common_word_as_a_password_garbles_no_other(password: str) -> None:
    """It is hidden where it stands alone, whatever is around it, and left in words that it is a part of."""
    redact = _of({"password": password}).redact
    for word in (f"{password}ing", f"new{password}", f"{password}_id", f"my_{password}", f"{password}2"):
        assert redact(f"{word} (all of it)") == f"{word} (all of it)"
    around = [
        '"',
        "'",
        "=",
        ":",
        "@",
        "/",
        "-",
        ".",
        ",",
        "\n",
        "\x7f",
        "\x1b[0m",
        "\x1b[31m",
        "\x1b[1;31m",
        "%253D",
        "\\n",
        "\\u0027",
        "%3D",
        "%40",
        "é",
        "密",
        "\\x00",
    ]
    for before in ["", " ", *around]:
        for after in ["", " ", *around]:
            assert redact(f"{before}{password}{after}") == f"{before}{MASK}{after}"


def test_a_secret_that_was_cut_is_hidden_too() -> None:
    """The ends of a text may hold a part of one; less than a secret has is a word like any other."""
    cut = _of({"password": "s3cr3t-t0ken"}).redact_cut
    assert cut("it is s3cr3t-t0") == f"it is {MASK}"
    assert cut("3t-t0ken it is") == f"{MASK} it is"
    assert cut("r3t-t0ken and s3cr3t") == f"{MASK} and {MASK}"
    assert cut("3t-t0") == "3t-t0", "no end of it"
    assert cut("s3cr3t-t0k") == cut("t0ken") == MASK
    assert cut("ken, it is s3c") == "ken, it is s3c"
    assert cut("") == ""
    assert cut("a s3cr3t-t0ken b") == f"a {MASK} b"
