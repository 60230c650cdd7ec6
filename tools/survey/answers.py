"""What a connector of the survey answered, kept in a file each, so that an interrupted survey goes on."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from embedded import files

LIST = Path(__file__).with_name("connectors.txt")


class Verdict(StrEnum):
    """The outcome of one step; each later step needs the one before it."""

    ANSWERED = "answered"
    FAILED = "failed"
    NOT_TRIED = "not tried"


class Answer(Struct, frozen=True):
    """One connector. `why` is the reason of the first step that failed; `seconds` are those of the installation."""

    name: str
    version: str = ""
    requires: str = ""
    python: str = ""
    cdk: str = ""
    note: str = ""
    seconds: float = 0
    installs: Verdict = Verdict.NOT_TRIED
    spec: Verdict = Verdict.NOT_TRIED
    fields: int = 0
    check: Verdict = Verdict.NOT_TRIED
    checked: str = ""
    why: str = ""


def names() -> list[str]:
    """Return the connectors that the survey asks."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def load(folder: Path, name: str) -> Answer | None:
    """Return an earlier answer."""
    try:
        return msgspec.json.decode(_file(folder, name).read_bytes(), type=Answer)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def save(folder: Path, answer: Answer) -> None:
    """Keep an answer."""
    files.write_atomic(_file(folder, answer.name), msgspec.json.encode(answer))


def every(folder: Path) -> Iterator[Answer]:
    """Yield the answers that are there, in the list's order."""
    return (answer for name in names() if (answer := load(folder, name)) is not None)


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"
