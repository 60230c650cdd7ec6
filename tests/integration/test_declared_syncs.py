"""The function syncs as it is deployed, on Postgres and an API server; and the command line that speaks to it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from msgspec import Struct

from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_kubernetes import FakeKubernetes, fake_kubernetes
from tests.support.functions import Answer, Server, running
from tests.support.terminal import Ran, run

NIGHTLY = """\
# Every night.
apiVersion: sync-functions.dev/v1alpha1
kind: Sync
metadata: {name: nightly}
spec:
  image: airbyte/source-faker:7.2.1
  config: {count: 1000, word: "no"}
  schedule: "0 3 * * *"
"""


class Place(Struct):
    """A function, and what it speaks to."""

    server: Server
    api: FakeKubernetes
    database: TestDatabase

    def put(self, text: str, path: str = "/syncs/nightly", **headers: str) -> Answer:
        return self.server.ask("PUT", path, text, **{"content_type": "application/yaml", **headers})

    def syncctl(self, *arguments: str, stdin: str = "") -> Ran:
        return run(f"http://127.0.0.1:{self.server.port}", *arguments, stdin=stdin)

    @property
    def names(self) -> list[str]:
        return sorted(self.api.syncs or ())


@pytest.fixture(scope="module")
def api() -> Iterator[FakeKubernetes]:
    with fake_kubernetes() as running_api:
        yield running_api


@pytest.fixture(scope="module")
def server(api: FakeKubernetes, served_database: TestDatabase) -> Iterator[Server]:
    settings = environment(served_database.url, api) | {"SYNCCTL_ALLOWED_IMAGES": "airbyte/*"}
    with running("syncs", token=canaries.TOKEN, **settings) as started:
        yield started


@pytest.fixture(scope="module")
def served_database(postgres: Any) -> Iterator[TestDatabase]:
    made = TestDatabase.clone(postgres.url)
    yield made
    made.drop()


@pytest.fixture
def place(server: Server, api: FakeKubernetes, served_database: TestDatabase) -> Place:
    """Without any syncs."""
    api.syncs = {}
    return Place(server, api, served_database)


def _named(name: str, **spec: Any) -> str:
    document = yaml.safe_load(NIGHTLY)
    document["metadata"]["name"] = name
    document["spec"] |= spec
    return str(yaml.safe_dump(document, sort_keys=False))


def test_a_sync_is_written_shown_and_deleted(place: Place):
    """Created, unchanged, configured; the answer to each write is the document."""
    made = place.put(NIGHTLY)
    assert (made.status, made.json["result"]) == (200, "created")
    assert made.json["sync"]["spec"]["config"] == {"count": 1000, "word": "no"}
    assert place.put(NIGHTLY).json["result"] == "unchanged"
    changed = place.put(NIGHTLY.replace("0 3", "0 4"))
    assert (changed.json["result"], changed.json["sync"]["spec"]["schedule"]) == ("configured", "0 4 * * *")
    one = place.server.ask("GET", "/syncs/nightly").json["sync"]
    [listed] = place.server.ask("GET", "/syncs").json["syncs"]
    assert {**one, "status": {}} == {**listed, "status": {}} == changed.json["sync"]
    gone = place.server.ask("DELETE", "/syncs/nightly").json
    assert (gone["sync"], gone["activeTask"], gone["wasAfter"]) == (changed.json["sync"], None, [])
    for method in ("GET", "DELETE"):
        assert place.server.ask(method, "/syncs/nightly").status == 404


def test_json_is_a_document_too(place: Place):
    """With tabs, escapes, and numbers as JSON has them."""
    text = json.dumps(yaml.safe_load(NIGHTLY), indent="\t").replace("airbyte/", "airbyte\\/")
    assert place.put(text, content_type="application/json").json["result"] == "created"
    assert place.put(NIGHTLY).json["result"] == "unchanged"


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        (NIGHTLY.replace("0 3", "0 25"), 422, "line 8: spec.schedule: expected"),
        (NIGHTLY.replace("image", "imgae"), 422, "line 6: spec.imgae: unknown field; did you mean image?"),
        (NIGHTLY.replace("nightly", "other"), 400, "metadata.name: expected the name in the path"),
        (NIGHTLY.replace("nightly", "{}"), 400, "metadata.name: expected the name in the path"),
        (NIGHTLY.replace("airbyte/", "evil/"), 422, "line 6: spec.image: expected another image"),
        (NIGHTLY.replace('"no"', "no"), 422, 'line 7: spec.config.word: expected true or false, or "no" in quotes'),
        (f"{NIGHTLY}---\n{NIGHTLY}", 400, "The body holds several documents"),
        ("", 400, "The body is empty"),
        ("spec: [", 422, "line "),
        ("- 1", 422, "expected a mapping"),
        (
            NIGHTLY.replace('"no"', "{valueFrom: {secretKeyRef: {name: sync-secrets, key: x}}}"),
            422,
            "expected a Secret called credentials-*",
        ),
    ],
)
@pytest.mark.fault(623)
def test_what_cannot_be_used_is_refused_by_line_and_field(text: str, status: int, error: str, place: Place):
    """In a sentence, and as data; nothing is written."""
    answer = place.put(text)
    assert (answer.status, place.names) == (status, [])
    assert error in answer.error
    if status == 422:
        assert answer.json["problems"][0]["document"] == 0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a": 1, "a": 2}', "has the member 'a' twice"),
        ("{", "not usable JSON"),
        (f"[{'[],' * 300_000}0]", "more than 300,000 keys and values"),
        (json.dumps(yaml.safe_load(NIGHTLY) | {"x": 2**70}), "x: expected a number of at most 64 bits"),
        (
            json.dumps(yaml.safe_load(NIGHTLY)).replace("1000", "1" + "0" * 30),
            "spec.config.count: expected a number of",
        ),
    ],
)
def test_what_json_readers_do_not_agree_on_is_refused(text: str, error: str, place: Place):
    """As everywhere else."""
    answer = place.put(text, content_type="application/json")
    assert error in answer.error
    assert place.names == []


@pytest.mark.fault(334)
def test_a_write_is_checked_against_those_that_exist(place: Place):
    """An id that another sync has, and a circle through another's `after`."""
    place.put(_named("a", after=["b"], syncId="x/y"), "/syncs/a")
    shared = place.put(_named("b", syncId="x/y"), "/syncs/b")
    assert "spec.syncId: expected another syncId; the sync a has this one" in shared.error
    circle = place.put(_named("b", after=["a"]), "/syncs/b")
    assert "spec.after: expected no circle: a starts b starts a" in circle.error.replace(
        "b starts a starts b", "a starts b starts a"
    )
    assert place.names == ["a"]


