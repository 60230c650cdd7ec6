"""Writes a document as YAML that `source` reads back as it was, and kubectl alike."""

from typing import Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.syncs import source

_WIDTH = 120
_RARE_BREAKS = frozenset("\x85\u2028\u2029")
"""Readers fold them like line feeds, but where they are escaped."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # as above
    """Without anchors, which `source` refuses, and with quotes wherever readers disagree what a word is."""

    def ignore_aliases(self, _: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
        """Indent lists within mappings, as people do."""
        return super().increase_indent(flow=flow, indentless=False)


def _text(dumper: Any, text: str) -> Any:
    block = "\n" in text and not any(line != line.rstrip() for line in text.split("\n")) and text.isascii()
    plain = None if source.is_plain(text) else "'"
    style = '"' if _RARE_BREAKS & set(text) else "|" if block and text[0] not in " \n" else plain
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(document: Any) -> str:
    """Return a document as YAML."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text
