"""docs/reference/contract.md against the code: routes, rows, tables, pods, defects; and endpoints.md."""

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from common import nesting, settings
from common.errors import BadRequest
from common.pods import manifest
from common.pods.manifest import Payload
from common.pods.options import Options
from common.protocol import sizes
from common.protocol.commands import Command
from common.protocol.states import GLOBAL_STATE_KEY, LEGACY_STATE_KEY
from common.store import Task, TaskState, queries
from common.tasks import bodies, parameters, requests
from common.web import MAX_QUERY_BYTES
from sidecar.bulker.client import LINE_BYTES
from tests.support.docs import CONTRACT, ENDPOINTS, ROOT, rows, section
from tests.support.wire import pod_settings

LETTERS = "ABCDEFGH"
SOURCES = ("common", "docs", "embedded", "functions", "sidecar", "syncctl", "tests", "pyproject.toml")
_BELOW = {"parse_task_id": "/<taskId>", "parse_task_logs": "/<taskId>/logs"}
"""Parsers of paths below their function's."""
_ROWS = {row[0]: row[1:] for row in rows(CONTRACT) if re.fullmatch("[A-H][0-9]+", row[0])}


def _text(row: str) -> str:
    return " | ".join(_ROWS[row])


class _Query(dict[str, str]):
    """A query as the parsers take it."""

    def lists(self) -> list[tuple[str, list[str]]]:
        return [(name, [value]) for name, value in self.items()]