def test_a_change_based_on_an_older_version_is_refused(place: Place):
    """And nothing is lost."""
    old = place.put(NIGHTLY).json["sync"]
    place.put(NIGHTLY.replace("0 3", "0 4"))
    answer = place.put(json.dumps(old | {"spec": old["spec"] | {"retries": 1}}), content_type="application/json")
    assert (answer.status, "nightly has changed" in answer.error) == (409, True)
    assert (place.api.syncs or {})["nightly"]["spec"]["schedule"] == "0 4 * * *"


@pytest.mark.fault(335)
def test_a_sync_that_others_start_after_is_deleted_by_force_alone(place: Place):
    """Their names are in the answer."""
    place.put(NIGHTLY)
    place.put(_named("report", after=["nightly"]), "/syncs/report")
    answer = place.server.ask("DELETE", "/syncs/nightly")
    assert (answer.status, "starts report" in answer.error, place.names) == (409, True, ["nightly", "report"])
    gone = place.server.ask("DELETE", "/syncs/nightly?force=true")
    assert (gone.status, gone.json["wasAfter"], place.names) == (200, ["report"], ["report"])


@pytest.mark.fault(336)
def test_a_run_that_is_active_is_named_and_goes_on(place: Place):
    """Its pod has all that it needs."""
    place.put(_named("nightly", syncId="tables"))
    place.database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state) "
        "VALUES ('run-1', 'read', 'tables', 'p', '1', 'pod', 'h', 'RUNNING')"
    )
    assert place.server.ask("DELETE", "/syncs/nightly").json["activeTask"] == "run-1"
    assert place.database.rows("SELECT state FROM syncctl_task WHERE task_id = 'run-1'") == [{"state": "RUNNING"}]
    place.database.rows("DELETE FROM syncctl_task")


def test_several_documents_are_written_as_a_whole(place: Place):
    """Or none of them, where one is wrong."""
    bad = f"{NIGHTLY}---\n{_named('b', retries=-1)}"
    answer = place.put(bad, "/syncs")
    assert (answer.status, place.names) == (422, [])
    assert answer.json["problems"][0]["document"] == 1
    good = f"{NIGHTLY}---\n{_named('b')}"
    dry = place.put(good, "/syncs?dryRun=true").json["results"]
    assert [(one["name"], one["result"]) for one in dry] == [("nightly", "created"), ("b", "created")]
    assert [one["sync"]["metadata"]["name"] for one in dry] == ["nightly", "b"]
    assert place.names == []
    assert place.put(good, "/syncs").status == 200
    assert place.names == ["b", "nightly"]


