"""Bearer tokens, plain and salted (docs/reference/contract.md A and H)."""

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from common.errors import Unauthorized
from common.setting_types import HEX_LENGTH, token_digest

if TYPE_CHECKING:
    from common.settings import Settings

# The original's public default: it keeps tokens out of sight, not safe from guessing.
DEFAULT_SECRET = "dea42a58-acf4-45af-85bb-e77e94bd5025"  # noqa: S105 - public on purpose, see above
_SCHEME = re.compile(rb"\Abearer(\s+|\Z)", re.IGNORECASE)


def authenticate(header: str | None, settings: "Settings") -> None:
    """Check an Authorization header in WSGI's form (bytes as Latin-1); raise Unauthorized.

    "Bearer " may be left out. If no tokens are configured, everyone may call.
    """
    raw = _split(settings.raw_auth_tokens.get_secret_value())
    tokens = _split(settings.auth_tokens.get_secret_value())
    if not raw and not tokens:
        return
    given = _SCHEME.sub(b"", _bytes(header or "").strip())
    if not given:
        raise Unauthorized("Authorization header with Bearer token is required")
    secrets = [secret.encode() for secret in _split(settings.token_secret.get_secret_value())]
    # A list, not a generator: every token is compared, so the time tells nothing about them.
    matches = [hmac.compare_digest(given, token.encode()) for token in raw]
    matches += [_matches(given, token, secrets) for token in tokens]
    if True not in matches:
        raise Unauthorized("The token is not one of those that this installation accepts; check it for typing errors.")


def _bytes(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:  # not from a WSGI server
        return header.encode("utf-8", "surrogatepass")


def _matches(given: bytes, token: str, secrets: list[bytes]) -> bool:
    """Compare with a plain token, or with `salt.hash`: the SHA-512 of token + salt + secret, in hex or base64."""
    salt, dot, text = token.partition(".")
    if not dot:
        return hmac.compare_digest(given, token.encode())
    default = DEFAULT_SECRET.encode() if len(text) == HEX_LENGTH else b""
    digest = token_digest(text) or b""
    hashes = [hashlib.sha512(given + salt.encode() + secret).digest() for secret in secrets or [default]]
    return True in [hmac.compare_digest(found, digest) for found in hashes]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
