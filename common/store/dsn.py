"""Turn a Postgres URL, as libpq and Go drivers write it, into pg8000's connection arguments (pg8000 reads no URL)."""

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from common.errors import SettingsError

_EXPECTED = "check SYNCCTL_DATABASE_URL, which is expected as postgresql://user:password@host:5432/database?search_path=...&sslmode=..."
_CONNECT_TIMEOUT_SECONDS = 10.0
_LONGEST_TIMEOUT_SECONDS = 24 * 3600.0
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Options of other drivers that have no meaning for pg8000, and that may be left out.
_IGNORED = frozenset(
    {"connection_limit", "pool_timeout", "pgbouncer", "schema", "pool_max_conns", "pool_min_conns"}
    | {"default_query_exec_mode", "statement_cache_capacity", "sslcompression", "target_session_attrs"}
)
_STARTUP = frozenset({"search_path", "options", "timezone", "statement_timeout", "lock_timeout", "DateStyle"})


def parse(url: str) -> dict[str, Any]:
    """Return arguments for `connections.Connection`; raise a SettingsError that never repeats the URL."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        port = int(options.pop("port", "") or parts.port or 5432)
        host = options.pop("host", "") or unquote(parts.hostname or "localhost")
        if not host.startswith("/"):
            host.encode("idna")  # as the resolver does
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
        "ssl_context": _ssl_context(options.pop("sslmode", "prefer"), options.pop("sslrootcert", None)),
    }
    arguments |= {"unix_sock": f"{host}/.s.PGSQL.{port}"} if host.startswith("/") else {"host": host, "port": port}
    if startup := {name: options.pop(name) for name in _STARTUP & options.keys()}:
        arguments["startup_params"] = startup
    if unknown := options.keys() - _IGNORED:
        raise SettingsError(f"The database URL has unknown options: {', '.join(sorted(unknown))}; remove them.")
    return arguments


def _seconds(text: str) -> float:
    """Return a connect_timeout; 0 means without limit to libpq, but a function must not wait without one."""
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _LONGEST_TIMEOUT_SECONDS:
        raise SettingsError("The database URL's connect_timeout is not a number of seconds up to 86400.")
    return seconds or _CONNECT_TIMEOUT_SECONDS


def unverified() -> ssl.SSLContext:
    """Return a context for TLS without verification.

    Python's default context loads all certificate authorities, which takes 40 ms of CPU per connection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _ssl_context(mode: str, root: str | None) -> ssl.SSLContext | bool | None:
    """Map sslmode to pg8000's ssl_context.

    False disables TLS, None falls back to plain, a context requires TLS and verifies it unless `require`.
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
