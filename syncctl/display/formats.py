"""The output formats of kubectl and kn: json, yaml, name, url and jsonpath."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import typer

Object = Mapping[str, Any]
_PIECE = re.compile(r"\{([^{}'\"]*(?:(?:'[^']*'|\"[^\"]*\")[^{}'\"]*)*)\}|([^{}]+)|([{}])")
_ESCAPED = re.compile(r"\.((?:[^.\[\]\\\s]|\\.)*\\\.(?:[^.\[\]\\\s]|\\.)*)")


class Kind(StrEnum):
    """The formats."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    URL = "url"
    JSONPATH = "jsonpath"


class Format(NamedTuple):
    """A format as the option names it, and the template of jsonpath."""

    kind: Kind
    template: str = ""


def parse_format(text: str) -> Format:
    """Return what -o asks for. Raise typer.BadParameter."""
    name, equals, template = text.partition("=")
    if name not in set(Kind) or bool(equals) != (name == Kind.JSONPATH):
        raise typer.BadParameter("expected json, yaml, name, url or jsonpath=TEMPLATE.")
    if template:
        list(_pieces(template))
    return Format(Kind(name), template)


def render(value: Any, wanted: Format, *, names: Sequence[str], urls: Sequence[str]) -> str:
    """Return a value in a format, without a line break at its end; `names` and `urls` are those of its objects."""
    match wanted.kind:
        case Kind.JSON:
            return json.dumps(value, indent=4, ensure_ascii=False)
        case Kind.YAML:
            return as_yaml(value).rstrip("\n")
        case Kind.NAME:
            return "\n".join(names)
        case Kind.URL:
            return "\n".join(urls)
        case Kind.JSONPATH:
            return jsonpath(wanted.template, value)


def as_yaml(value: Any) -> str:
    """Return a value as YAML that any reader takes for the same."""
    import yaml  # type: ignore[import-untyped] # PyYAML ships no types

    class Dumper(yaml.SafeDumper):  # type: ignore[misc] # untyped
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - overridden
            return True

    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100))


def jsonpath(template: str, value: Any) -> str:
    """Return a template of kubectl's, filled: texts, {paths}, {"texts"}, and {range PATH} ... {end}."""
    found, _ = _fill(list(_pieces(template)), 0, value, value)
    return found


Piece = tuple[str, Any]
"""`text`, `path`, `range` or `end`, and what belongs to it: a text, or a function that finds values."""


def _fill(pieces: Sequence[Piece], at: int, root: Any, current: Any) -> tuple[str, int]:
    out = []
    while at < len(pieces):
        kind, what = pieces[at]
        at += 1
        if kind == "end":
            break
        if kind == "range":
            rounds = [_fill(pieces, at, root, one) for one in what(root, current)]
            out += [text for text, _ in rounds]
            at = rounds[0][1] if rounds else _after_end(pieces, at)
        else:
            out.append(what if kind == "text" else " ".join(map(_plain, what(root, current))))
    return "".join(out), at


def _after_end(pieces: Sequence[Piece], at: int) -> int:
    depth = 1
    while depth:
        depth += {"range": 1, "end": -1}.get(pieces[at][0], 0)
        at += 1
    return at


def _pieces(template: str) -> Iterator[Piece]:
    """Yield a template's pieces. Raise typer.BadParameter if it is not one."""
    depth = 0
    if "{" not in template:
        template = f"{{{template}}}"  # as kubectl takes it
    for found in _PIECE.finditer(template):
        inside, text, stray = found[1], found[2], found[3]
        if stray:
            raise typer.BadParameter(f"jsonpath: a brace without its other one at character {found.start() + 1}.")
        if text is not None:
            yield "text", text
            continue
        piece = _piece(inside.strip())
        depth += {"range": 1, "end": -1}.get(piece[0], 0)
        if depth < 0:
            raise typer.BadParameter("jsonpath: {end} without {range}.")
        yield piece
    if depth:
        raise typer.BadParameter("jsonpath: {range} without {end}.")


def _piece(inside: str) -> Piece:
    if inside == "end":
        return "end", None
    if inside[:1] in {'"', "'"}:
        body = inside[1:-1].replace("\\'", "'")
        try:
            return "text", json.loads(f'"{body}"')
        except ValueError:
            raise typer.BadParameter(f"jsonpath: {inside} is not a text.") from None
    if inside.startswith("range "):
        return "range", _path(inside.removeprefix("range ").strip())
    return "path", _path(inside)


def _path(text: str) -> Callable[[Any, Any], list[Any]]:
    """Return a function that finds a path's values, in the root ($) or in the current object (@, or nothing)."""
    import jsonpath as library

    whole = text.startswith("$")
    path = text.removeprefix("$").removeprefix("@")
    path = path if not path or path[0] in ".[" else f".{path}"
    path = _ESCAPED.sub(lambda found: "[" + json.dumps(found[1].replace("\\", "")) + "]", path)
    if path == ".":
        path = ""
    try:
        compiled = library.compile(f"${path}")
    except library.JSONPathError as exc:
        raise typer.BadParameter(f"jsonpath: {{{text}}} is not a path: {str(exc).splitlines()[0]}.") from exc
    return lambda root, current: compiled.findall(root if whole else current)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
