"""The reference page of the survey."""

import re
from collections.abc import Sequence

from tools.survey.answers import Answer, Verdict

_ABOVE = """\
# Connectors on one machine

The embedded edition runs a connector's Python package in place of its image. `make survey` installs the newest release
of each connector below, asks for its specification (`spec`), and gives `check` an empty configuration, which it has to
refuse in its own words, unless it needs none. On a cluster the publisher's images run, whatever is written here.

{summary}
Asked in {month} with Python {python}; a connector that does not fit that Python got another one. Those that lack
something can run [as images](../how-to/run-images-on-one-machine.md).
Seconds are those of the installation, on two cores with much other work; later ones find packages in the cache.

| connector | version | CDK | Python | seconds | spec | check of `{{}}` |
|---|---|---|---|---|---|---|
"""
_WHY = """
## Why not

| connector | step | reason |
|---|---|---|
"""
_NOTES = """
## With other packages than they ask for

| connector | note |
|---|---|
"""


def page(answers: Sequence[Answer], month: str, python: str, listed: int) -> str:
    """Return the page in Markdown; `listed`: how many are to be asked."""
    rows = "".join(_row(answer) for answer in answers)
    above = _ABOVE.format(summary=_summary(answers, listed), month=month, python=python)
    failed = [f"| {answer.name} | {_step(answer)} | {_cell(answer.why)} |\n" for answer in answers if answer.why]
    noted = [f"| {answer.name} | {_cell(answer.note)} |\n" for answer in answers if answer.note]
    why = _WHY + "".join(failed) if failed else ""
    notes = _NOTES + "".join(noted) if noted else ""
    return above + rows + why + notes


def _summary(answers: Sequence[Answer], listed: int) -> str:
    steps = {
        "install": [answer.installs for answer in answers],
        "answer `spec`": [answer.spec for answer in answers],
        "answer `check`": [answer.check for answer in answers],
    }
    counts = [f"{verdicts.count(Verdict.ANSWERED)} {what}" for what, verdicts in steps.items()]
    left = f" {listed - len(answers)} more are listed, and were not asked yet." if listed > len(answers) else ""
    return f"Of {len(answers)}, {', '.join(counts)}.{left}"


def _row(answer: Answer) -> str:
    cells = [
        answer.name,
        answer.version or "-",
        answer.cdk or "-",
        answer.python or "-",
        f"{answer.seconds:.0f}" if answer.python else "-",
        f"{answer.fields} field{'' if answer.fields == 1 else 's'}" if answer.spec is Verdict.ANSWERED else "-",
        _cell(answer.checked) or "-",
    ]
    return f"| {' | '.join(cells)} |\n"


def _step(answer: Answer) -> str:
    steps = {"install": answer.installs, "spec": answer.spec, "check": answer.check}
    return next(name for name, verdict in steps.items() if verdict is Verdict.FAILED)


def _cell(text: str) -> str:
    """Return a text that breaks neither the table nor the page: what others wrote is shown, not interpreted."""
    plain = text.replace("<", "&lt;").replace("|", "&#124;")
    return " ".join(re.sub(r"([\\`*_\[\]])", r"\\\1", plain).split())
