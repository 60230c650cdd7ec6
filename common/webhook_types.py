"""The types of webhooks' settings, which a declared sync's Secrets hold, too; their errors never repeat the value."""

import re
from base64 import b64decode
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from common.notify import Ending

_KEY_BYTES = range(24, 65)
"""Of the Standard Webhooks specification."""
_SENT = re.compile(r"[!-~]+")
_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+")


def is_webhook_url(text: str) -> bool:
    """Return whether a text is the URL of a webhook: http or https, in printable ASCII, as HTTP has it."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and _SENT.fullmatch(text) is not None
        )
    except ValueError:  # which may quote it
        return False


def _webhook_url(value: SecretStr) -> SecretStr:
    if not is_webhook_url(value.get_secret_value()):
        raise ValueError("expected a URL such as https://host/path, with special characters percent-encoded")
    return value


def signing_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys of webhooks in a text; raise ValueError if it holds anything else, without repeating it."""
    try:
        parts = [part.strip().removeprefix("whsec_") for part in text.split(",")] if text else []
        keys = tuple(b64decode(part.replace("-", "+").replace("_", "/"), validate=True) for part in parts)
        usable = all(len(key) in _KEY_BYTES for key in keys)
    except ValueError:  # binascii.Error is one
        usable = False
    if not usable:
        raise ValueError(
            "expected 24 to 64 bytes in base64, behind whsec_ or not, or several such keys, separated by commas; "
            "`openssl rand -base64 32` prints one"
        )
    return keys


def _signing_keys(value: SecretStr) -> SecretStr:
    signing_keys(value.get_secret_value())
    return value


def _endings(value: str) -> str:
    if not {part.strip() for part in value.split(",")} <= set(Ending):
        raise ValueError(f"expected {', '.join(Ending)}, or some of these, separated by commas")
    return value


def _hosts(value: str) -> str:
    # A URL here would never be met, and its host stay refused.
    if value and not all(_HOST.fullmatch(part.strip()) for part in value.split(",")):
        raise ValueError("expected names or addresses of hosts, without ports, separated by commas, such as localhost")
    return value


WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
SigningKeys = Annotated[SecretStr, AfterValidator(_signing_keys)]
Endings = Annotated[str, AfterValidator(_endings)]
Hosts = Annotated[str, AfterValidator(_hosts)]
