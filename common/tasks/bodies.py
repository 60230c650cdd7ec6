"""Checks the JSON bodies of requests as a whole, then splits them into members without losing a digit.

Every problem becomes a sentence that names the field and never repeats a value (it may be a secret).
"""

import json
import math
import re
from itertools import chain
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from common import nesting
from common.errors import BadRequest, Refused
from common.protocol import catalogs

MAX_DEPTH = 200
"""Levels of nesting: far above any real body, far below the limits of Python's own decoders."""

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators, and lone surrogates."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NESTING = (dict, list)
_SYNC_MODES = tuple(catalogs.SyncMode)


def members(
    body: bytes, *, required: tuple[str, ...], optional: tuple[str, ...] = (), dropped: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the body's members as compact JSON, their types and the catalog's shape checked; nulls are left out.

    `dropped`: members that may be there and are not returned.
    """
    accepted = (*required, *optional, *dropped)
    document = check_json(body)
    if not isinstance(document, dict):
        raise BadRequest(f"The body is not a JSON object; expected one with {', '.join(required)}.")
    for name in document:
        if name not in accepted:
            raise BadRequest(f"Unknown member {shown(name)} of the body; accepted are {', '.join(accepted)}.")
    if missing := [name for name in required if document.get(name) is None]:
        raise BadRequest(f"Missing from the body: {', '.join(missing)}.")
    for name in required:
        _expect(name, document[name], dict, "an object")
    if document.get("state") is not None:
        _expect("state", document["state"], (dict, list), "an object, an array of state messages, or null")
    raw = msgspec.json.decode(body, type=dict[str, Raw])
    given = (name for name, value in document.items() if value is not None and name not in dropped)
    members = {name: msgspec.json.format(bytes(raw[name]), indent=-1) for name in given}
    if "catalog" in members:
        _check_catalog(document["catalog"], members["catalog"])
    return members


def check_json(body: bytes) -> object:
    """Return what JSON holds, with 0.0 for each float. Raise BadRequest for what readers do not agree on."""
    if not body.strip():
        raise BadRequest('The body is empty; expected JSON, such as {"config": {...}}.')
    try:
        # How deep a decoder recurses before it finds that a body is cut off depends on the Python.
        nesting.check(body)
        document = _document.decode(body)
    except RecursionError:
        _too_deep()
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not usable JSON: {error}.") from None
    # msgspec lets the last of two members of one name win. Outside of strings every member has one colon, so counting
    # finds such a body, and the slow decoder need only find where.
    if _count_members(document) != _STRING.sub(b"", body).count(b":"):
        document = None  # else the garbage collector visits all of it repeatedly while the next one is made
        json.loads(body.decode(), object_pairs_hook=_unique, parse_int=str, parse_float=str)
    return document


def _count_members(document: object) -> int:
    """Count level by level, without recursion. Raise BadRequest if there are too many levels."""
    count = 0
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        objects = [node for node in level if isinstance(node, dict)]
        count += sum(map(len, objects))
        arrays = (node for node in level if isinstance(node, list))
        children = chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(arrays))
        level = [child for child in children if isinstance(child, _NESTING)]
        if not level:
            return count
    return _too_deep()


def _too_deep() -> NoReturn:
    raise BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _unique(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise BadRequest(f"The body has the member {shown(name)} twice in one object; send it once.")
        names.add(name)


def _check_catalog(catalog: dict[str, Any], raw: bytes) -> None:
    """Check a configured catalog: first the usual mistakes, in our words, then all that we rely on."""
    _expect("catalog.streams", catalog.get("streams"), list, "an array of configured streams")
    for number, configured in enumerate(catalog["streams"]):
        path = f"catalog.streams[{number}]"
        _expect(path, configured, dict, "an object with stream and sync_mode")
        stream = configured.get("stream")
        _expect(f"{path}.stream", stream, dict, "an object with name and json_schema")
        for name in ("name", "namespace", "table_name"):
            if name == "name" or stream.get(name) is not None:
                _check_name(f"{path}.stream.{name}", stream.get(name))
        _expect(f"{path}.stream.json_schema", stream.get("json_schema", {}), (dict, type(None)), "an object")
        if configured.get("sync_mode") not in _SYNC_MODES:
            raise BadRequest(f"{path}.sync_mode: expected {' or '.join(_SYNC_MODES)}.")
    try:
        decoded = catalogs.decode_catalog(raw)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise BadRequest(f"catalog{path.rstrip('`')}: {text[:1].lower()}{text[1:]}.") from None
    if files := [shown(stream.id.key) for stream in decoded.streams if stream.with_files]:
        raise Refused(
            f"catalog: include_files is set for {', '.join(files)}, and files are not kept, only rows: unset it."
        )


def _check_name(path: str, value: object) -> None:
    _expect(path, value, str, "a string")
    if not value and path.endswith(".name"):
        raise BadRequest(f"{path}: expected a string that is not empty.")
    if UNPRINTABLE.search(str(value)):
        raise BadRequest(f"{path}: holds a control character, such as NUL or a line break.")


def _expect(path: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kind):
        raise BadRequest(f"{path}: expected {wanted}.")


def _check_float(text: str) -> float:
    """Raise ValueError for a number that is none on most machines; its value is not needed.

    msgspec's own conversion takes a hundred times as long for numbers such as 1e308, and nothing else runs meanwhile.
    """
    if math.isinf(float(text)):
        raise ValueError("Number out of range")
    return 0.0


_document = msgspec.json.Decoder(float_hook=_check_float)


def shown(name: str) -> str:
    """Return a caller's own name for something, short and harmless."""
    return repr(name if len(name) <= 40 else f"{name[:40]}...")
