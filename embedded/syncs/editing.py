"""Changes a file of a declared sync and leaves alone what does not change: comments, order, quotes."""

import io
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import ScalarString, SingleQuotedScalarString

from common.syncs import source, writing
from common.syncs.source import SourceError

_WIDTH = 4096
"""Never breaks a line that a person wrote."""


def rewrite(text: str, document: dict[str, Any]) -> str:
    """Return a text that holds the document, with the comments of the text where it can have them."""
    if _data(text) == document:
        return text
    try:
        edited = _edit(text, document)
    except (YAMLError, ValueError, TypeError, AttributeError):
        # It cannot keep the comments of some texts, and the document counts for more.
        edited = ""
    return edited if _data(edited) == document else writing.dump(document)


def _edit(text: str, document: dict[str, Any]) -> str:
    editor = YAML(typ="rt")
    editor.preserve_quotes = True
    editor.width = _WIDTH
    editor.indent(mapping=2, sequence=_sequence_indent(text), offset=_sequence_indent(text) - 2)
    whole = editor.load(text)
    if not isinstance(whole, CommentedMap):
        raise TypeError("The text holds no mapping.")
    _merge(whole, document)
    written = io.StringIO()
    editor.dump(whole, written)
    return written.getvalue()


def _merge(there: Any, wanted: Any) -> Any:
    """Return what stands for a value: that which is there, changed within where the two differ."""
    if isinstance(there, CommentedMap) and isinstance(wanted, dict):
        for key in [key for key in there if key not in wanted]:
            del there[key]
        for key, value in wanted.items():
            there[key] = _merge(there[key], value) if key in there else _new(value)
        return there
    if isinstance(there, CommentedSeq) and isinstance(wanted, list):
        del there[len(wanted) :]
        for number, value in enumerate(wanted):
            if number < len(there):
                there[number] = _merge(there[number], value)
            else:
                there.append(_new(value))
        return there
    same = type(there) is type(wanted) or isinstance(there, ScalarString | float | int)
    return there if same and there == wanted and isinstance(there, bool) is isinstance(wanted, bool) else _new(wanted)


def _new(value: Any) -> Any:
    if isinstance(value, dict):
        return {key if source.is_plain(key) else SingleQuotedScalarString(key): _new(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_new(one) for one in value]
    return SingleQuotedScalarString(value) if isinstance(value, str) and not source.is_plain(value) else value


def _sequence_indent(text: str) -> int:
    """Return how far lists within mappings are indented: 4 with blanks before the dash, else 2."""
    lines = text.splitlines()
    for line, following in pairwise(lines):
        if line.rstrip().endswith(":") and following.lstrip().startswith("- "):
            return 2 if len(following) - len(following.lstrip()) == len(line) - len(line.lstrip()) else 4
    return 4


def _data(text: str) -> Any:
    try:
        [document] = source.read(text.encode())
    except (SourceError, ValueError):
        return None
    return document.data
