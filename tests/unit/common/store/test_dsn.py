"""Database URLs as hosts, consoles and drivers write them: what of one is in effect, and what is refused, by name."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from common.errors import SettingsError
from common.store import dsn, tls
from common.store.dsn import Target
from common.store.tls import SslMode
from tests.support.certificates import server_context


def _found(target: Target, name: str) -> Any:
    for place in (target.login, target.settings):
        if name in place:
            return place[name]
    return getattr(target.tls if hasattr(target.tls, name) else target, name)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40w@h:1/d?search_path=a,b", {"user": "u", "password": "p@w", "address": ("h", 1), "database": "d", "search_path": "a,b", "mode": "prefer"}),
        ("postgres://u@h/d?sslmode=disable&connect_timeout=3", {"mode": "disable", "timeout": 3.0, "address": ("h", 5432)}),
        ("postgresql://u@/d?host=/run/pg&port=6", {"address": "/run/pg/.s.PGSQL.6"}),
        (f"postgresql://u@/d?host=/{'a' * 80}", {"address": f"/{'a' * 80}/.s.PGSQL.5432"}),
        ("postgresql://u@[::1]:7/d?application_name=x", {"address": ("::1", 7), "application_name": "x"}),
        ("postgresql:///d?user=u&password=a+b%2B&hostaddr=10.0.0.1&dbname=e", {"user": "u", "password": "a+b+", "address": ("10.0.0.1", 5432), "database": "e"}),
        ("postgresql://u:p#w@h/d?fallback_application_name=x", {"password": "p#w", "application_name": "x"}),
        ("postgresql://h/d?search_path=a#b&statement_timeout=5s", {"search_path": "a#b", "statement_timeout": "5s"}),
        ("postgresql://h/d?TimeZone=Etc/GMT+3&DateStyle=ISO", {"timezone": "Etc/GMT+3", "settings": {"timezone": "Etc/GMT+3"}}),
        ("postgresql://h/d?schema=newjitsu", {"search_path": '"newjitsu"'}),
        ("postgresql://h/d?schema=My-Schema%22", {"search_path": '"My-Schema"""'}),
        ("postgresql://h/d?schema=a&search_path=a", {"search_path": "a"}),
        (r"postgresql://h/d?options=-c%20search_path%3Da%5C%20b,c+--work-mem%3D8MB+-cgeqo%3Doff", {"search_path": "a b,c", "work_mem": "8MB", "geqo": "off"}),
        ("postgresql://h/d?SSLMODE=verify-full&Schema=a", {"mode": "verify-full", "search_path": '"a"'}),
        ("postgresql://h/d?search_path=&schema=&options=&sslrootcert=", {"settings": {}, "root": ""}),
        ("postgresql://a:b@h/c?user=u&password=p&dbname=d", {"user": "u", "password": "p", "database": "d"}),
        ("postgresql://h/d?ssl=true", {"mode": "require"}),
        ("postgresql://h/d?ssl=true&sslmode=verify-full", {"mode": "verify-full"}),
    ],
)  # fmt: skip
def test_defect_17_every_part_of_the_url_is_honoured(url: str, expected: dict[str, Any]) -> None:
    """search_path takes only its own value, and sslmode, timeouts and sockets mean what they say."""
    target = dsn.parse(url)
    assert {name: _found(target, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(
            "postgresql://u:p@ep-cool-1-pooler.eu.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
            {"address": ("ep-cool-1-pooler.eu.aws.neon.tech", 5432), "mode": "require", "is_bound": True},
            id="Neon",
        ),
        pytest.param(
            "postgresql://u:p@ep-cool-1.neon.tech/neondb?sslmode=require&options=endpoint%3Dep-cool-1",
            {"startup_params": {"options": "endpoint=ep-cool-1"}, "settings": {}},
            id="Neon, for clients without SNI",
        ),
        pytest.param(
            "postgresql://postgres.abcd:p@aws-0.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1",
            {"user": "postgres.abcd", "address": ("aws-0.pooler.supabase.com", 6543), "mode": "prefer"},
            id="Supabase",
        ),
        pytest.param(
            "postgres://postgres.abcd:p@aws-0.pooler.supabase.com:5432/postgres?sslmode=require&supa=base-pooler.x",
            {"user": "postgres.abcd", "mode": "require"},
            id="Supabase by Vercel",
        ),
        pytest.param(
            "postgresql://u:p@db.1.eu-west-1.rds.amazonaws.com:5432/d?sslmode=verify-full&sslrootcert=/x/global-bundle.pem",
            {"mode": "verify-full", "root": "/x/global-bundle.pem"},
            id="RDS",
        ),
        pytest.param(
            "postgresql://u:p@/d?host=/cloudsql/Project:europe-west1:garden",
            {"address": "/cloudsql/Project:europe-west1:garden/.s.PGSQL.5432", "mode": "disable"},
            id="Cloud SQL",
        ),
        pytest.param(
            "postgresql://u:p@%2Fcloudsql%2FProject%3Aeurope-west1%3Agarden/d?sslmode=require",
            {"address": "/cloudsql/Project:europe-west1:garden/.s.PGSQL.5432", "mode": "disable"},
            id="Cloud SQL, encoded",
        ),
        pytest.param("postgres://u:p@ec2-1.amazonaws.com:5432/d", {"mode": "prefer", "password": "p"}, id="Heroku"),
        pytest.param(
            "postgres://avnadmin:p@pg-1.aivencloud.com:12691/defaultdb?sslmode=require&sslrootcert=/x/ca.pem",
            {"mode": "verify-ca", "root": "/x/ca.pem"},
            id="Aiven",
        ),
        pytest.param(
            "postgresql://doadmin:p@db-1.b.db.ondigitalocean.com:25060/defaultdb?sslmode=require",
            {"mode": "require", "address": ("db-1.b.db.ondigitalocean.com", 25060)},
            id="DigitalOcean",
        ),
        pytest.param(
            "postgresql://reporting:p@pg:5432/postgres?schema=newjitsu&uselibpqcompat=true&pool_timeout=20",
            {"search_path": '"newjitsu"'},
            id="Jitsu's console",
        ),
        pytest.param(
            "postgresql://h/d?sslrootcert=system",
            {"mode": "verify-full", "root": "system"},
            id="the system's authorities",
        ),
    ],
)
def test_a_url_as_it_is_handed_out_is_taken(url: str, expected: dict[str, Any]) -> None:
    """postgres-url-as-it-is-handed-out: with its options in effect."""
    target = dsn.parse(url)
    assert {name: _found(target, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "does not start with postgresql://"),
        ("mysql://u@h/d", "does not start with postgresql://"),
        ("jdbc:postgresql://h/d", "does not start with postgresql://"),
        ("postgresql://h:x/d", "percent-encoded"),
        ("postgresql://us/er:pw@h/d", "percent-encoded"),
        ("postgresql://h:0/d?port=70000", "cannot be parsed"),
        ("postgresql:///d?host=/run/pg&port=planted", "cannot be parsed"),
        ("postgresql://h/d?sslmode", "cannot be parsed"),
        ("postgresql://a..b/d", "cannot be parsed"),
        (f"postgresql://{'a' * 64}/d", "cannot be parsed"),
        ("postgresql://h/d?connect_timeout=-1", "connect_timeout is not a number"),
        ("postgresql://h/d?connect_timeout=nan", "connect_timeout is not a number"),
        ("postgresql://h/d?connect_timeout=inf", "connect_timeout is not a number"),
        ("postgresql://h:1,g:2/d?target_session_attrs=read-write", "several hosts: write one, the primary's, or that of"),
        ("postgresql:///d?host=a,b", "several hosts"),
        ("postgresql://h/d?sesame=planted", "unknown option sesame: remove it, or write a setting of the server"),
        ("postgresql://h/d?sslmode=verify-full&sslmode=disable", "sslmode has two values"),
        ("postgresql://h/d?schema=a&search_path=b", "schema and search_path name different schemas"),
        ("postgresql://h/d?currentSchema=planted", "write search_path="),
        ("postgresql://h/d?service=planted", "write the service's host, port"),
        ("postgresql://h/d?passfile=planted", "write the user and the password into the URL"),
        ("postgresql://h/d?target_session_attrs=standby", "use the URL of the primary"),
        ("postgresql://h/d?gssencmode=require", "use TLS"),
        ("postgresql://h/d?sslcrl=planted", "lists of revoked certificates are not read"),
        ("postgresql://h/d?options=-d5", "-c NAME=VALUE"),
        ("postgresql://h/d?options=-c+planted", "-c NAME=VALUE"),
        ("postgresql://h/d?sslmode=no-verify", "require encrypts without verifying"),
        ("postgresql://h/d?ssl=1", "write sslmode=require"),
        ("postgresql://h/d?ssl=true&sslmode=disable", "ssl may only be true, with no weaker sslmode"),
        ("postgresql://h/d?sslaccept=strict", "write sslmode=verify-full"),
        ("postgresql://h/d?sslrootcert=planted", "sslrootcert has no effect with sslmode=prefer"),
        ("postgresql://h/d?sslmode=require&sslrootcert=system", "sslrootcert=system goes with sslmode=verify-full alone"),
        ("postgresql://h/d?sslmode=verify-ca", "sslmode=verify-ca needs sslrootcert=FILE"),
        ("postgresql://h/d?sslnegotiation=direct", "sslnegotiation=direct needs TLS"),
        ("postgresql://h/d?sslmode=disable&channel_binding=require", "channel_binding=require needs TLS"),
        ("postgresql:///d?host=/run&channel_binding=require", "channel_binding=require needs TLS"),
        ("postgresql://h/d?channel_binding=planted", "channel_binding must be one of"),
        ("postgresql://h/d?ssl_min_protocol_version=planted", "ssl_min_protocol_version must be one of"),
    ],
)  # fmt: skip
@pytest.mark.fault(95)
def test_an_unusable_url_is_named_without_its_value(url: str, words: str) -> None:
    """The error says what was expected, but not the URL, which holds a password."""
    with pytest.raises(SettingsError) as caught:
        dsn.parse(url.replace("//", "//user:planted@", 1) if "@" not in url else url)
    assert words in str(caught.value)
    assert "planted" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_tls_without_a_certificate_to_check_loads_no_authorities() -> None:
    """`require` encrypts and checks nothing, as in libpq; loading all authorities would only cost every connection."""
    context = _context("sslmode=require")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    assert context.cert_store_stats()["x509"] == 0


def test_what_verifies_is_what_the_url_asks_for(tmp_path: Path) -> None:
    """`require` with authorities verifies them as `verify-ca` does; names are checked by `verify-full`; versions hold."""
    _, authority = server_context(tmp_path)
    for mode, names in (("require", False), ("verify-ca", False), ("verify-full", True)):
        context = _context(f"sslmode={mode}&sslrootcert={authority}&ssl_min_protocol_version=TLSv1.3")
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, names)
        assert context.cert_store_stats()["x509"] == 1
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey"])
@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_that_cannot_be_used_is_named_by_its_option(tmp_path: Path, name: str, content: str | None) -> None:
    """It is missing, empty or something else; `system` is none."""
    file = tmp_path / "planted"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=f"a file of .*{name}.* cannot be read here, or holds nothing in PEM"):
        _context(f"sslmode=verify-full&{name}={file}")


def _context(options: str) -> ssl.SSLContext:
    target = dsn.parse(f"postgresql://u@h/d?{options}")
    assert target.tls.mode is not SslMode.DISABLE
    made = tls.context(target.tls)
    assert made is not None
    return made
