"""TLS as libpq's options ask for it; what verifies a server is never weaker than what the URL asks for."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from common.errors import SettingsError


class SslMode(StrEnum):
    """libpq's sslmode."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


_OPTIONAL = (SslMode.ALLOW, SslMode.PREFER)
_WEAK = (SslMode.DISABLE, *_OPTIONAL)
_SYSTEM = "system"
_VERSIONS = {
    f"TLSv{number}": ssl.TLSVersion[f"TLSv{number}".replace(".", "_")] for number in ("1", "1.1", "1.2", "1.3")
}


@dataclass(frozen=True)
class Tls:
    """What a URL asks for. Files are named, not read yet: task pods have others than functions."""

    mode: SslMode
    root: str = ""
    certificate: str = ""
    key: str = ""
    password: str = ""
    is_direct: bool = False
    """Without asking the server first whether it has TLS."""
    is_bound: bool = False
    """The login has to be bound to the server's certificate (channel_binding=require)."""
    least: str = "TLSv1.2"
    most: str = "TLSv1.3"

    @property
    def is_required(self) -> bool:
        """A server without TLS is refused."""
        return self.mode not in _WEAK


def from_options(options: dict[str, str], *, on_socket: bool) -> Tls:
    """Take the options of TLS out of a URL's; raise SettingsError for values, or pairs of them, that cannot work."""
    given = {name: options.pop(name, "") for name in ("ssl", "sslmode", "sslrootcert", "sslcert", "sslkey")}
    root = given["sslrootcert"]
    tls = Tls(
        mode=_mode(given["sslmode"], root, is_asked=given["ssl"]),
        root=root,
        certificate=given["sslcert"],
        key=given["sslkey"],
        password=options.pop("sslpassword", ""),
        is_direct=_one_of(options, "sslnegotiation", "postgres", "direct") == "direct",
        is_bound=_one_of(options, "channel_binding", "prefer", "disable", "require") == "require",
        least=_one_of(options, "ssl_min_protocol_version", "TLSv1.2", *_VERSIONS),
        most=_one_of(options, "ssl_max_protocol_version", "TLSv1.3", *_VERSIONS),
    )
    if tls.is_direct and not tls.is_required:
        raise _unusable("sslnegotiation=direct needs TLS: add sslmode=verify-full (or require)")
    if tls.is_bound and (on_socket or tls.mode is SslMode.DISABLE):
        raise _unusable("channel_binding=require needs TLS, which this connection does not have: remove one of them")
    return Tls(SslMode.DISABLE) if on_socket else tls  # as libpq: nobody listens between


def _mode(given: str, root: str, *, is_asked: str) -> SslMode:
    """Return the mode that is in effect; `is_asked` is JDBC's ssl=, of which libpq knows `true`."""
    if given not in {"", *SslMode}:
        raise _unusable(f"sslmode must be one of {', '.join(SslMode)}; require encrypts without verifying")
    if is_asked not in {"", "true"} or (is_asked and given in _WEAK):
        raise _unusable("ssl may only be true, with no weaker sslmode: write sslmode=require or sslmode=disable alone")
    default = SslMode.VERIFY_FULL if root == _SYSTEM else SslMode.REQUIRE if is_asked else SslMode.PREFER
    mode = SslMode(given or default)
    if root == _SYSTEM and mode is not SslMode.VERIFY_FULL:
        raise _unusable("sslrootcert=system goes with sslmode=verify-full alone, since anyone may have a certificate")
    if root and mode in _OPTIONAL:
        raise _unusable(f"sslrootcert has no effect with sslmode={mode}: write sslmode=verify-full (or verify-ca)")
    if mode is SslMode.VERIFY_CA and not root:
        raise _unusable("sslmode=verify-ca needs sslrootcert=FILE; verify-full alone asks the system's authorities")
    return SslMode.VERIFY_CA if root and mode is SslMode.REQUIRE else mode


def _one_of(options: dict[str, str], name: str, default: str, *others: str) -> str:
    value = options.pop(name, "") or default
    if value not in {default, *others}:
        raise _unusable(f"{name} must be one of {', '.join(dict.fromkeys((default, *others)))}")
    return value


def context(tls: Tls) -> ssl.SSLContext | None:
    """Return the context of a connection, None without TLS; raise SettingsError if a file cannot be read.

    Without verification it loads no authorities, which would take 40 ms of CPU per connection.
    """
    if tls.mode is SslMode.DISABLE:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = tls.mode is SslMode.VERIFY_FULL
    made.minimum_version, made.maximum_version = _VERSIONS[tls.least], _VERSIONS[tls.most]
    if tls.is_direct:
        made.set_alpn_protocols(["postgresql"])
    if tls.mode not in {SslMode.VERIFY_CA, SslMode.VERIFY_FULL}:
        made.verify_mode = ssl.CERT_NONE
    elif tls.root in {"", _SYSTEM}:
        made.load_default_certs()
    else:
        _read(made.load_verify_locations, "sslrootcert", tls.root)
    if tls.certificate or tls.key:
        _read(made.load_cert_chain, "sslcert or sslkey", tls.certificate, tls.key or None, tls.password)
    return made


def _read(load: Callable[..., None], names: str, *arguments: str | None) -> None:
    try:
        load(*arguments)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its content"
        raise _unusable(
            f"a file of {names} cannot be read here, or holds nothing in PEM that fits ({reason}); functions and task "
            f"pods read files of their own images and volumes"
        ) from None


def _unusable(problem: str) -> SettingsError:
    return SettingsError(f"The database URL cannot be used: {problem}.")
