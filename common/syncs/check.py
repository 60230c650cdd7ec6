"""Checks files of declared syncs together, each problem at its file, line and field."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from msgspec import Struct

from common.syncs import source
from common.syncs.model import Sync
from common.syncs.source import Document, Path, SourceError
from common.syncs.validate import Rules, validate

MAX_PROBLEMS = 50
"""Of a document; ten thousand streams may have one each."""


class Problem(Struct, frozen=True, order=True):
    """Something wrong in a file; `field` is "" for the file or the document as a whole."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """`file:line: field: expected ...`, which editors follow."""
        return f"{self.file}:{self.line}: {f'{self.field}: ' if self.field else ''}{self.message}"


class Declared(Struct, frozen=True):
    """A sync and where it is declared."""

    sync: Sync
    file: str
    document: Document

    @property
    def name(self) -> str:
        """The sync's name."""
        return self.sync.metadata.name

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.document.line(())}"

    def problem(self, path: Path, message: str) -> Problem:
        """Return a problem at one of its fields."""
        return Problem(self.file, self.document.line(path), source.shown(path), message)


class Checked(Struct, frozen=True):
    """The syncs that can be used alone, and all problems; nothing is to be written if there are any."""

    syncs: tuple[Declared, ...]
    problems: tuple[Problem, ...]


def check(files: Mapping[str, bytes], rules: Rules) -> Checked:
    """Check all documents of all files, by name."""
    syncs: list[Declared] = []
    problems: list[Problem] = []
    for file, data in files.items():
        try:
            documents = source.read(data)
        except SourceError as error:
            problems.append(Problem(file, error.line, source.shown(error.path), str(error)))
            continue
        for document in documents:
            sync, findings = validate(document.data, rules)
            problems += _problems(file, document, findings)
            if sync is not None:
                syncs.append(Declared(sync, file, document))
    problems += [*_shared(syncs), *_cycles(syncs)]
    return Checked(tuple(syncs), tuple(sorted(problems)))


def unknown_after(syncs: Iterable[Declared]) -> list[str]:
    """Return the names in `after` that none of these syncs has; they may be declared elsewhere."""
    syncs = tuple(syncs)
    named = {name for one in syncs for name in one.sync.spec.after or ()}
    return sorted(named - {one.name for one in syncs})


def _problems(file: str, document: Document, findings: Mapping[Path, str]) -> Iterator[Problem]:
    ordered = sorted(
        Problem(file, document.line(path), source.shown(path), message) for path, message in findings.items()
    )
    yield from ordered[:MAX_PROBLEMS]
    if len(ordered) > MAX_PROBLEMS:
        rest = len(ordered) - MAX_PROBLEMS
        yield Problem(file, ordered[MAX_PROBLEMS].line, "", f"and {rest:,} more problems in this document")


def _shared(syncs: Iterable[Declared]) -> Iterator[Problem]:
    """Find two syncs of one name, or of one id: they would share states and tables."""
    names: dict[str, Declared] = {}
    ids: dict[str, Declared] = {}
    for one in syncs:
        if (first := names.setdefault(one.name, one)) is not one:
            yield one.problem(("metadata", "name"), f"expected another name; {first.place} declares {one.name}")
        elif (other := ids.setdefault(one.sync.spec.sync_id or one.name, one)) is not one:
            yield one.problem(("spec", "syncId"), f"expected another syncId; {other.place} declares a sync with it")


def _cycles(syncs: Iterable[Declared]) -> Iterator[Problem]:
    """Find a circle of syncs that would start each other without end; one at a time."""
    declared = {one.name: one for one in syncs}
    try:
        TopologicalSorter({name: one.sync.spec.after or () for name, one in declared.items()}).prepare()
    except CycleError as error:
        # Each of them comes before the next, so the arrows go against `after`.
        circle = error.args[1]
        first = declared[min(circle)]
        yield first.problem(("spec", "after"), f"expected no circle: {' starts '.join(circle)}")
