"""The types of a sync's fields; each has its own sentence for what is expected, and its part of the schemas."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from common import images
from common.errors import Refused
from common.syncs import schedule

MAX_NAME = 63
"""A Kubernetes label's; names become parts of task ids."""
_PRINTABLE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]"


class Part(BaseModel):
    """A part of the document: frozen, in camelCase, without unknown members."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, allow_inf_nan=False, use_attribute_docstrings=True
    )


class _Checked:
    """A text that a function checks, raising a ValueError with what was expected; and its schema."""

    def __init__(self, check: Callable[[str], object], length: int, **schema: Any) -> None:
        self._check = check
        self._schema = {"type": "string", "minLength": 1, "maxLength": length, **schema}

    def _run(self, value: str) -> str:
        self._check(value)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._run, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self._schema)


def _text(pattern: str, length: int, expected: str) -> _Checked:
    def check(value: str) -> None:
        if len(value) > length or not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}")

    # Kubernetes knows no such escape.
    return _Checked(check, length, pattern=f"^{pattern}$".replace(r"\u2028\u2029", ""))


def _image(text: str) -> None:
    package, version = images.split(text)
    try:
        images.parse(package, version)
    except Refused as error:
        raise ValueError(
            "expected an image with a version, such as airbyte/source-faker:7.2.1, or NAME@sha256:DIGEST"
        ) from error


def _sync_id(text: str) -> None:
    plain = re.fullmatch(f"{_PRINTABLE}{{1,200}}", text)
    if not plain or any(part in {"", ".", ".."} for part in text.split("/")):
        raise ValueError("expected at most 200 printable characters, no part between slashes empty, `.` or `..`")


_DOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
Name = Annotated[
    str, _text(_DOMAIN, MAX_NAME, f"at most {MAX_NAME} lower-case letters, digits, dashes and dots, such as nightly")
]
SecretName = Annotated[str, _text(_DOMAIN, 253, "the name of a Secret, such as credentials-shop")]
SecretKey = Annotated[
    str, _text("[-._a-zA-Z0-9]+", 253, "a key of the Secret: letters, digits, dashes, dots and underscores")
]
Variable = Annotated[
    str, _text("[A-Za-z_][A-Za-z0-9_]*", 253, "the name of a variable: letters, digits and underscores")
]
Text = Annotated[str, _text(f"{_PRINTABLE}+", 200, "1 to 200 printable characters")]
Image = Annotated[str, _Checked(_image, 400)]
SyncId = Annotated[str, _Checked(_sync_id, 200)]
Cron = Annotated[str, _Checked(schedule.parse, schedule.MAX_LENGTH)]
TimeZone = Annotated[str, _Checked(schedule.zone, schedule.MAX_LENGTH)]

_AMOUNT = r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?"


def _amount(value: object) -> object:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(_AMOUNT, text):
        raise ValueError('expected an amount such as "500m" or 4Gi')
    return text


Amount = Annotated[
    str,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": f"^{_AMOUNT}$",
            "x-kubernetes-int-or-string": True,
        }
    ),
]
"""Kubernetes takes a whole number for an amount, too."""
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
