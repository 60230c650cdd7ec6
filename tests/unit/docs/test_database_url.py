"""docs/reference/database-url.md against the options that the code knows, and those against libpq's list."""

import re
from itertools import chain

from common.store.url_options import HONOURED, LEFT_OUT, REFUSED, SETTINGS
from tests.support.docs import read, rows, section

_PAGE = read("docs/reference/database-url.md")
_LIBPQ = frozenset(
    [
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "passfile",
        "require_auth",
        "channel_binding",
        "connect_timeout",
        "client_encoding",
        "options",
        "application_name",
        "fallback_application_name",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "replication",
        "gssencmode",
        "sslmode",
        "requiressl",
        "sslnegotiation",
        "sslcompression",
        "sslcert",
        "sslkey",
        "sslkeylogfile",
        "sslpassword",
        "sslcertmode",
        "sslrootcert",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "requirepeer",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "min_protocol_version",
        "max_protocol_version",
        "krbsrvname",
        "gsslib",
        "gssdelegation",
        "scram_client_key",
        "scram_server_key",
        "service",
        "servicefile",
        "target_session_attrs",
        "load_balance_hosts",
        "oauth_issuer",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_scope",
    ]
)
"""PostgreSQL 18's documentation, 32.1.2; and requiressl, which it does not list any more."""


def _options(heading: str) -> list[str]:
    """The options of the first column of a section's table."""
    return list(chain.from_iterable(re.findall(r"`([^`]+)`", row[0]) for row in rows(section(_PAGE, heading))))


def test_the_options_in_effect_and_those_left_out_are_the_code_s() -> None:
    """Each once."""
    assert sorted(_options("Options in effect")) == sorted(HONOURED | SETTINGS)
    assert sorted(name.lower() for name in _options("Options that are left out")) == sorted(LEFT_OUT)


def test_the_options_that_are_refused_are_the_code_s_with_its_advice() -> None:
    """The message shows the table to paste."""
    expected = [[f"`{option}`", advice] for option, advice in REFUSED.items()]
    table = "\n".join(f"| {option} | {advice} |" for option, advice in expected)
    assert rows(section(_PAGE, "Options that are refused")) == expected, f"The table must be:\n\n{table}\n"


def test_every_option_of_libpq_has_its_place() -> None:
    """In effect, left out or refused, and in one of them alone."""
    refused = {option for option in REFUSED if "=" not in option}
    assert HONOURED | LEFT_OUT | refused | SETTINGS >= _LIBPQ
    assert not (HONOURED | SETTINGS) & (LEFT_OUT | refused)
    assert not LEFT_OUT & refused
