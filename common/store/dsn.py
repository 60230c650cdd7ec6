"""A Postgres URL, as libpq and Go drivers write it, to pg8000's connection arguments (pg8000 reads no URL)."""

import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from common.errors import SettingsError

_EXPECTED = "check SYNCCTL_DATABASE_URL, which is expected as postgresql://user:password@host:5432/database?search_path=...&sslmode=..."
_CONNECT_TIMEOUT_SECONDS = 10.0
_LONGEST_TIMEOUT_SECONDS = 24 * 3600.0
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Options of other drivers that mean nothing to us, and are harmless to leave out.
_IGNORED = frozenset(
    {"connection_limit", "pool_timeout", "pgbouncer", "schema", "pool_max_conns", "pool_min_conns"}
    | {"default_query_exec_mode", "statement_cache_capacity", "sslcompression", "target_session_attrs"}
)
_STARTUP = frozenset({"search_path", "options", "timezone", "statement_timeout", "lock_timeout", "DateStyle"})
_UNITS = {"us": 1e-6, "": 1e-3, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TIME = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*")
_IN_OPTIONS = re.compile(r"statement[_-]timeout=(\S*)")


def parse(url: str) -> dict[str, Any]:
    """Arguments for `pg8000.native.Connection`; raises SettingsError that never repeats the URL."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        port = int(options.pop("port", "") or parts.port or 5432)
        host = options.pop("host", "") or unquote(parts.hostname or "localhost")
        if not host.startswith("/"):
            host.encode("idna")  # as whoever looks it up does
    except ValueError:
        raise SettingsError(f"The database URL cannot be parsed; {_EXPECTED}.") from None
    if parts.scheme not in {"postgres", "postgresql"}:
        raise SettingsError(f"The database URL does not start with postgresql://; {_EXPECTED}.")
    arguments: dict[str, Any] = {
        "user": unquote(parts.username or options.pop("user", "postgres")),
        "password": unquote(parts.password) if parts.password else options.pop("password", None),
        "database": unquote(parts.path.lstrip("/")) or options.pop("dbname", None),
        "application_name": options.pop("application_name", "sync-functions"),
        "timeout": _seconds(options.pop("connect_timeout", "")),
        "tcp_keepalive": True,
    }
    if host.startswith("/"):
        arguments["unix_sock"] = f"{host}/.s.PGSQL.{port}"
    else:
        arguments |= {"host": host, "port": port}
    arguments["ssl_context"] = _ssl(options.pop("sslmode", "prefer"), options.pop("sslrootcert", None))
    startup = {name: options.pop(name) for name in list(options) if name in _STARTUP}
    if unknown := [name for name in options if name not in _IGNORED]:
        raise SettingsError(f"The database URL has options that are not known here: {', '.join(unknown)}.")
    return arguments | ({"startup_params": startup} if startup else {})


def _seconds(text: str) -> float:
    """A time limit; 0 means none to libpq, but a function must not wait for ever."""
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _LONGEST_TIMEOUT_SECONDS:
        raise SettingsError("The database URL's connect_timeout is not a number of seconds.")
    return seconds or _CONNECT_TIMEOUT_SECONDS


def statement_seconds(startup: Mapping[str, str]) -> float | None:
    """After how long the server ends a statement, as far as the URL's options (parse's startup_params) say so; the
    shortest, where they say several.
    """
    texts = _IN_OPTIONS.findall(startup.get("options", ""))
    if "statement_timeout" in startup:
        texts.append(startup["statement_timeout"])
    return min(filter(None, map(_server_seconds, texts)), default=None)


def _server_seconds(text: str) -> float:
    """A time as Postgres reads it; 0 is no limit."""
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        raise SettingsError("The database URL's statement_timeout is not a time; write milliseconds, or such as 30s.")
    return float(found[1]) * _UNITS[found[2]]


def unverified() -> ssl.SSLContext:
    """TLS with whoever answers. Python's default context would load all authorities first, to ask none of them: 40 ms
    of CPU for each connection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _ssl(mode: str, root: str | None) -> ssl.SSLContext | bool | None:
    """False: never; None: tried, and done without where the server has none; a context insists and, but for `require`,
    verifies.
    """
    if mode not in _SSL_MODES:
        raise SettingsError(f"The database URL's sslmode must be one of {', '.join(_SSL_MODES)}.")
    if mode == "disable":
        return False
    if mode in {"allow", "prefer"}:
        return None
    if mode == "require" and not root:
        return unverified()
    try:
        context = ssl.create_default_context(cafile=root)
    except OSError:
        raise SettingsError("The database URL's sslrootcert names a file that cannot be read.") from None
    context.check_hostname = mode == "verify-full"
    return context
