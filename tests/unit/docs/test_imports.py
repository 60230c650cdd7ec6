"""Import directions beyond what .importlinter can say: allow-lists, functions/, and what a start must not load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FUNCTIONS = sorted((ROOT / "functions").glob("*/main.py"))


def _imports(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions; `from a import b` counts as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _loaded_by(code: str) -> set[str]:
    """The modules in memory after some code ran in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return set(done.stdout.split())


def test_the_contracts_of_importlinter_hold() -> None:
    """Layers, and the only importers of kubernetes, pg8000, duckdb, Flask and httpx."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sidecar_uses_few_modules_of_common() -> None:
    """Whatever common gains, the sidecar's image stays small."""
    allowed = (
        "common.DATABASE_SCHEMA",
        "common.protocol.messages",
        "common.protocol.catalogs",
        "common.protocol.causes",
        "common.protocol.commands",
        "common.protocol.estimates",
        "common.errors",
        "common.nesting",
        "common.failures",
        "common.logs",
        "common.redaction",
        "common.protocol.references",
        "common.protocol.resume",
        "common.protocol.sizes",
        "common.protocol.states",
        "common.store",
    )
    for path in (ROOT / "sidecar").rglob("*.py"):
        ours = [name for name in _imports(path) if name.partition(".")[0] not in {"sidecar", *sys.stdlib_module_names}]
        assert [name for name in ours if not name.startswith((*allowed, "msgspec"))] == [], path


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.parent.name)
def test_a_function_knows_common_and_its_framework(path: Path) -> None:
    """functions/ is no package, so import-linter does not see it."""
    known = {"common", "flask", "functions_framework", "cloudevents", *sys.stdlib_module_names}
    assert {name.partition(".")[0] for name in _imports(path)} <= known


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.parent.name)
def test_a_function_loads_nothing_before_its_first_request(path: Path) -> None:
    """A cold start, and /health, pay for neither settings nor database nor cluster."""
    loaded = _loaded_by(f"import runpy; runpy.run_path({str(path)!r})")
    assert not loaded & {"pydantic", "pg8000", "kubernetes", "duckdb", "httpx", "typer", "cronsim", "common.settings"}


def test_the_library_of_events_is_loaded_when_one_comes() -> None:
    """functions-framework loads it as well; the one-machine edition, which has no events, never does."""
    assert "cloudevents" not in _loaded_by("import common.sweep.events")
    assert "cloudevents" in _loaded_by(
        "from common.sweep.events import parse\n"
        "parse({f'ce-{name}': '1.0' for name in ('specversion', 'id', 'source', 'type')}, b'', 'default')"
    )


def test_the_sidecar_loads_little() -> None:
    """Its image has msgspec and pg8000 alone."""
    loaded = _loaded_by("import sidecar.run")
    assert not loaded & {"pydantic", "flask", "kubernetes", "duckdb", "httpx", "typer", "yaml", "dotenv"}


def test_a_runner_loads_little() -> None:
    """Each pod on one machine has a process of its own, and its connector starts once that is there."""
    loaded = _loaded_by(
        "import embedded.pods.runner\n"
        "from embedded.pods.images import Images, resolver\n"
        "resolver(Images(cache='/nowhere')).is_ready('airbyte/source-faker:7.2.1')"
    )
    assert not loaded & {
        "pydantic",
        "pg8000",
        "flask",
        "duckdb",
        "packaging",
        "uv",
        "email",
        "common.settings",
        "embedded.connectors.environments",
    }


def test_the_command_line_loads_the_edition_only_when_asked() -> None:
    """`syncctl tasks` works where only its own packages are installed."""
    loaded = _loaded_by("import syncctl.cli")
    assert not loaded & {
        "embedded",
        "flask",
        "functions_framework",
        "duckdb",
        "kubernetes",
        "pydantic",
        "pg8000",
        "cronsim",
        "mcp",
    }


@pytest.mark.parametrize("package", ["common", "embedded", "functions", "scripts", "sidecar", "syncctl", "tools"])
def test_docstrings_can_be_encoded(package: str) -> None:
    r"""From 3.13 on, half a surrogate pair in a docstring (`\ud83d`) cannot even be compiled: write it raw."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                (ast.get_docstring(node, clean=False) or "").encode()
