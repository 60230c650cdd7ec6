"""Reads YAML into plain data, and remembers the line of each value; the only reader of the syncs' files.

One machine reads a file here, a cluster gets it through kubectl, whose YAML is of version 1.1: there `no` is false,
`010` is eight, and a key `on` is "true". What the two would read differently is refused, with what to write instead. So
are anchors, tags and doubled keys, and whatever is too large, too deep or too much, before anything is built of it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from msgspec import Struct

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
"""Levels of mappings and lists."""
MAX_NODES = 60_000
"""Keys and values of a file."""
MAX_SHOWN = 40
Path = tuple[str | int, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, and part of the wheels
_BOM = b"\xef\xbb\xbf"
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_QUOTED = re.compile(r"\s*'[^']*'|\s*\"[^\"]*\"")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DOUBTFUL = frozenset(
    ["y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"]
)
_ODD = object()
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ODD_NUMBER = re.compile(r"[-+]?(0[0-9]+|0[xXoObB][-+]?[0-9a-fA-F]+|\.(inf|Inf|INF))|\.(nan|NaN|NAN)")


class SourceError(ValueError):
    """A text cannot be read; the message is what was expected, at a line and, where one is known, a field."""

    def __init__(self, line: int, expected: str, path: Path = ()) -> None:
        super().__init__(expected)
        self.line, self.path = line, path


class Document(Struct, frozen=True):
    """One document of a file: its data, and the lines of its values by their paths."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of a value; of what holds it, if it is not there."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def shown(path: Path) -> str:
    """Return a path as people write it: `spec.streams[2].mode`; a long key is cut, an odd one quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part) and len(part) <= MAX_SHOWN:
            text += f".{part}"
        else:
            text += f"[{part if len(part) <= MAX_SHOWN else part[:MAX_SHOWN] + '...'!r}]"
    return text.removeprefix(".")


def read(data: bytes) -> tuple[Document, ...]:
    """Return the documents of a file, without empty ones. Raise SourceError at the first thing that cannot be read."""
    if len(data) > MAX_BYTES:
        raise SourceError(1, f"expected at most {MAX_BYTES:,} bytes")
    text = _decode(data)
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _explain(error, text) from None  # it quotes lines, which may hold a secret
    if not builder.documents:
        raise SourceError(1, "expected a document; the file has none")
    return tuple(builder.documents)


def _decode(data: bytes) -> str:
    data = data.removeprefix(_BOM)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise SourceError(
            data.count(b"\n", 0, error.start) + 1, "expected UTF-8; this line holds other bytes"
        ) from None
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise SourceError(line, f"expected printable text; this line holds the character U+{ord(found[0]):04X}")
    return text


def _explain(error: Any, text: str) -> SourceError:
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    lines = text.splitlines() or [""]
    if "\t" in re.match(r"\s*", lines[min(line, len(lines) - 1)])[0]:  # type: ignore[index] # matches always
        return SourceError(line + 1, "expected blanks; YAML cannot be indented with tabs")
    problem = _QUOTED.sub("", str(error.problem or "it breaks off"))
    return SourceError(
        line + 1, f"expected YAML: {problem}. Check the indentation; a text with special characters needs quotes"
    )


class _Frame:
    """A mapping or a list that is still open; `key` is the one whose value comes next."""

    def __init__(self, value: dict[str, Any] | list[Any], path: Path) -> None:
        self.value, self.path = value, path
        self.key: str | None = None


class _Builder:
    """Takes the parser's events one by one; nothing recurses."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self._frames: list[_Frame] = []
        self._lines: dict[Path, int] = {}
        self._root: Any = None
        self._nodes = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._lines, self._root = {}, None
        elif isinstance(event, yaml.DocumentEndEvent):
            if self._root is not None:
                self.documents.append(Document(self._root, self._lines))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._frames.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._refuse(event, line)
            self._node(event, line)

    def _refuse(self, event: Any, line: int) -> None:
        path = self._frames[-1].path if self._frames else ()
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise SourceError(line, f"expected at most {MAX_NODES:,} keys and values in a file", path)
        if event.anchor is not None:  # an alias has one, too
            raise SourceError(
                line, "expected no anchors (&) and aliases (*); write the value out, or quote the text", path
            )
        if event.tag is not None:
            raise SourceError(line, "expected no tag (!); quote the text", path)

    def _node(self, event: Any, line: int) -> None:
        frame = self._frames[-1] if self._frames else None
        if frame and isinstance(frame.value, dict) and frame.key is None:
            frame.key = _key(event, line, frame)
            self._lines[*frame.path, frame.key] = line
            return
        path = self._next_path(frame)
        self._lines.setdefault(path, line)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, line, path)
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
            if len(self._frames) >= MAX_DEPTH:
                raise SourceError(line, f"expected at most {MAX_DEPTH} levels", path[:3])
            self._frames.append(_Frame(value, path))
        self._place(frame, value)

    @staticmethod
    def _next_path(frame: _Frame | None) -> Path:
        if frame is None:
            return ()
        return (*frame.path, len(frame.value) if frame.key is None else frame.key)

    def _place(self, frame: _Frame | None, value: Any) -> None:
        if frame is None:
            self._root = value
        elif isinstance(frame.value, dict):
            frame.value[str(frame.key)], frame.key = value, None
        else:
            frame.value.append(value)


def _key(event: Any, line: int, frame: _Frame) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise SourceError(line, "expected a name as the key", frame.path)
    key = str(event.value)
    if event.style in {None, ""} and (key in _DOUBTFUL or key == "<<" or not isinstance(_resolve(key), str)):
        expected = f'expected the key "{key[:MAX_SHOWN]}" in quotes; YAML readers disagree whether it is text'
        raise SourceError(line, expected, frame.path)
    if _SURROGATE.search(key):
        raise SourceError(line, "expected whole characters; the key holds half of one", frame.path)
    if key in frame.value:
        raise SourceError(line, "expected each key once; this one is there before", (*frame.path, key))
    return key


def _scalar(event: Any, line: int, path: Path) -> Any:
    text = str(event.value)
    if _SURROGATE.search(text):
        raise SourceError(line, "expected whole characters; the text holds half of one", path)
    if event.style not in {None, ""}:
        return text
    if text in _DOUBTFUL:
        raise SourceError(line, f'expected true or false, or "{text}" in quotes; YAML readers disagree on it', path)
    if (value := _resolve(text)) is _ODD:
        raise SourceError(line, "expected a plain decimal number of at most 64 bits, or a text in quotes", path)
    return value


def _resolve(text: str) -> Any:
    """Return a plain scalar as all readers have it; _ODD for a number that they read differently or JSON lacks."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _ODD_NUMBER.fullmatch(text):
        return _ODD
    if "_" in text and text[0] != "_":  # kubectl passes over it in whatever is a number without
        return text if isinstance(_resolve(text.replace("_", "")), str) else _ODD
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= 20 and -(2**63) <= int(text) < 2**63 else _ODD
    if _FLOAT.fullmatch(text):
        return _float(text)
    return text


def is_plain(text: str) -> bool:
    """Return whether a text is a text without quotes, too, as far as words and numbers go."""
    return text not in _DOUBTFUL and isinstance(_resolve(text), str)


def _float(text: str) -> Any:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        return _ODD
    # Kubernetes stores a float that is whole as an integer.
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def paths(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each value of a document with its path, those that hold others first."""
    yield path, data
    members = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in members:
        yield from paths(value, (*path, name))
