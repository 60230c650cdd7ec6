"""Who may call: bearer tokens, plain and salted (docs/reference/contract.md A and H)."""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from typing import TYPE_CHECKING

from msgspec import Struct

from common.errors import Unauthorized

if TYPE_CHECKING:
    from common.settings import Settings

# The original's public default: it keeps tokens out of sight, not safe from guessing.
DEFAULT_SECRET = "dea42a58-acf4-45af-85bb-e77e94bd5025"  # noqa: S105 - public on purpose, see above
_HEX_LENGTH = 128
_BASE64_LENGTH = 86
_SCHEME = re.compile(rb"bearer(\s+|$)", re.IGNORECASE)


class _Salted(Struct, frozen=True):
    """A token known by its SHA-512 only."""

    salt: bytes
    digest: bytes
    secrets: tuple[bytes, ...]

    def matches(self, token: bytes) -> bool:
        found = [hashlib.sha512(token + self.salt + secret).digest() for secret in self.secrets]
        return True in [hmac.compare_digest(digest, self.digest) for digest in found]


class _Plain(Struct, frozen=True):
    """A token known as it is."""

    token: bytes

    def matches(self, token: bytes) -> bool:
        return hmac.compare_digest(token, self.token)


def authenticate(header: str | None, settings: "Settings") -> None:
    """Checks an Authorization header as WSGI hands it over (bytes as Latin-1); raises Unauthorized.

    "Bearer " may be left out. Without configured tokens everyone may call.
    """
    known = _known(settings)
    if not known:
        return
    token = _SCHEME.sub(b"", _raw(header or "").strip(), count=1)
    if not token:
        raise Unauthorized("Authorization header with Bearer token is required")
    # A list, not a generator: every token is compared, so time tells nothing about which one came close.
    if True not in [entry.matches(token) for entry in known]:
        raise Unauthorized("The token is not one of those that this installation accepts; check it for typing errors.")


def _raw(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:  # not from a WSGI server
        return header.encode("utf-8", "surrogatepass")


def _known(settings: "Settings") -> list[_Plain | _Salted]:
    secrets = tuple(secret.encode() for secret in _split(settings.token_secret.get_secret_value()))
    entries: list[_Plain | _Salted] = [
        _Plain(token.encode()) for token in _split(settings.raw_auth_tokens.get_secret_value())
    ]
    entries += [
        _salted(token, secrets) or _Plain(token.encode()) for token in _split(settings.auth_tokens.get_secret_value())
    ]
    return entries


def _salted(entry: str, secrets: tuple[bytes, ...]) -> _Salted | None:
    """`salt.hash`, or None where the part after the dot cannot be a SHA-512: then it is a plain token."""
    salt, _, digest = entry.partition(".")
    try:
        if len(digest) == _HEX_LENGTH:
            return _Salted(salt.encode(), bytes.fromhex(digest), secrets or (DEFAULT_SECRET.encode(),))
        if len(digest) == _BASE64_LENGTH:
            raw = b64decode(digest.replace("-", "+").replace("_", "/") + "==", validate=True)
            return _Salted(salt.encode(), raw, secrets or (b"",))
    except (ValueError, binascii.Error):
        pass
    return None


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