def test_syncs_cannot_be_declared_where_the_crd_is_missing(place: Place):
    """In a sentence that names the file."""
    place.api.syncs = None
    answer = place.server.ask("GET", "/syncs")
    assert (answer.status, "knative/syncs/crd.yaml" in answer.error) == (503, True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files."""
    (tmp_path / "nightly.yaml").write_text(NIGHTLY)
    (tmp_path / "report.yaml").write_text(_named("report", after=["nightly"]))
    return tmp_path


def test_apply_says_what_it_did(place: Place, folder: Path):
    """Created, then configured and unchanged, as kubectl does."""
    assert place.syncctl("apply", "-f", str(folder)).out.splitlines() == ["sync/nightly created", "sync/report created"]
    (folder / "report.yaml").write_text(_named("report", after=["nightly"], retries=5))
    dry = place.syncctl("apply", "-f", str(folder), "--dry-run")
    assert dry.out.splitlines() == ["sync/nightly unchanged (dry run)", "sync/report configured (dry run)"]
    done = place.syncctl("apply", "-f", str(folder), "--json")
    results = [{"name": "nightly", "result": "unchanged"}, {"name": "report", "result": "configured"}]
    assert json.loads(done.out) == {"results": results}
    assert place.syncctl("apply", "-f", "-", stdin=NIGHTLY).out == "sync/nightly unchanged\n"


@pytest.mark.fault(337)
def test_apply_writes_nothing_if_anything_is_wrong(place: Place, folder: Path):
    """What is wrong in the files, and what the deployment alone knows, is shown at its line."""
    bad = folder / "bad.yaml"
    bad.write_text(_named("bad", retries=-1))
    done = place.syncctl("apply", "-f", str(folder))
    assert (done.code, place.names) == (2, [])
    assert done.err.startswith(f"{bad}:11: spec.retries: expected 0 or more")
    bad.write_text(NIGHTLY.replace("nightly", "bad").replace("airbyte/", "evil/"))
    done = place.syncctl("apply", "-f", str(folder))
    assert (done.code, place.names) == (2, [])
    assert done.err.startswith(f"{bad}:6: spec.image: expected another image")


def test_many_files_are_written_in_several_requests(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All of them are checked before the first one is written."""
    monkeypatch.setattr("syncctl.commands.syncs.BATCH_BYTES", 400)
    for number in range(5):
        (tmp_path / f"s{number}.yaml").write_text(_named(f"s{number}"))
    assert place.syncctl("apply", "-f", str(tmp_path)).out.count("created") == 5
    (tmp_path / "s0.yaml").write_text(_named("s0", retries=1))
    (tmp_path / "s4.yaml").write_text(_named("s4", image="evil/a:1"))
    assert place.syncctl("apply", "-f", str(tmp_path)).code == 2
    assert "retries" not in (place.api.syncs or {})["s0"]["spec"]


def test_get_shows_a_table_and_documents_that_can_be_applied(place: Place):
    """As kubectl shows it."""
    assert place.syncctl("get", "syncs").err.startswith("No syncs are declared.")
    place.put(NIGHTLY)
    place.put(_named("b", suspend=True), "/syncs/b")
    place.database.rows(
        "INSERT INTO syncctl_task (task_id, command, sync_id, package, version, pod_name, request_hash, state, reason) "
        "VALUES ('run-2', 'read', 'nightly', 'p', '1', 'pod', 'h', 'FAILED', 'Why.')"
    )
    done = place.syncctl("get", "syncs")
    head, first, second = done.out.splitlines()
    assert head.split() == ["NAME", "STATE", "LAST", "SUCCESS", "NEXT", "RUN", "SCHEDULE"]
    assert first.split()[:2] == ["b", "SUSPENDED"]
    name, state, _, time, *schedule = second.split()
    assert (name, state, time, schedule) == ("nightly", "FAILED", "03:00:00", ["0", "3", "*", "*", "*"])
    assert "nightly: Why." in done.err
    place.database.rows("DELETE FROM syncctl_task")
    shown = place.syncctl("get", "syncs", "-o", "yaml").out
    assert "status" not in shown
    assert place.syncctl("apply", "-f", "-", stdin=shown).out.splitlines() == [
        "sync/b unchanged",
        "sync/nightly unchanged",
    ]
    assert place.syncctl("get", "sync", "nightly", "-o", "name").out == "sync/nightly\n"
    assert json.loads(place.syncctl("get", "syncs", "nightly", "--json").out)["metadata"]["name"] == "nightly"
    missing = place.syncctl("get", "syncs", "nobody")
    assert (missing.code, "No sync is declared as 'nobody'" in missing.err) == (5, True)


def test_a_sync_is_suspended_and_resumed(place: Place):
    """And nothing else of it changes, whoever writes in between."""
    place.put(NIGHTLY)
    assert place.syncctl("suspend", "nightly").out == "sync/nightly suspended\n"
    assert (place.api.syncs or {})["nightly"]["spec"]["suspend"] is True
    assert place.syncctl("suspend", "nightly").out == "sync/nightly already suspended\n"
    assert place.syncctl("resume", "nightly").out == "sync/nightly resumed\n"
    assert (place.api.syncs or {})["nightly"]["spec"] == yaml.safe_load(NIGHTLY)["spec"]


def test_delete_says_what_goes_on(place: Place):
    """The others, and an active run."""
    place.put(NIGHTLY)
    place.put(_named("report", after=["nightly"]), "/syncs/report")
    refused = place.syncctl("delete", "nightly")
    assert (refused.code, "starts report" in refused.err) == (5, True)
    done = place.syncctl("delete", "nightly", "report", "--force")
    assert done.out.splitlines() == ["sync/nightly deleted", "sync/report deleted"]
    assert "Nothing starts report after it any more." in done.err
