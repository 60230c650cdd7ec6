"""The faults (faults.toml), and which tests provoke each: those that carry its number, `@pytest.mark.fault(7)`."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/reference/faults.md"
_TESTS = ROOT / "tests"


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """What happens, what the system does about it, and what its callers or operators see.

    `simulated` says why no test outside tests/cluster provokes it for real; "" if one does.
    """

    number: int
    fault: str
    does: str
    seen: str
    simulated: str = ""


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Faults of one neighbour or layer."""

    title: str
    fault: tuple[Fault, ...]


class _Catalogue(Struct, frozen=True, forbid_unknown_fields=True):
    part: tuple[Part, ...]


class Provoked(Struct, frozen=True, order=True):
    """A test that provokes a fault: its file below tests/, and its name."""

    file: str
    name: str


def load() -> tuple[Part, ...]:
    """Return all faults, by part."""
    return msgspec.toml.decode(Path(__file__).with_name("faults.toml").read_bytes(), type=_Catalogue).part


def marked() -> Mapping[int, Sequence[Provoked]]:
    """Return the tests of each fault, read from their sources: importing them all would take seconds."""
    found: dict[int, list[Provoked]] = defaultdict(list)
    for path in sorted(_TESTS.rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "mark.fault(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                for number in _numbers(node):
                    found[number].append(Provoked(str(path.relative_to(_TESTS)), node.name))
    return found


def _numbers(test: ast.FunctionDef) -> Iterator[int]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


def problems(parts: Sequence[Part], tests: Mapping[int, Sequence[Provoked]]) -> list[str]:
    """Return one sentence for each wrong number and each fault without a test."""
    faults = [fault for part in parts for fault in part.fault]
    found = [
        f"Fault {number} has no entry in faults.toml." for number in sorted(tests.keys() - {f.number for f in faults})
    ]
    # A number stays a fault's own wherever it stands, so that new ones may stand beside their kind.
    numbers = Counter(fault.number for fault in faults)
    found += [f"Fault {number} has {times} entries." for number, times in numbers.items() if times > 1]
    for fault in faults:
        files = [test.file for test in tests.get(fault.number, ())]
        if all(file.startswith("cluster/") for file in files):
            found.append(f"Fault {fault.number} ({fault.fault}) has no test that runs without a cluster.")
    return found


def document(parts: Sequence[Part], tests: Mapping[int, Sequence[Provoked]]) -> str:
    """Return the text of docs/reference/faults.md."""
    lines = [
        "# Faults",
        "",
        "What can go wrong, what the system then does, what its callers or operators see, and the tests that provoke",
        "it: `make test-faults` runs them, `make test-cluster` those of `cluster/`. `python -m tests.faults` writes this page",
        "from `tests/faults/faults.toml` and the tests' marks; `make check` compares.",
    ]
    for part in parts:
        lines += ["", f"## {part.title}", "", "| | fault | what the system does | what is seen | provoked by |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_row(fault, tests.get(fault.number, ())) for fault in part.fault]
    return "\n".join(lines) + "\n"


def _row(fault: Fault, tests: Sequence[Provoked]) -> str:
    links = ", ".join(f"[`{test.name}`](../../tests/{test.file})" for test in sorted(tests))
    simulated = f" Simulated: {fault.simulated}." if fault.simulated else ""
    return f"| {fault.number} | {fault.fault} | {fault.does} | {fault.seen} | {links}.{simulated} |"
