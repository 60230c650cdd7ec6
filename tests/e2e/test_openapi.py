"""The one-machine edition answers as docs/reference/openapi.json says, to every operation."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.edition_process import EditionProcess, edition_process
from tests.support.local_system import python
from tests.support.openapi import IMAGES, SWEEP_SECONDS, Checked, all_operations, made_up
from tests.support.sidecar_process import catalog


def _document(name: str, offered: Path) -> dict[str, Any]:
    spec = {"image": "case/garden:1", "config": {"offered": str(offered)}, "prefix": f"{name}_"}
    return {"apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync", "metadata": {"name": name}, "spec": spec}


ROOT = Path(__file__).parents[2]


class _Api:
    def __init__(self, edition: EditionProcess) -> None:
        self.edition, self.checked = edition, Checked()

    def ask(
        self, method: str, template: str, body: Any = None, *, status: int = 200, query: str = "", **names: Any
    ) -> Any:
        """One request, whose answer has to be as described."""
        path = template.format(**{name: quote(value, safe="") for name, value in names.items()})
        got, answer = self.edition.ask(f"{path}?{query}" if query else path, body, method)
        assert got == status, answer
        self.checked.check(method, template, got, answer)
        return answer


def test_every_operation_answers_as_described(edition: EditionProcess, tmp_path: Path) -> None:
    """With no member that the document does not have; real tasks, a declared sync, its states, and refusals."""
    api = _Api(edition)
    offered = tmp_path / "offered.json"
    offered.write_text(json.dumps({"herbs": {"n": {"type": "integer"}}}))
    _tasks(api, offered)
    _syncs(api, offered)
    for method, template, status in (
        ("GET", "/tasks/{taskId}", 404),
        ("GET", "/syncs/{name}/state/{stream}", 404),
        ("POST", "/syncs/{name}/run", 404),
    ):
        api.ask(method, template, status=status, taskId="a/b", name="unknown", stream="herbs")
    api.ask("PUT", "/syncs/{name}", {"spec": {"image": "x"}}, status=422, name="poor")
    api.ask("POST", "/read", {"config": {}}, status=400, query="package=case/bad&version=1&syncId=a&taskId=b")
    assert api.checked.seen == all_operations()


def _tasks(api: _Api, offered: Path) -> None:
    for path in ("/health", "/openapi.json"):
        api.ask("GET", path)
    image, config = "package=case/garden&version=1", {"config": {"offered": str(offered)}}
    started = [api.ask("GET", "/spec", query=image)]
    started += [api.ask("POST", f"/{what}", config, query=f"{image}&storageKey=api") for what in ("check", "discover")]
    bad = "package=case/bad&version=1&syncId=api"
    for mode, task in (("ok", "api/1"), ("dies", "api/2")):
        body = {"config": {"mode": mode}, "catalog": catalog("plants")}
        started.append(api.ask("POST", "/read", body, query=f"{bad}&taskId={task}"))
        api.edition.finish(task)
    for one in started:
        api.edition.finish(one["taskId"])
        api.ask("GET", "/tasks/{taskId}", query="logs=5", taskId=one["taskId"])
        api.ask("GET", "/tasks/{taskId}/logs", query="limit=5", taskId=one["taskId"])
    api.ask("GET", "/tasks", query="limit=500")
    for method in ("GET", "POST"):
        api.ask(method, "/cancel", query="taskId=api%2F2")
    api.ask("POST", "/sweeper")


def _syncs(api: _Api, offered: Path) -> None:
    document = _document("api-sync", offered)
    api.ask("PUT", "/syncs", document)
    api.ask("PUT", "/syncs/{name}", document, query="dryRun=true", name="api-sync")
    task = api.ask("POST", "/syncs/{name}/run", name="api-sync")["taskId"]
    assert api.edition.finish(task)["state"] == "SUCCESS"
    offered.write_text(json.dumps({"herbs": {"n": {"type": "string"}}, "trees": {}}))
    api.ask("GET", "/tasks/{taskId}", taskId=task)
    names: dict[str, Any] = {"name": "api-sync", "stream": "herbs"}
    state, stream = "/syncs/{name}/state", "/syncs/{name}/state/{stream}"
    for path in ("/syncs", "/syncs/{name}", state, stream):
        api.ask("GET", path, **names)
    api.ask("PUT", stream, {"n": 7}, **names)
    api.ask("POST", f"{state}/undo", **names)
    api.ask("POST", f"{state}/copy", query="to=api", **names)
    api.ask("PUT", state, {"states": {"herbs": {"n": 7}}}, **names)
    api.ask("DELETE", stream, **names)
    api.ask("DELETE", state, **names)
    api.ask("GET", state, **names)
    api.ask("DELETE", "/syncs/{name}", **names)


@pytest.mark.fault(621)
@pytest.mark.timeout(600)  # a thousand requests, one after the other: a quarter of a minute, but on a busy machine
def test_requests_made_from_the_document_are_answered_as_it_says(tmp_path: Path) -> None:
    """No 5xx, no answer that is not described, and nothing accepted that does not fit; the same requests each time."""
    garden = python(ROOT / "tests/support/garden_connector.py")
    settings = {"SYNCCTL_ALLOWED_IMAGES": IMAGES, "SYNCCTL_SWEEP_SECONDS": SWEEP_SECONDS}
    with edition_process(tmp_path / "home", {"case/garden": garden}, **settings) as fresh:
        options = ("--generation-deterministic", "--max-examples", "1", "--continue-on-failure")
        done = made_up(fresh.url, fresh.token, tmp_path, *options, whole=False)
    assert done.returncode == 0, done.stdout
    assert "Selected: 27/27" in done.stdout
