"""`python -m tools.openapi` writes the OpenAPI document; with --check it reports what is stale.

Once for people (docs/reference/openapi.json), once as functions serve it (common/openapi.json).
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.openapi import document
from tools.openapi.operations import ROOT, Incomplete


def outputs() -> Mapping[Path, str]:
    """Return the text of each file that is written. Raise Incomplete."""
    made = document.make()
    return {
        ROOT / "docs/reference/openapi.json": json.dumps(made, indent=2) + "\n",
        ROOT / "common/openapi.json": json.dumps(made, separators=(",", ":")) + "\n",
    }


def main(arguments: list[str]) -> int:
    """Write the files; with --check return 1 if one of them is stale. Return 1 as well if something is undescribed."""
    try:
        texts = outputs()
    except Incomplete as error:
        sys.stderr.write(f"{error}\n")
        return 1
    stale = []
    for path, text in texts.items():
        if arguments != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT)} is stale; run .venv/bin/python -m tools.openapi.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
