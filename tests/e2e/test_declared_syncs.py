"""Declared syncs on the one-machine edition, as files and by the command line: real time, real processes."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from common.runs.due import follower_id
from tests.support.edition_process import EditionProcess
from tests.support.fake_bulker import wait_for
from tests.support.terminal import Ran, run


@pytest.fixture
def offered(tmp_path: Path) -> Path:
    """What the source offers."""
    path = tmp_path / "offered.json"
    path.write_text(json.dumps({"herbs": {"n": {"type": "integer"}}, "trees": {}}))
    return path


def _document(name: str, offered: Path, **spec: Any) -> dict[str, Any]:
    spec = {"image": "case/garden:1", "config": {"offered": str(offered)}, "prefix": f"{name}_"} | spec
    return {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name},
        "spec": spec,
    }


def _syncctl(edition: EditionProcess, *arguments: str, stdin: str = "") -> Ran:
    return run(edition.url, *arguments, stdin=stdin, env={"SYNCCTL_TOKEN": edition.token})


def _reads(edition: EditionProcess, **query: str) -> list[str]:
    """The ids of the runs by schedule."""
    return [task["taskId"] for task in edition.ask("/tasks", syncId="minutely", **query)[1]["tasks"]]


def _status(edition: EditionProcess, name: str) -> Any:
    return edition.ask(f"/syncs/{name}")[1]["sync"]["status"]


def test_a_sync_each_minute_and_one_after_it(edition: EditionProcess, offered: Path) -> None:
    """The first is a file written by hand; both resume. Nothing runs once they are suspended and deleted."""
    file = edition.home / "syncs/minutely.yaml"
    file.write_text(json.dumps(_document("minutely", offered, schedule="* * * * *", streams=[{"name": "herbs"}])))
    later = _document("later", offered, after=["minutely"], streams=[{"name": "trees"}])
    assert "sync/later created" in _syncctl(edition, "apply", "-f", "-", stdin=json.dumps(later)).out
    [first] = wait_for(lambda: _reads(edition, status="SUCCESS"), 200, "a first success")
    assert first.startswith("minutely-20")
    follower = follower_id("later", first)
    wait_for(lambda: edition.ask(f"/tasks/{follower}")[0] == 200, 30, "the run that follows")
    assert edition.finish(follower)["state"] == "SUCCESS"
    wait_for(lambda: len(_reads(edition, status="SUCCESS")) > 1, 200, "a second success")
    assert _syncctl(edition, "suspend", "minutely").code == 0
    tasks = _reads(edition)
    for task in tasks:
        assert edition.finish(task)["state"] == "SUCCESS"
    assert [row[0] for row in edition.rows("SELECT n FROM minutely_herbs ORDER BY n")] == [*range(1, len(tasks) + 1)]
    assert wait_for(lambda: _status(edition, "minutely")["state"] == "SUSPENDED", 30, "the status")
    for name in ("later", "minutely"):
        assert _syncctl(edition, "delete", name).code == 0


def test_a_run_by_hand(edition: EditionProcess, offered: Path) -> None:
    """It is followed to its end, resumes, and begins a stream from nothing where that is asked for."""
    _syncctl(edition, "apply", "-f", "-", stdin=json.dumps(_document("garden", offered)))
    for _ in range(2):
        done = _syncctl(edition, "run", "garden", "--follow")
        assert done.code == 0, done.out + done.err
    done = _syncctl(edition, "run", "garden", "--stream", "herbs", "--full-sync", "-f", "--json")
    assert done.code == 0, done.out + done.err
    assert edition.rows("SELECT n FROM garden_herbs") == [(1,)]
    assert edition.rows("SELECT n FROM garden_trees ORDER BY n") == [(1,), (2,)]
    started = _syncctl(edition, "run", "garden", "--task", "mine")
    assert started.out.startswith("Started task mine of sync garden.")
    edition.finish("mine")
    assert _syncctl(edition, "wait", "mine").code == 0
    again = _syncctl(edition, "run", "--again", json.loads(done.out.splitlines()[-1])["task"]["taskId"], "-f", "--json")
    run = json.loads(again.out.splitlines()[-1])["task"]["run"]
    assert (again.code, run) == (0, {"sync": "garden", "streams": ["herbs"], "fullSync": True})
    refused = _syncctl(edition, "run", "garden", "--stream", "weeds")
    assert (refused.code, "the sync does not select weeds" in refused.err) == (5, True)
    assert _syncctl(edition, "run", "nobody").code == 5
    _syncctl(edition, "delete", "garden")


def _tagged(edition: EditionProcess, path: str, known: str = "") -> tuple[int, str]:
    """Asks as a page does that has an answer already; returns (status, tag)."""
    headers = {"Authorization": f"Bearer {edition.token}"} | ({"If-None-Match": known} if known else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(edition.url + path, headers=headers), timeout=60) as answer:
            return answer.status, answer.headers["ETag"]
    except urllib.error.HTTPError as other:
        with other:
            return other.code, other.headers["ETag"]


@pytest.mark.fault(662)
def test_what_has_not_changed_is_not_sent_again(edition: EditionProcess, offered: Path) -> None:
    """Of a list and of a sync; a document that is suspended is a change. Its runs are in the list."""
    _syncctl(edition, "apply", "-f", "-", stdin=json.dumps(_document("looked-at", offered)))
    assert _syncctl(edition, "run", "looked-at", "--task", "looked-at-1", "--follow").code == 0
    [run] = edition.ask("/syncs")[1]["runs"]["looked-at"]
    assert (run["taskId"], run["state"], run["emitted"], run["stored"]) == ("looked-at-1", "SUCCESS", 2, 2)
    rates = edition.ask("/tasks/looked-at-1")[1]["task"]["rates"]
    assert (sum(rates["emitted"]), sum(rates["stored"])) == (2, 2)
    assert [one["bytes"] > 0 for one in edition.ask("/syncs/looked-at")[1]["streams"]] == [True, True]
    tags = {}
    for path in ("/syncs", "/syncs/looked-at"):

        def again(path: str = path) -> str:
            tag = _tagged(edition, path)[1]
            return tag if _tagged(edition, path, tag) == (304, tag) else ""

        tags[path] = wait_for(again, 30, f"that {path} changes no more")
    assert _syncctl(edition, "suspend", "looked-at").code == 0
    for path, tag in tags.items():
        status, other = _tagged(edition, path, tag)
        assert (status, other != tag) == (200, True), path
    assert _syncctl(edition, "delete", "looked-at").code == 0
