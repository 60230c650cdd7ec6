"""Read a Postgres URL as libpq does (pg8000 reads none), with what hosts, consoles and other drivers add to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from common.errors import SettingsError
from common.store import session, tls, url_options

_EXPECTED = (
    "expected postgresql://user:password@host:5432/database?search_path=...&sslmode=..., with special characters of "
    "user and password percent-encoded (@ as %40, / as %2F)"
)
_CONNECT_TIMEOUT_SECONDS = 10.0
_LONGEST_TIMEOUT_SECONDS = 24 * 3600.0
_APPLICATION_NAME = "sync-functions"


@dataclass(frozen=True)
class Target:
    """A server, and how to speak to it. `host` is the name that its certificate has to have."""

    host: str
    address: str | tuple[str, int]
    login: Mapping[str, Any]
    """The driver's arguments."""
    settings: Mapping[str, str]
    """Of the server, for each transaction."""
    timeout: float
    """Seconds, for connecting and for each answer."""
    tls: tls.Tls


def parse(url: str) -> Target:
    """Return what a URL asks for, all of it; raise a SettingsError that never repeats the URL. Reads no file."""
    try:
        parts = urlsplit(url.replace("#", "%23"))
        if parts.scheme not in {"postgres", "postgresql"}:
            raise SettingsError(f"The database URL does not start with postgresql://; {_EXPECTED}.")
        options = _options(parts.query)
        host, port = _place(parts, options)
        if not host.startswith("/"):
            host.encode("idna")  # as the resolver does
    except ValueError:
        raise SettingsError(f"The database URL cannot be parsed; {_EXPECTED}.") from None
    on_socket = host.startswith("/") and "hostaddr" not in options
    address = (options.pop("hostaddr", "") or host, port)
    settings, routing = _settings(options)
    name = options.pop("fallback_application_name", "") or _APPLICATION_NAME
    return Target(
        host=host,
        address=f"{host}/.s.PGSQL.{port}" if on_socket else address,
        login={
            "user": options.pop("user", "") or unquote(parts.username or "postgres"),
            "password": options.pop("password", "") or unquote(parts.password or ""),
            "database": options.pop("dbname", "") or unquote(parts.path[1:]) or None,
            "application_name": settings.get("application_name", name),
            "startup_params": {"options": routing} if routing else {},
        },
        settings=settings,
        timeout=_seconds(options.pop("connect_timeout", "")),
        tls=tls.from_options(options, on_socket=on_socket),
    )


def check(url: str, variable: str) -> None:
    """Raise a SettingsError that names the variable if its URL cannot be used, wherever that will be."""
    try:
        parse(url)
    except SettingsError as error:
        raise SettingsError(f"{variable}: {error}") from None


def _options(query: str) -> dict[str, str]:
    """Return the options by their names in lower case, decoded as libpq does; an empty one is as if it were not there.

    A plus sign is one, but in `options`, where drivers mean a space.
    """
    options: dict[str, str] = {}
    problems = []
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError("an option without a value")
        name, value = unquote(name).lower(), unquote(value.replace("+", " ") if name == "options" else value)
        if options.setdefault(name, value) != value:
            problems.append(f"{name} has two values: keep one")
        problems.append(url_options.problem(name, value) or "")
    if any(problems):
        raise SettingsError(f"The database URL cannot be used: {'; '.join(filter(None, problems))}.")
    return {name: value for name, value in options.items() if value}


def _place(parts: SplitResult, options: dict[str, str]) -> tuple[str, int]:
    """Return host (or a socket's folder) and port; an option wins over its place in the URL, as in libpq."""
    server = parts.netloc.rpartition("@")[2]
    given = options.pop("host", "")
    if "," in server + given + options.get("port", "") + options.get("hostaddr", ""):
        raise SettingsError(
            "The database URL names several hosts: write one, the primary's, or that of a proxy or DNS name that "
            "follows the primary; target_session_attrs=read-write may stay."
        )
    if "@" in parts.path or "/" in parts.path[1:]:
        raise ValueError("a slash in user or password")
    port = int(options.pop("port", "") or parts.port or 5432)
    if not 0 < port < 65536:
        raise ValueError("no port")
    # urlsplit's `hostname` is in lower case, but a socket's folder may have capitals.
    named = unquote(server[1:].partition("]")[0] if server.startswith("[") else server.partition(":")[0])
    return given or named or options.get("hostaddr", "") or "localhost", port


def _settings(options: dict[str, str]) -> tuple[dict[str, str], str]:
    """Return the server's settings by name, and what of `options` is for a proxy."""
    settings, routing = session.parse_options(options.pop("options", ""))
    settings |= {name: options.pop(name) for name in (*url_options.SETTINGS, "application_name") if name in options}
    if schema := options.pop("schema", ""):
        path = '"{}"'.format(schema.replace('"', '""'))
        if settings.setdefault("search_path", path).strip() not in {path, schema}:
            raise SettingsError(
                "The database URL cannot be used: schema and search_path name different schemas: keep one of them."
            )
    return settings, routing


def _seconds(text: str) -> float:
    """Return a connect_timeout; 0 means without limit to libpq, but a function must not wait without one."""
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _LONGEST_TIMEOUT_SECONDS:
        raise SettingsError("The database URL's connect_timeout is not a number of seconds up to 86400.")
    return seconds or _CONNECT_TIMEOUT_SECONDS
