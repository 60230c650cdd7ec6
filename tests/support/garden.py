"""Declared syncs of the garden's connector, in an edition that maps it."""

import json
from pathlib import Path
from typing import Any

from tests.support.edition_process import EditionProcess

GARDEN = "test/source-garden:1"
"""tests/support/garden_connector.py: it offers what a file says."""


class Garden:
    """What grows in it (`offered`, by name with its columns), and the syncs that read it."""

    def __init__(self, edition: EditionProcess, folder: Path) -> None:
        self.edition, self.folder = edition, folder
        self.fails, self.waits = folder / "fails", folder / "waits"
        self.declared: set[str] = set()
        self.offer({"roses": {"n": {"type": "integer"}}, "tulips": {"n": {"type": "integer"}}})

    def offer(self, streams: dict[str, Any]) -> None:
        """Change what the source offers."""
        (self.folder / "offered.json").write_text(json.dumps(streams))

    def document(self, name: str, config: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
        """The document of a sync."""
        known = {"offered": str(self.folder / "offered.json"), "fails": str(self.fails), "waits": str(self.waits)}
        return {
            "apiVersion": "sync-functions.dev/v1alpha1",
            "kind": "Sync",
            "metadata": {"name": name},
            "spec": {"image": GARDEN, "config": known | (config or {}), "prefix": f"{name}_"} | spec,
        }

    def declare(self, name: str, config: dict[str, Any] | None = None, **spec: Any) -> str:
        """Declare a sync; return its name."""
        status, answer = self.edition.ask(f"/syncs/{name}", self.document(name, config, **spec), "PUT")
        assert status == 200, answer
        self.declared.add(name)
        return name

    def start(self, name: str, **query: str) -> str:
        """Start a run; return its task."""
        status, answer = self.edition.ask(f"/syncs/{name}/run", method="POST", **query)
        assert status == 200, answer
        return str(answer["taskId"])

    def run(self, name: str, state: str = "SUCCESS", **query: str) -> str:
        """Run a sync to its end; return its task."""
        task = self.start(name, **query)
        ended = self.edition.finish(task)
        assert ended["state"] == state, ended
        return task

    def clear(self) -> None:
        """Let its reads end, and delete its syncs."""
        self.waits.unlink(missing_ok=True)
        for name in self.declared:
            self.edition.ask(f"/syncs/{name}", method="DELETE", force="true")
