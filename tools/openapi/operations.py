"""The operations: paths and methods of the functions' routes and rules, with what their code does not say by itself."""

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from msgspec import Struct

from common import cluster, errors
from common.errors import SyncError
from common.request import Request
from common.routes import Route
from common.settings import Settings
from common.tasks.parameters import parameters
from tools.openapi import probe
from tools.openapi.probe import Parse

ROOT = Path(__file__).parents[2]

Errors = tuple[type[SyncError], ...]
ALWAYS: Errors = (
    errors.BadRequest,
    errors.Unauthorized,
    errors.UriTooLong,
    SyncError,
    errors.Unavailable,
    errors.TimedOut,
)
_START: Errors = (errors.Conflict, errors.Refused, errors.QuotaExceeded)
_STATE: Errors = (errors.NotFound, errors.Conflict, errors.TooLarge, errors.Refused)
_WRITE: Errors = (errors.NotFound, errors.Conflict, errors.TooLarge, errors.Refused, errors.QuotaExceeded)


class Known(Struct, frozen=True):
    """What is known of an operation beside its route; `answer`: the answer's type, or the use case that returns it."""

    errors: Errors
    answer: str = ""
    path: str = ""
    """Below the function's own."""
    part: str = ""
    """The name of the answer's type, where the use case has several and the path tells which."""
    name: str = ""
    """The operation's, where the use case's is not its own."""
    texts: tuple[str, ...] = ()
    """Media types of the answer besides JSON; without an answer's type there are these alone."""
    tagged: bool = False
    """Whether If-None-Match is answered by 304."""
    beside: str = ""
    """Another parser of the same query."""


PARSERS = {
    "parse_spec": Known(_START, "common.tasks.start:Started.answer", name="spec"),
    "parse_check": Known((*_START, errors.TooLarge), "common.tasks.start:Started.answer", name="check"),
    "parse_discover": Known((*_START, errors.TooLarge), "common.tasks.start:Started.answer", name="discover"),
    "parse_read": Known((*_START, errors.TooLarge), "common.tasks.start:Started.answer", name="read"),
    "parse_tasks": Known((), "common.tasks.answers:TaskList", name="list_tasks", tagged=True),
    "parse_task_id": Known(
        (errors.NotFound,),
        "common.tasks.answers:TaskAnswer",
        "/{taskId}",
        name="get_task",
        tagged=True,
        beside="common.tasks.requests:wait_query",
    ),
    "parse_task_logs": Known(
        (errors.NotFound,),
        "common.tasks.answers:LogPage",
        "/{taskId}/logs",
        name="get_logs",
        texts=("text/plain",),
        tagged=True,
    ),
    "metrics": Known((), name="metrics", texts=("text/plain", "application/openmetrics-text")),
    "parse_cancel": Known((errors.NotFound,), "common.tasks.cancel:Cancelled.answer", name="cancel"),
    "parse_sweep": Known((errors.TooLarge,), "common.sweep.events:sweep_on_request", name="sweep"),
}
"""By the parser that a function's main.py imports; by its name for one that has none."""

RULES = {
    "GET /syncs": Known((), tagged=True),
    "PUT /syncs": Known(_WRITE),
    "GET /syncs/{name}": Known((errors.NotFound,), tagged=True),
    "PUT /syncs/{name}": Known(_WRITE),
    "DELETE /syncs/{name}": Known((errors.NotFound, errors.Conflict)),
    "POST /syncs/{name}/run": Known((*_START, errors.NotFound, errors.TooLarge)),
    "GET /syncs/{name}/state": Known(_STATE, part="States", tagged=True),
    "PUT /syncs/{name}/state": Known(_STATE),
    "DELETE /syncs/{name}/state": Known(_STATE),
    "GET /syncs/{name}/state/{stream}": Known(_STATE, part="StreamState", name="get_stream_state"),
    "PUT /syncs/{name}/state/{stream}": Known(_STATE, name="put_stream_state"),
    "DELETE /syncs/{name}/state/{stream}": Known(_STATE, name="delete_stream_state"),
    "POST /syncs/{name}/state/undo": Known(_STATE),
    "POST /syncs/{name}/state/copy": Known(_STATE),
}
"""By method and path, for functions with rules; their use cases are the rules' own."""


FOR_PEOPLE = frozenset({"console"})
"""Functions that are no part of the API."""


class Operation(Struct, frozen=True):
    """A method of a path; `answer` is a type, `summary` a docstring's first sentence."""

    method: str
    path: str
    name: str
    tag: str
    answer: Any
    errors: Errors
    parse: Parse
    """Of the query."""
    parse_body: Callable[[bytes], object] | None
    """Of the body, with a query that is in order; None where a body means nothing."""
    summary: str
    texts: tuple[str, ...] = ()
    tagged: bool = False

    @property
    def key(self) -> str:
        """Method and path, as the tables have them."""
        return f"{self.method} {self.path}"


class Incomplete(Exception):
    """The code has something that the document cannot say by itself; tells what to add, and where."""


class _Nowhere:
    """A cluster that cannot be reached, whatever is asked of it: parsers are asked, and nothing behind them."""

    def __getattr__(self, verb: str) -> Any:
        raise errors.ClusterUnavailable(verb)


@contextmanager
def asking() -> Iterator[None]:
    """Let parsers be asked without any cluster being reached."""
    cluster.use(_Nowhere())
    try:
        yield
    finally:
        cluster.use(None)


