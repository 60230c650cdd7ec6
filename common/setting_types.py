"""The types of settings: what each expects, in words that name it and never repeat the value."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

_LEAST_SOURCE_MI = 512  # what the pod asks for (common/pods/containers.py)
_IMAGE_PATTERN = re.compile(r"(?:[\w.:\[\]*-]+/)?[\w.*-]+(?:/[\w.*-]+)*", re.ASCII)


def _url(*schemes: str) -> AfterValidator:
    def check(value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        expected = f"a URL such as {schemes[0]}://host:port"
        try:
            parts = urlsplit(text)
            usable = parts.scheme in schemes and parts.port != 0 and (bool(parts.netloc) or "host=" in parts.query)
        except ValueError:
            usable = False
        if not usable or " " in text:
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _without_password(value: str) -> str:
    # It is in the manifest of every task's pod, and nothing sends it.
    if "@" in urlsplit(value).netloc:
        raise ValueError("expected no user or password in it; SYNCCTL_BULKER_AUTH_TOKEN is what Bulker gets")
    return value


def _tokens(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if text and not text.replace(",", "").strip():
        # An empty list means "open to everyone": never by accident.
        raise ValueError("expected a comma-separated list of tokens, found only commas")
    return value


def _memory_limit(value: str) -> str:
    number = value[:-2]
    units = {"Mi": 1, "Gi": 1024}.get(value[-2:], 0)
    if not (number.isascii() and number.isdecimal()) or int(number) * units < _LEAST_SOURCE_MI:
        raise ValueError(f"expected {_LEAST_SOURCE_MI}Mi or more, as a whole number of Mi or Gi, such as 4Gi")
    return value


def _image_patterns(value: str) -> str:
    parts = [part.strip() for part in value.split(",")]
    # A list of nothing would allow everything, and a pattern with a tag nothing: neither by accident.
    if value and not all(_IMAGE_PATTERN.fullmatch(part) for part in parts):
        raise ValueError("expected names of images, separated by commas, without tags, such as airbyte/source-*")
    return value


DatabaseUrl = Annotated[SecretStr, _url("postgresql", "postgres")]
HttpUrl = Annotated[str, _url("http", "https"), AfterValidator(_without_password)]
MemoryLimit = Annotated[str, AfterValidator(_memory_limit)]
Tokens = Annotated[SecretStr, AfterValidator(_tokens)]
ImagePatterns = Annotated[str, AfterValidator(_image_patterns)]
