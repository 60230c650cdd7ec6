"""`python -m tests.faults` writes docs/reference/faults.md; with --check it reports whether that is current."""

import sys

from tests.faults import catalogue


def main(arguments: list[str]) -> int:
    """Return 1 if a fault has no test, or if the document is stale."""
    parts, tests = catalogue.load(), catalogue.marked()
    wrong = catalogue.problems(parts, tests)
    text = catalogue.document(parts, tests)
    if arguments != ["--check"]:
        catalogue.DOCUMENT.write_text(text, encoding="utf-8")
    elif not catalogue.DOCUMENT.exists() or catalogue.DOCUMENT.read_text(encoding="utf-8") != text:
        wrong.append("docs/reference/faults.md is stale; run .venv/bin/python -m tests.faults.")
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
