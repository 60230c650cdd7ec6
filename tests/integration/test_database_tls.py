"""TLS to Postgres: as strict as the URL asks for, and refused with a sentence where the server is not what it asks for."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.errors import SettingsError, StoreUnavailable
from common.store import Database, dsn, tls
from common.store.connections import Connection
from tests.support.certificates import server_context
from tests.support.databases import TestDatabase
from tests.support.poolers import tls_relay
from tests.support.scram_server import scram_server

_CASE = Path(__file__).parents[1] / "reports/cases/postgres-url-as-it-is-handed-out/urls.txt"
_HANDED_OUT = [url.partition("?")[2] for url in _CASE.read_text().splitlines()]
_PLUS, _PLAIN = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"


@dataclass(frozen=True)
class Secured:
    """A server behind TLS, with the certificate that it signed itself."""

    url: str
    context: ssl.SSLContext
    authority: Path
    key: Path

    def ask(self, options: str) -> None:
        """One question, with these options of TLS."""
        with Database(f"{self.url}&{options}") as db:
            db.transact(lambda db: db.run("database_now"))


@pytest.fixture
def secured(database: TestDatabase, tmp_path: Path) -> Iterator[Secured]:
    """The test's database behind a proxy that ends TLS."""
    context, authority = server_context(tmp_path)
    with tls_relay(database.url.replace("&sslmode=disable", ""), context) as url:
        yield Secured(url, context, authority, tmp_path / "key.pem")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("sslrootcert=system", "self-signed certificate"),
        ("sslmode=verify-full", "self-signed certificate"),
        ("sslmode=verify-full&sslrootcert=AUTHORITY&host=db.example.com&hostaddr=127.0.0.1", "db.example.com"),
        ("sslmode=require&sslrootcert=OTHER", "certificate verify failed"),
        ("sslmode=verify-ca&sslrootcert=OTHER", "certificate verify failed"),
        ("sslmode=require&ssl_min_protocol_version=TLSv1.3", "protocol"),
    ],
)
@pytest.mark.fault(95)
def test_a_server_that_is_not_what_the_url_asks_for_is_refused(
    secured: Secured, tmp_path: Path, options: str, words: str
) -> None:
    """With OpenSSL's reason."""
    (tmp_path / "other").mkdir()
    _, other = server_context(tmp_path / "other")
    secured.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(StoreUnavailable, match=words):
        secured.ask(options.replace("AUTHORITY", str(secured.authority)).replace("OTHER", str(other)))


def test_a_server_that_is_what_the_url_asks_for_is_taken(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its authority, by its name, and by the system's authorities."""
    secured.ask("ssl=true")
    secured.ask(f"sslmode=require&sslrootcert={secured.authority}")
    secured.ask(f"sslmode=verify-ca&sslrootcert={secured.authority}&host=db.example.com&hostaddr=127.0.0.1")
    secured.ask(f"sslmode=verify-full&sslrootcert={secured.authority}")
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    secured.ask("sslrootcert=system")
    secured.ask(_HANDED_OUT[1])


def test_a_client_shows_its_certificate(secured: Secured) -> None:
    """Where the server wants one."""
    secured.context.verify_mode = ssl.CERT_REQUIRED
    secured.context.load_verify_locations(secured.authority)
    secured.ask(f"sslmode=require&sslcert={secured.authority}&sslkey={secured.key}")
    with pytest.raises(StoreUnavailable):
        secured.ask("sslmode=require")


def test_tls_without_a_question_before_it(database: TestDatabase, tmp_path: Path) -> None:
    """sslnegotiation=direct, and the name of the protocol in the handshake."""
    context, authority = server_context(tmp_path)
    context.set_alpn_protocols(["postgresql"])
    with tls_relay(database.url.replace("&sslmode=disable", ""), context, is_direct=True) as url:
        Secured(url, context, authority, authority).ask(
            f"sslmode=verify-full&sslrootcert={authority}&sslnegotiation=direct"
        )


@pytest.mark.parametrize("mechanisms", [(_PLUS, _PLAIN), (_PLUS,)])
def test_a_login_is_bound_to_the_certificate(tmp_path: Path, mechanisms: tuple[str, ...]) -> None:
    """postgres-url-as-it-is-handed-out: channel_binding=require, by SCRAM-SHA-256-PLUS."""
    context, certificate = server_context(tmp_path)
    with scram_server(context, certificate, "long-word", *mechanisms) as url:
        _log_in(f"{url}?{_HANDED_OUT[0]}")


@pytest.mark.parametrize("mechanisms", [(_PLAIN,), ("",)])
@pytest.mark.fault(95)
def test_a_login_that_is_not_bound_is_refused_where_it_has_to_be(tmp_path: Path, mechanisms: tuple[str, ...]) -> None:
    """By a server that offers none, or asks for nothing at all; without the option it is taken."""
    context, certificate = server_context(tmp_path)
    with scram_server(context, certificate, "long-word", *mechanisms) as url:
        with pytest.raises(SettingsError, match=r"offers no login .* channel_binding=require asks for\. Check"):
            _log_in(f"{url}?sslmode=require&channel_binding=require")
        _log_in(f"{url}?sslmode=require")


@pytest.mark.fault(95)
def test_a_login_that_is_not_known_is_a_sentence(tmp_path: Path) -> None:
    """As PostgreSQL 18's OAuth."""
    context, certificate = server_context(tmp_path)
    with (
        scram_server(context, certificate, "long-word", "OAUTHBEARER") as url,
        pytest.raises(SettingsError, match=r"do not agree on a login .*passwords by SCRAM and MD5"),
    ):
        _log_in(f"{url}?sslmode=require")


@pytest.mark.fault(95)
def test_a_proxy_that_ends_tls_has_no_channel_binding(secured: Secured) -> None:
    """As those of hosts may; the sentence says what to do."""
    with pytest.raises(SettingsError, match="a proxy that ends TLS has no channel binding"):
        secured.ask("sslmode=require&channel_binding=require")


@pytest.mark.fault(95)
def test_a_url_without_a_password_is_named(database: TestDatabase) -> None:
    """Where the server asks for one."""
    with (
        pytest.raises(SettingsError, match="the database URL has none: write it as"),
        Database(database.url.replace(f":{database.url.split(':')[2].split('@')[0]}@", "@")) as db,
    ):
        db.transact(lambda db: db.run("database_now"))


def _log_in(url: str) -> None:
    target = dsn.parse(url)
    with closing(Connection(target, tls.context(target.tls))):
        pass