def every() -> list[Operation]:
    """Return all operations of all functions that are for programs. Raise Incomplete."""
    paths = sorted((ROOT / "functions").glob("*/main.py"))
    return [one for path in paths if path.parent.name not in FOR_PEOPLE for one in _of(path)]


def _of(path: Path) -> Iterator[Operation]:
    module = _load(path)
    yield from _of_rules(module) if hasattr(module, "RULES") else _of_parsers(module, path)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"documented_{path.parent.name}", path)
    if spec is None or spec.loader is None:
        raise Incomplete(f"{path}: expected a module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _of_parsers(module: ModuleType, path: Path) -> Iterator[Operation]:
    route: Route = module.ROUTE
    parsers = {name: parse for name, parse in vars(module).items() if name.startswith("parse_")}
    parsers = parsers or {route.name: parameters}
    if missing := sorted(parsers.keys() - PARSERS):
        raise Incomplete(
            f"{path.relative_to(ROOT)} uses {', '.join(missing)}: add it to PARSERS in tools/openapi/operations.py, "
            "with the errors, the answer's type or the use case that returns it, and the path below the function's own."
        )
    for name, parse in parsers.items():
        known = PARSERS[name]
        for method in route.methods:
            use_case: Any = _find(known.answer) if known.answer else module
            yield Operation(
                method,
                f"/{route.name}{known.path}",
                _camel(known.name or use_case.__name__) + ("By" + method.title() if method != route.methods[0] else ""),
                route.name,
                answer_of(known.answer, use_case) if known.answer else None,
                (*ALWAYS, *known.errors),
                _parse(parse, known),
                _parse_body(parse) if route.takes_body(method) else None,
                _sentence(module.__doc__ if len(parsers) == 1 else use_case.__doc__),
                known.texts,
                known.tagged,
            )


def _parse(parse: Callable[..., object], known: Known) -> Parse:
    """Return a parser of a query alone; those of paths get a name, those of bodies an empty one."""
    given: list[Any] = ["name" if known.path else b""]
    if len(_positional(parse)) == 1:
        given = []
    beside = _find(known.beside) if known.beside else lambda _: None
    return lambda query: (parse(query, *given), beside(query))


def _positional(parse: Callable[..., object]) -> list[str]:
    return [name for name, one in inspect.signature(parse).parameters.items() if one.kind is not one.KEYWORD_ONLY]


def _parse_body(parse: Callable[..., object]) -> Callable[[bytes], object]:
    if len(_positional(parse)) == 1:
        return lambda _: None
    query = probe.Query(probe.in_order(partial(parse, body=b"")))
    return lambda body: parse(query, body)


def _of_rules(module: ModuleType) -> Iterator[Operation]:
    route: Route = module.ROUTE
    for rule, ways in module.RULES.items():
        words = ["{" + word.lower() + "}" if word.isupper() else word for word in rule.split("/") if word]
        path = "/".join(["", route.name, *words])
        for method, name in ways.items():
            known = RULES.get(f"{method} {path}")
            if known is None:
                raise Incomplete(f"Add {method} {path} to RULES in tools/openapi/operations.py, with its errors.")
            use_case = _find(name)
            count = sum(word.isupper() for word in rule.split("/"))
            parse = partial(_parse_rule, use_case, method, ("name",) * count)
            answer = answer_of(name, use_case, known.part)
            texts = (_camel(known.name or use_case.__name__), route.name, answer, (*ALWAYS, *known.errors))
            body = (lambda _: None) if method == "PUT" else None
            yield Operation(method, path, *texts, parse, body, _sentence(use_case.__doc__), tagged=known.tagged)


def _parse_rule(use_case: Callable[[Request], object], method: str, names: tuple[str, ...], query: probe.Query) -> None:
    """Let a use case look at a query. Without a database, and with no cluster to be found, it can do nothing else."""
    headers = {"content-type": "application/json"}
    use_case(Request(query, b"{}", "", Settings.model_validate({}), headers, method, names))


def _find(name: str) -> Callable[..., Any]:
    module, _, member = name.partition(":")
    found: Any = importlib.import_module(module)
    for one in member.split("."):
        found = getattr(found, one)
    return cast("Callable[..., Any]", found)


def answer_of(name: str, use_case: Callable[..., Any], part: str = "") -> Any:
    """Return the type that a use case answers with: of an `answers` module, which it names for types alone.

    A type is its own.
    """
    if isinstance(use_case, type):
        return use_case
    named = use_case.__annotations__.get("return")
    if not isinstance(named, str) or "answers." not in named:
        raise Incomplete(f"{name}: its return type says nothing of its answer; expected a type of an `answers` module.")
    wanted = [one.strip().removeprefix("answers.") for one in named.split("|")]
    [one] = [one for one in wanted if part in {"", one}]
    room = inspect.getmodule(use_case)
    source = inspect.getsource(room) if room else ""
    [package] = {line.split()[1] for line in source.splitlines() if line.strip().endswith(" import answers")}
    return getattr(importlib.import_module(f"{package}.answers"), one)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring, without the path that it begins with."""
    first = " ".join((text or "").strip().partition("\n\n")[0].split()).partition("; raise")[0]
    before, colon, after = first.partition(": ")
    return after[:1].upper() + after[1:] if colon and "/" in before else first