def _function(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"documented_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _refusal(parse: Callable[..., Any], query: _Query, *more: Any) -> str:
    """What a parser says; "" where it accepts."""
    try:
        parse(query, *more)
    except BadRequest as error:
        return error.message
    return ""


def _listed(message: str, before: str) -> list[str]:
    return message.partition(before)[2].rstrip(".").split(", ") if before in message else []


def _parameters(parse: Callable[..., Any], *more: Any) -> tuple[str, str]:
    """A parser's parameters as the tables write them, the required ones bold, and its body's members."""
    required = _listed(_refusal(parse, _Query(), *more), "parameters: ")
    accepted = _listed(_refusal(parse, _Query(nonsense="1"), *more), "accepted here are ")
    cells = [f"**{name}**" if name in required else name for name in accepted if name != "connectorType"]
    members: list[str] = []
    if more == (b"",):
        query = _Query(dict.fromkeys(required, "1"))
        members = _listed(_refusal(parse, query, b'{"nonsense": 1}'), "accepted are ")
    return ", ".join(cells) or "-", ", ".join(f"`{name}`" for name in members) or "-"


def _endpoints() -> dict[str, tuple[str, str]]:
    """Each endpoint of the functions with its parameters and its body."""
    found = {"GET /health": ("-", "-"), "GET /openapi.json": ("-", "-")}
    for path in (ROOT / "functions").glob("*/main.py"):
        module = _function(path)
        if hasattr(module, "RULES"):  # has several paths: below
            continue
        parsers = [(name, parse) for name, parse in vars(module).items() if name.startswith("parse_")]
        for name, parse in parsers or [("", lambda _query: None)]:
            below = _BELOW.get(name, "")
            more: tuple[Any, ...] = ("id",) if below else (b"",)
            more = more[: len(inspect.signature(parse).parameters) - 1]
            endpoint = f"{module.ROUTE.methods[0]} /{module.ROUTE.name}{below}"
            found[endpoint] = _parameters(parse, *more)
    return found


def test_the_endpoint_tables_are_the_functions_routes() -> None:
    """The reference's table and the contract's routes: methods, paths and parameters."""
    table = rows(ENDPOINTS.partition("\n## ")[0])
    reference = {row[0].strip("`"): (row[1], row[2]) for row in table}
    assert reference == _endpoints()
    table = [row for row in rows(section(CONTRACT, "A. HTTP")) if re.match("(GET|POST) /", row[1])]
    contract = {row[1].replace("&lt;", "<").replace("&gt;", ">"): row[2] for row in table}
    assert contract == {endpoint: query for endpoint, (query, _) in reference.items()}


def test_the_endpoints_of_declared_syncs_are_the_functions_rules() -> None:
    """Each path with each method is in the reference, and its use case can be imported."""
    module = _function(ROOT / "functions/syncs/main.py")
    rules = [
        (f"{method} /syncs/{path}".rstrip("/"), use_case)
        for path, ways in module.RULES.items()
        for method, use_case in ways.items()
    ]
    listed = [row[0].strip("`") for row in rows(section(ENDPOINTS, "Declared syncs"))]
    assert sorted(listed) == sorted(endpoint for endpoint, _ in rules)
    for _, use_case in rules:
        name, _, function = use_case.partition(":")
        assert list(inspect.signature(getattr(importlib.import_module(name), function)).parameters) == ["request"]


def test_rows_are_numbered_without_gaps() -> None:
    """A number stands for one fact, and none was lost; every section is there."""
    for letter in LETTERS:
        assert f"\n## {letter}. " in CONTRACT
        numbers = [int(row[1:]) for row in re.findall(rf"^\| ({letter}[0-9]+) \|", CONTRACT, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1)), letter


def _references() -> Iterator[tuple[str, str]]:
    """(where, row or section) for every "contract.md X12" of the project."""
    for source in SOURCES:
        for path in [ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*"):
            if path.suffix in {".py", ".sql", ".md", ".toml"}:
                text = path.read_text(encoding="utf-8")
                for words in re.findall(r"contract\.md\)? ([A-H][0-9]*\b(?:(?:, | and | to )[A-H][0-9]*\b)*)", text):
                    yield from ((str(path.relative_to(ROOT)), name) for name in re.findall("[A-H][0-9]*", words))


def test_what_comments_refer_to_exists() -> None:
    """A comment that names a row or section of the contract leads there; so do the contract's own references."""
    references = list(_references())
    assert len(references) > 10
    assert [found for found in references if found[1] not in {*_ROWS, *LETTERS}] == []
    inside = re.findall(r"\b[A-H][0-9]+\b", CONTRACT)
    assert set(inside) - {"C24"} <= _ROWS.keys()  # C24 is a console's name, explained in G


def test_every_defect_is_guarded() -> None:
    """Rows F1 to F18 name the tests that guard them: those exist, and every test_defect_NN is in its row."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", tests, re.MULTILINE))
    for number in range(1, 19):
        named = set(re.findall(r"`(test_\w+)`", _ROWS[f"F{number}"][-1]))
        assert named
        assert named <= defined
        assert {name for name in defined if name.startswith(f"test_defect_{number:02}_")} <= named


@pytest.mark.parametrize("row", ["B1", "B2", "B3", "B4", "B5", "B6"])
def test_the_tables_are_those_that_are_made(row: str) -> None:
    """Names, types, nullability and keys of tables.sql."""
    table, columns, keys = _ROWS[row]
    sql = queries.load("tables.sql")[table]
    made = []
    for name, kind, rest in re.findall(
        r"^    ([a-z_]+) +(text|jsonb|uuid|timestamptz\(3\))(.*?),?$", sql, re.MULTILINE
    ):
        assert ("DEFAULT now()" in rest) == kind.startswith("timestamptz")
        word = {"text": "", "timestamptz(3)": " *tz*"}.get(kind, f" {kind}")
        made.append(f"{name}{word}{'' if 'NOT NULL' in rest else '?'}")
    assert columns == ", ".join(made)
    found = re.search(rf"CONSTRAINT {table}_pkey PRIMARY KEY \((.*?)\)", sql)
    index = re.search(r"CREATE INDEX \w+ ON \w+ \((.*?)\)", sql)
    assert keys == "; ".join(match[1] for match in (found, index) if match)


def test_our_own_tables_are_named() -> None:
    """Every syncctl_ table of the migrations and of install.sql has its row."""
    sql = "\n".join([*queries.migrations().values(), *queries.load("install.sql", "ours").values()])
    made = set(re.findall(r"CREATE TABLE (?:\S+\.)?(\w+)", sql)) - set(re.findall(r"DROP TABLE (\w+)", sql))
    assert {row[0] for row in _ROWS.values() if row[0].startswith("syncctl_")} == made


def test_states_and_keys_are_the_code_s() -> None:
    """B10 and B23."""
    assert all(state in _text("B10") for state in TaskState)
    assert GLOBAL_STATE_KEY in _text("B23")
    assert LEGACY_STATE_KEY in _text("B23")


def test_limits_are_the_code_s() -> None:
    """Numbers that callers have to keep to."""
    for name, limit in parameters.MAX_LENGTHS.items():
        assert re.search(rf"\b{name}\b[^;.]*? {limit}\b", _text("A11")), name
    assert f"{MAX_QUERY_BYTES // 1024} KiB" in _text("A11")
    assert f"at most {bodies.MAX_DEPTH} levels" in _text("A13")
    assert f"limit 1 to {requests.MAX_PAGE}, {requests.TaskQuery().limit} if absent" in _text("A25")
    assert f"`{requests.MAX_LOG_LINES}` lines, {requests.LOG_LINES} if absent" in _text("A27")
    for limit, place in ((sizes.SECRET_BYTES, "A18"), (sizes.UNPACKED_BYTES, "A18"), (sizes.LOADED_BYTES, "A18"),
                         (sizes.CONFIG_BYTES, "B32"), (sizes.CONFIG_BYTES, "D10"), (sizes.STATES_BYTES, "D13")):  # fmt: skip
        assert f"{limit // 1024**2} MiB" in _text(place)
    for row in ("D4", "E4"):
        assert f"{LINE_BYTES:,} bytes" in _text(row)
    for row in ("D4", "E12"):
        assert f"nested deeper than {nesting.MAX_DEPTH:,} levels" in _text(row)


def _pod(attempt: int = 1, *, prepares: bool = True) -> dict[str, Any]:
    words: dict[str, Any] = {"task_id": "t", "sync_id": "s", "storage_key": "k", "started_by": "me", "attempt": attempt}
    key = Task(command=Command.READ, package="a/b", version="1", started_at=1, **words)
    given = pod_settings(bulker_logs_connection_id="l", bulker_any_number="true", encryption_key="A" * 43 + "=")
    given = given.model_copy(update={"sidecar_prepares": prepares})
    config = b'{"a":{"valueFrom":{"secretKeyRef":{"name":"credentials-a","key":"b"}}}}'
    options = Options(retries=1, timeout_hours=1, stall_timeout_seconds=1)
    return manifest.pod(key, Payload(config, b"{}", b"{}", options, resolve=prepares), given, prefix="p_")


@pytest.mark.parametrize(
    ("row", "kind", "name"),
    [("C9", "initContainers", "init"), ("C10", "containers", "source"), ("C11", "containers", "sidecar")],
)
def test_the_containers_resources_are_the_manifest_s(row: str, kind: str, name: str) -> None:
    """Requests and limits."""
    [container] = [found for found in _pod(prepares=name != "init")["spec"][kind] if found["name"] == name]
    parts = container["resources"]
    named = [
        ", ".join(parts[of][what] for what in ("cpu", "memory", "ephemeral-storage")) for of in ("requests", "limits")
    ]
    assert _ROWS[row][-1] == "; ".join(named)


def test_annotations_and_environment_are_the_manifest_s() -> None:
    """C3 and C14 name all of them, those of a later attempt included, and C2 the labels."""
    pod = _pod(attempt=2)
    labels = pod["metadata"]["labels"]
    assert set(labels) == set(re.findall(r"`([\w.-]+/[\w-]+)", _text("C2")))
    given = dict(re.findall(r"`([\w.-]+/[\w-]+)=([\w-]+)`", _text("C2")))
    assert given == {key: labels[key] for key in given}
    assert set(pod["metadata"]["annotations"]) <= set(re.findall(r"[\w-]+(?:\.[\w-]+)*(?:/[\w-]+)?", _text("C3")))
    [sidecar] = [container for container in pod["spec"]["containers"] if container["name"] == "sidecar"]
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", _text("C14"))) - {"A", "NAME", "S"}
    assert {variable["name"] for variable in sidecar["env"]} == {
        name for name in named if "_" in name or name in {"COMMAND", "PACKAGE", "ATTEMPT", "REFERENCES"}
    }


def test_settings_that_the_contract_names_exist() -> None:
    """Every SYNCCTL_ variable in it; SYNCCTL_URL and SYNCCTL_AUTH_KEY are a console's own."""
    known = {settings.variable(name) for name in settings.Settings.model_fields} | {"SYNCCTL_URL", "SYNCCTL_AUTH_KEY"}
    assert set(re.findall(r"SYNCCTL_[A-Z_]*[A-Z]", CONTRACT)) <= known
