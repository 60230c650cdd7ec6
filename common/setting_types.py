"""The types of settings; their errors name what is expected, and never repeat the value."""

import json
import re
from base64 import b64decode
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainValidator, SecretStr

from common import pod_templates
from common.pod_templates import PodTemplate

# The requests of the pod (common/pods/containers.py).
_LEAST_SOURCE_MI = 512
_LEAST_SOURCE_DISK_MI, _LEAST_SIDECAR_DISK_MI = 512, 128
HEX_LENGTH = 128
_BASE64_LENGTH = 86
_KEY_BYTES = 32
"""Of a key of Fernet."""
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_IMAGE_PATTERN = re.compile(r"(?:[\w.:\[\]*-]+/)?[\w.*-]+(?:/[\w.*-]+)*", re.ASCII)

_EXTENSION = re.compile("[a-z0-9]{1,20}")
_ATTRIBUTES = frozenset(
    {"id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time", "data"}
)
"""Of each CloudEvent: no extension has their names."""


def plain(value: Any) -> Any:
    """Return a secret's text, and any other value as it is."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _url(*schemes: str) -> AfterValidator:
    def check(value: Any) -> Any:
        text = plain(value)
        try:
            parts = urlsplit(text)
            usable = parts.scheme in schemes and parts.port != 0 and bool(parts.netloc)
        except ValueError:
            usable = False
        if not usable or " " in text:
            raise ValueError(f"expected a URL such as {schemes[0]}://host:port")
        return value

    return AfterValidator(check)


def _database_url(value: SecretStr) -> SecretStr:
    # common.store reads the rest, and says what is wrong with it.
    text = plain(value)
    try:
        parts = urlsplit(text.partition("#")[0])
        usable = parts.scheme in {"postgresql", "postgres"} and bool(parts.netloc or parts.query)
    except ValueError:  # which may quote user and password
        usable = False
    if not usable or " " in text:
        raise ValueError("expected a URL such as postgresql://host:port, with special characters percent-encoded")
    return value


def _without_password(value: str) -> str:
    # Bulker's is part of every task pod's manifest.
    if "@" in urlsplit(value).netloc:
        raise ValueError(
            "expected no user or password in it; SYNCCTL_BULKER_AUTH_TOKEN is for Bulker's token, "
            "OTEL_EXPORTER_OTLP_HEADERS for a collector's, and a sink of events is sent none"
        )
    return value


def _tokens(value: SecretStr) -> SecretStr:
    text = plain(value)
    if text and not text.replace(",", "").strip():
        # No tokens would let everyone call.
        raise ValueError("expected a comma-separated list of tokens, found only commas")
    return value


def token_digest(text: str) -> bytes | None:
    """Decode a SHA-512, in hex or unpadded base64; None if the text is none."""
    try:
        if len(text) == HEX_LENGTH:
            return bytes.fromhex(text)
        if len(text) == _BASE64_LENGTH:
            return b64decode(_standard(text) + "==", validate=True)
    except ValueError:  # binascii.Error is one
        pass
    return None


def _hashed_tokens(value: SecretStr) -> SecretStr:
    for token in plain(value).split(","):
        _, dot, digest = token.strip().partition(".")
        if dot and token_digest(digest) is None:
            # Taken for a plain token, a hash that was cut would be one that everyone may read.
            raise ValueError(
                "expected salt.hash with a whole SHA-512 where an entry has a dot; a plain token with a dot goes into "
                "SYNCCTL_RAW_AUTH_TOKENS"
            )
    return value


def _encryption_keys(value: SecretStr) -> SecretStr:
    keys = plain(value).split(",") if plain(value) else []
    try:
        usable = all(len(b64decode(_standard(key.strip()), validate=True)) == _KEY_BYTES for key in keys)
    except ValueError:  # binascii.Error is one
        usable = False
    if not usable:
        raise ValueError(
            "expected 32 bytes in base64, as `openssl rand -base64 32` prints them, or several such keys, separated by "
            "commas"
        )
    return value


def _standard(base64: str) -> str:
    return base64.replace("-", "+").replace("_", "/")


def _limit(least_mi: int) -> AfterValidator:
    def check(value: str) -> str:
        number, unit = value[:-2], {"Mi": 1, "Gi": 1024}.get(value[-2:], 0)
        if not (number.isascii() and number.isdecimal()) or int(number) * unit < least_mi:
            raise ValueError(f"expected {least_mi}Mi or more, as a whole number of Mi or Gi, such as 4Gi")
        return value

    return AfterValidator(check)


def _schema(value: str) -> str:
    if not _SCHEMA.fullmatch(value):
        raise ValueError("expected a name of letters (A to Z), digits, _ and -, at most 63, the first a letter or _")
    return value


def _image_patterns(value: str) -> str:
    # An empty list would allow all images, a pattern with a tag none.
    if value and not all(_IMAGE_PATTERN.fullmatch(part.strip()) for part in value.split(",")):
        raise ValueError("expected names of images, separated by commas, without tags, such as airbyte/source-*")
    return value


def _labels(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    import yaml  # type: ignore[import-untyped] # PyYAML ships no types

    try:
        labels = yaml.load(value, Loader=yaml.BaseLoader)  # noqa: S506 - builds text only: {gpu: true} means "true"
    except yaml.YAMLError:
        labels = None
    if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        raise ValueError('expected labels as JSON or YAML, such as {"disk": "ssd"}')
    return labels


def _sink_overrides(value: Any) -> Any:
    # https://knative.dev/docs/eventing/custom-event-source/sinkbinding/reference/#cloudevent-overrides
    if not isinstance(value, str):
        return value
    try:
        given = json.loads(value)
        found = {} if given is None else given.get("extensions") or {}
        usable = all(_EXTENSION.fullmatch(name) and name not in _ATTRIBUTES for name in found)
        usable = usable and all(isinstance(text, str) for text in found.values())
    except (ValueError, AttributeError, TypeError, RecursionError):
        usable = False
    if not usable:
        raise ValueError(
            'expected JSON such as {"extensions": {"name": "value"}}, with names of CloudEvents extensions'
        )
    return found


def _certificates(value: str) -> str:
    import ssl  # not for a function that talks to no sink

    try:
        if value:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
    except (OSError, TypeError):  # SSLError is an OSError; it takes ASCII alone
        raise ValueError("expected certificates as PEM, each from its BEGIN to its END line") from None
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
HttpUrl = Annotated[str, _url("http", "https"), AfterValidator(_without_password)]
SchemaName = Annotated[str, AfterValidator(_schema)]
MemoryLimit = Annotated[str, _limit(_LEAST_SOURCE_MI)]
SourceDiskLimit = Annotated[str, _limit(_LEAST_SOURCE_DISK_MI)]
SidecarDiskLimit = Annotated[str, _limit(_LEAST_SIDECAR_DISK_MI)]
Tokens = Annotated[SecretStr, AfterValidator(_tokens)]
HashedTokens = Annotated[SecretStr, AfterValidator(_tokens), AfterValidator(_hashed_tokens)]
EncryptionKeys = Annotated[SecretStr, AfterValidator(_encryption_keys)]
ImagePatterns = Annotated[str, AfterValidator(_image_patterns)]
PodTemplates = Annotated[tuple[PodTemplate, ...], PlainValidator(pod_templates.parse)]
Certificates = Annotated[str, AfterValidator(_certificates)]
SinkOverrides = Annotated[dict[str, str], BeforeValidator(_sink_overrides)]
Labels = Annotated[dict[str, str], BeforeValidator(_labels)]
