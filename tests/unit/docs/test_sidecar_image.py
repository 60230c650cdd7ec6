"""images/sidecar has the part of the code that the sidecar imports, and no more of common than it needs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
_COPIED = re.compile(r"^COPY (?P<from>(?:common|sidecar)\S*(?: \S+)*) /app/\S+$", re.MULTILINE)


def _copied() -> set[Path]:
    """The modules in the image."""
    text = (ROOT / "images/sidecar/Dockerfile").read_text(encoding="utf-8")
    paths = [ROOT / name for found in _COPIED.finditer(text) for name in found["from"].split()]
    assert all(path.exists() for path in paths), paths
    return {module for path in paths for module in ([path] if path.is_file() else path.rglob("*.py"))}


def _imports(module: Path) -> Iterator[str]:
    """All names that a module imports, wherever it does."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(name: str) -> Path | None:
    path = ROOT / name.replace(".", "/")
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def test_the_image_has_what_the_sidecar_imports():
    """Also what it imports only when it needs it: a missing one would fail a task, and no start."""
    wanted = set((ROOT / "sidecar").rglob("*.py"))
    waiting = list(wanted)
    while waiting:
        modules = (_module(name) for name in _imports(waiting.pop()) if name.startswith(("common", "sidecar")))
        new = {module for module in modules if module} - wanted
        wanted |= new
        waiting += new
    assert sorted(str(path.relative_to(ROOT)) for path in wanted - _copied()) == []
    assert ROOT / "common/store/encryption.py" in wanted
    assert ROOT / "common/tasks" not in {path.parent for path in _copied()}
