"""Judgements that no server here can be brought to: versions, standbys, limits of users, clocks."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from sidecar import look
from syncctl.doctor import seen
from syncctl.doctor.finding import Finding, Level
from syncctl.doctor.tasks import quantity

WELL: dict[str, Any] = {
    "version": "17.2", "number": 170002, "user_name": "us", "seats": 97, "taken": 9, "clock": 1000.0, "seen_at": 1000.2,
    "schema": "syncctl", "ours": True, "applied": 13, "newest": 13,
}  # fmt: skip


@dataclass
class Looked:
    """What a pod prints, with some of it otherwise."""

    place: str = "functions"
    clock: float = 1000.0
    postgres: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def read(self) -> seen.Looked:
        """Through the types of both sides: the sidecar writes what doctor reads."""
        given = {"place": self.place, "clock": self.clock, "postgres": WELL | self.postgres, **self.more}
        written = msgspec.json.encode(msgspec.convert(given, look.Looked))
        return msgspec.json.decode(written, type=seen.Looked)


def levels(found: Any) -> list[tuple[Level, str]]:
    lines: list[Finding] = list(found)
    assert all(bool(one.advice) == (one.level is not Level.OK) for one in lines)
    return [(one.level, one.message) for one in lines]


@pytest.mark.parametrize(
    ("otherwise", "level", "words"),
    [
        ({}, Level.OK, "lets us do all"),
        ({"number": 130009, "version": "13.9"}, Level.FAILED, "14 or later"),
        ({"standby": True, "read_only": True}, Level.FAILED, "a standby"),
        ({"read_only": True}, Level.FAILED, "read-only"),
        ({"applied": None}, Level.FAILED, "cannot be read"),
        ({"ours": False, "missing": list("abcdef")}, Level.WARNING, "none of the tables yet"),
    ],
)
def test_postgres(otherwise: dict[str, Any], level: Level, words: str) -> None:
    """One line for each."""
    [(found, message)] = levels(seen.postgres(Looked(postgres=otherwise).read()))
    assert (found, words in message) == (level, True)


@pytest.mark.parametrize(
    ("otherwise", "functions", "tasks", "level", "words"),
    [
        ({}, 60, 20, Level.OK, "97 connections for 60 of functions and 20 of tasks"),
        ({}, 132, 20, Level.WARNING, "Postgres has 97"),
        ({"user_limit": 50}, 60, 20, Level.WARNING, "Postgres has 50"),
        ({"database_limit": 10}, 60, 20, Level.WARNING, "Postgres has 10"),
        ({}, None, 20, Level.WARNING, "no limit of instances"),
        ({}, 60, None, Level.WARNING, "No quota"),
        ({"taken": 96}, 1, 1, Level.FAILED, "96 of Postgres' 97"),
    ],
)
def test_connections(
    otherwise: dict[str, Any], functions: int | None, tasks: int | None, level: Level, words: str
) -> None:
    """What is configured against the smallest limit."""
    [(found, message)] = levels(seen.connections(Looked(postgres=otherwise).read(), functions, tasks))
    assert (found, words in message) == (level, True)


def test_a_limit_of_size_is_named() -> None:
    """Also where the large request breaks off without an answer."""
    for large, words in (({"status": 413}, "(413)"), ({"error": "it hung up"}, "it hung up")):
        more = {"bulker": {"where": "b:1", "empty": {"status": 404}, "large": large}}
        [(found, message)] = levels(seen.bulker(Looked("tasks", more=more).read()))
        assert (found, words in message) == (Level.FAILED, True)


@pytest.mark.parametrize(
    ("clock", "postgres", "created", "words"),
    [
        (1003.0, 1000.0, "1970-01-01T00:16:41Z", ""),
        (1090.0, 1000.0, "1970-01-01T00:16:41Z", "This machine's clock and the node's differ by 82 s."),
        (1003.0, 1100.0, "1970-01-01T00:16:41Z", "The node's clock and Postgres's differ by 100 s."),
        (1003.0, 1000.0, "1970-01-01T00:00:41Z", "This machine's clock and the API server's differ by 958 s."),
    ],
)
def test_clocks(clock: float, postgres: float, created: str, words: str) -> None:
    """A pod made between 1000 and 1002, and read at 1008."""
    looked = Looked(clock=clock, postgres={"clock": postgres, "seen_at": 1000.0}).read()
    [(found, message)] = levels(seen.clocks(looked, 1000.0, created, 1002.0, 1008.0))
    assert (found, message) == ((Level.WARNING, words) if words else (Level.OK, "Clocks differ by less than 5 s."))


@pytest.mark.parametrize(
    ("text", "number"), [("250m", 0.25), ("2Gi", 2.0**31), ("1.5", 1.5), ("3k", 3000.0), ("", 0.0)]
)
def test_quantities(text: str, number: float) -> None:
    """As Kubernetes writes them."""
    assert quantity(text) == number
