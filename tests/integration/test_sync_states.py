"""/syncs/NAME/state over the function's own routes: a sync's states, seen and changed by hand."""

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import functions_framework
import pytest
from flask.testing import FlaskClient

from common import settings
from common.errors import SyncsNotInstalled
from common.store import Database, state_changes, states
from tests.integration.test_full_sync_streams import SHOWS
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, read_task
from tests.support.sidecar_process import catalog
from tests.support.syncs import document

ROOT = Path(__file__).parents[2]
PLANTS, BEDS = {"n": 1}, {"n": 2}
PART = {"stream_descriptor": {"name": "plants"}, "stream_state": PLANTS}
TOGETHER = {
    "shared_state": {"lsn": 7},
    "stream_states": [PART, {"stream_descriptor": {"name": "beds"}, "stream_state": BEDS}],
}


class Syncs:
    """The function syncs, in front of local pods and a database."""

    def __init__(self, client: FlaskClient, place: LocalSystem) -> None:
        self.client, self.place = client, place

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, sync: str = "sync-1") -> Any:
        """Send a request; return its answer, or the sentence of the error that was expected."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        answer = self.client.open(f"/syncs/{quote(sync, safe='')}/state{path}", method=method, data=data)
        assert answer.status_code == status, answer.json
        assert answer.json is not None
        return answer.json if status == 200 else answer.json["error"]

    def save(self, saved: Mapping[str, Any], sync: str = "sync-1") -> None:
        """Save states as a sidecar does."""
        with Database(self.place.database.url) as db:
            for key, value in saved.items():
                state = json.dumps(value).encode()
                db.transact(lambda db, key=key, state=state: states.save(db, sync, key, state))  # type: ignore[misc] # the loop's own


@pytest.fixture
def syncs(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Syncs]:
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, SHOWS)}) as place:
        app = functions_framework.create_app("syncs", str(ROOT / "functions/syncs/main.py"))  # type: ignore[no-untyped-call] # it ships no types
        settings.use(place.settings)
        yield Syncs(app.test_client(), place)
        settings.use(None)


@pytest.mark.fault(835)
@pytest.mark.parametrize("path", ["", "/state"])
@pytest.mark.parametrize("method", ["DELETE", "PUT"])
def test_a_change_whose_path_lost_its_end_changes_nothing(syncs: Syncs, method: str, path: str) -> None:
    """As browsers and HTTP libraries send a stream that is called `..` or `.`: they resolve such parts."""
    syncs.save({"plants": PLANTS})
    syncs.place.pods.put_sync(document("sync-1"), "")
    data = None if method == "DELETE" else b"{}"
    answer = syncs.client.open(f"/syncs/sync-1{path}/", method=method, data=data)
    assert answer.status_code == 400
    assert answer.json is not None
    assert "ends in a slash" in answer.json["error"]
    assert syncs.place.pods.get_sync("sync-1") is not None
    assert syncs.ask("GET", "/")["states"] == {"plants": PLANTS}


def _task(task: str) -> Any:
    return read_task(task, body={"config": {"kind": "STREAM"}, "catalog": catalog("beds", "plants", incremental=True)})


def test_states_are_shown_and_can_be_sent_back(syncs: Syncs) -> None:
    """All of them, or one stream's; a sync that is not declared has some, too."""
    syncs.save({"plants": PLANTS, "garden.be/ds": BEDS})
    shown = syncs.ask("GET", "")
    assert shown["states"] == {"plants": PLANTS, "garden.be/ds": BEDS}
    assert (shown["syncId"], shown["kind"], shown["undo"], shown["activeTask"]) == ("sync-1", "STREAM", None, None)
    assert set(shown["savedAt"]) == set(shown["states"])
    one = syncs.ask("GET", "/garden.be%2Fds")
    assert (one["state"], one["stream"], one["savedAt"]) == (BEDS, "garden.be/ds", shown["savedAt"]["garden.be/ds"])
    assert syncs.ask("PUT", "", shown)["changed"] == []


def test_states_that_have_not_changed_are_not_sent_again(syncs: Syncs) -> None:
    """An idle page asks with the tag of what it shows: saved, changed by hand or read, they have another one."""
    known: list[str] = []

    def asked() -> int:
        answer = syncs.client.get("/syncs/sync-1/state", headers={"If-None-Match": known[-1]} if known else {})
        assert bool(answer.data) == (answer.status_code == 200)
        known.append(answer.headers["ETag"])
        return answer.status_code

    syncs.save({"plants": PLANTS})
    assert [asked(), asked()] == [200, 304]
    syncs.save({"plants": PLANTS})  # the time that is shown is another one
    assert [asked(), asked()] == [200, 304]
    syncs.ask("DELETE", "/plants")
    assert [asked(), asked()] == [200, 304]
    syncs.ask("POST", "/undo")
    assert [asked(), asked()] == [200, 304]
    syncs.place.run(_task("t0"))
    assert [asked(), asked()] == [200, 304]
    syncs.place.database.rows("UPDATE syncctl_task SET state = 'PENDING'")  # a read is active
    assert [asked(), asked()] == [200, 304]


def test_a_state_is_set_reset_and_brought_back(syncs: Syncs) -> None:
    """Each answer has what was there before; the digits of numbers stay."""
    syncs.save({"plants": PLANTS, "beds": BEDS})
    done = syncs.ask("PUT", "/plants", b' {"n": 9223372036854775808.10, "deep": [ {} ]}')
    assert (done["action"], done["before"], done["undo"]) == ("set", {"plants": PLANTS}, True)
    assert b"9223372036854775808.10" in syncs.client.get("/syncs/sync-1/state/plants").data
    done = syncs.ask("DELETE", "/plants")
    assert (done["action"], done["after"]) == ("reset", {"plants": None})
    assert syncs.ask("GET", "")["states"] == {"beds": BEDS}
    assert "plants: has no saved state; there are those of beds." in syncs.ask("DELETE", "/plants", status=404)
    done = syncs.ask("DELETE", "")
    assert (done["before"], done["kind"]) == ({"beds": BEDS}, None)
    assert syncs.ask("GET", "")["undo"]["action"] == "reset"
    for _ in range(3):
        assert syncs.ask("POST", "/undo")["ok"]
    assert syncs.ask("GET", "")["states"] == {"plants": PLANTS, "beds": BEDS}
    assert "no change" in syncs.ask("POST", "/undo", status=404)


def test_all_states_are_set_at_once(syncs: Syncs) -> None:
    """By key, or as messages; what is not among them is forgotten. One before the first read, too."""
    syncs.save({"plants": PLANTS})
    syncs.ask("PUT", "", {"states": {"beds": BEDS}})
    assert syncs.ask("GET", "")["states"] == {"beds": BEDS}
    done = syncs.ask("PUT", "", [{"type": "GLOBAL", "global": TOGETHER}])
    assert (done["kind"], done["changed"]) == ("GLOBAL", ["_GLOBAL_STATE", "beds"])
    assert syncs.ask("PUT", "", [])["after"] == {"_GLOBAL_STATE": None}


@pytest.mark.fault(371)
def test_a_stream_s_part_of_a_shared_state_is_its_own(syncs: Syncs) -> None:
    """As far as the state tells: LEGACY ones do not."""
    syncs.save({"_GLOBAL_STATE": TOGETHER})
    assert syncs.ask("GET", "/plants")["state"] == PLANTS
    syncs.ask("PUT", "/plants", {"n": 5})
    syncs.ask("DELETE", "/beds")
    parts = [{**PART, "stream_state": {"n": 5}}]
    assert syncs.ask("GET", "/_GLOBAL_STATE")["state"] == {"shared_state": {"lsn": 7}, "stream_states": parts}
    syncs.ask("DELETE", "/plants")
    assert syncs.ask("GET", "")["states"] == {}
    syncs.save({"_LEGACY_STATE": PLANTS})
    for method, body in (("GET", None), ("DELETE", None), ("PUT", PLANTS)):
        assert "change _LEGACY_STATE as a whole" in syncs.ask(method, "/plants", body, status=422)
    assert syncs.ask("DELETE", "/_LEGACY_STATE")["before"] == {"_LEGACY_STATE": PLANTS}


def test_states_are_copied_to_a_sync_that_is_known(syncs: Syncs) -> None:
    """In the place of its own, which an undo brings back."""
    syncs.save({"plants": PLANTS})
    syncs.save({"beds": BEDS}, "sync-2")
    done = syncs.ask("POST", "/copy?to=sync-2")
    assert (done["syncId"], done["from"], done["before"]) == ("sync-2", "sync-1", {"beds": BEDS, "plants": None})
    assert syncs.ask("GET", "", sync="sync-2")["states"] == {"plants": PLANTS} == syncs.ask("GET", "")["states"]
    syncs.ask("POST", "/undo", sync="sync-2")
    assert syncs.ask("GET", "", sync="sync-2")["states"] == {"beds": BEDS}
    assert "another: is not declared" in syncs.ask("POST", "/copy?to=another", status=404)
    assert "to: expected another" in syncs.ask("POST", "/copy?to=sync-1", status=422)
    assert "Missing or empty parameters: to" in syncs.ask("POST", "/copy", status=400)


def test_a_declared_sync_is_known_by_its_name(syncs: Syncs, tmp_path: Path) -> None:
    """Before it has run, and with the states of the syncId that it names; a file with a mistake tells none."""
    document = {
        "apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "nightly"},
        "spec": {"image": f"{PACKAGE}:1.4.0", "syncId": "sync-1"},
    }  # fmt: skip
    syncs.place.pods.put_sync(document, "")
    syncs.ask("PUT", "/plants", PLANTS, sync="nightly")
    assert syncs.ask("GET", "")["states"] == {"plants": PLANTS}
    (tmp_path / "pods/syncs/nightly.yaml").write_text("kind: Sync\n")
    assert "nightly: its document cannot be used" in syncs.ask("GET", "", sync="nightly", status=422)


@pytest.mark.fault(374)
def test_nothing_is_changed_while_a_read_is_active(syncs: Syncs, database: TestDatabase, bulker: FakeBulker) -> None:
    """Also one that waits for its discovery, and one of another controller. Looking is allowed."""
    syncs.place.run(_task("t0"))
    database.rows("UPDATE syncctl_task SET state = 'PENDING'")
    changes: tuple[tuple[str, str, Any], ...] = (
        ("PUT", "", {"states": {}}), ("PUT", "/plants", PLANTS), ("DELETE", "", None), ("DELETE", "/plants", None),
        ("POST", "/undo", None),
    )  # fmt: skip
    for method, path, body in changes:
        assert "is being read: task t0 is PENDING" in syncs.ask(method, path, body, status=409)
    assert syncs.ask("GET", "")["activeTask"] == "t0"
    syncs.save({"beds": BEDS}, "sync-2")
    assert "task t0" in syncs.ask("POST", "/copy?to=sync-1", status=409, sync="sync-2")
    assert syncs.ask("POST", "/copy?to=sync-2")["ok"]
    database.rows("UPDATE syncctl_task SET state = 'FAILED'")
    database.rows("UPDATE source_task SET status = 'RUNNING', task_id = 'theirs'")
    assert "task theirs runs under another controller" in syncs.ask("DELETE", "", status=409)
    assert syncs.ask("GET", "")["activeTask"] == "theirs"
    assert len(syncs.ask("GET", "")["states"]) == 2


@pytest.mark.fault(374)
def test_a_start_waits_for_a_change(syncs: Syncs, bulker: FakeBulker) -> None:
    """Else it would be given the state of before, and save over the new one."""
    syncs.save({"plants": PLANTS})
    with Database(syncs.place.database.url) as db:

        def change(db: Database) -> threading.Thread:
            state_changes.lock(db, "sync-1")
            starting = threading.Thread(target=syncs.place.start, args=(_task("t0"),))
            starting.start()
            waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            wait_for(lambda: syncs.place.database.rows(waiting), 60, "the start to wait")
            state_changes.make(db, "sync-1", "set", dict(states.load(db, "sync-1")), {"plants": b'{"n":9}'})
            return starting

        db.transact(change).join()
    syncs.place.finish("t0")
    given = json.loads(bulker.requests[-1].rows[0]["given"])
    assert [message["stream"]["stream_state"] for message in given] == [{"n": 9}]


WRONG: tuple[tuple[str, str, Any, int, str], ...] = (
    ("PUT", "", b"", 400, "The body is empty"),
    ("PUT", "", b"{", 400, "not usable JSON"),
    ("PUT", "", {"plants": {}}, 400, 'expected {"states"'),
    ("PUT", "", {"states": {}, "more": 1}, 400, "Unknown member 'more'"),
    ("PUT", "", b'{"states": {"a": {"x":1,"x":2}}}', 400, "twice in one object"),
    ("PUT", "", {"states": {"plants": 1}}, 400, "states.plants: expected an object"),
    ("PUT", "", {"states": {"plants": {}, "_GLOBAL_STATE": {}}}, 400, "states._GLOBAL_STATE: expected no other"),
    (
        "PUT",
        "",
        {"states": {"_GLOBAL_STATE": {"stream_states": 1}}},
        400,
        "states._GLOBAL_STATE: expected shared_state",
    ),
    ("PUT", "", {"states": {"a\nb": {}}}, 400, "The stream in the path"),
    ("PUT", "", [1], 400, "[0]: expected a STATE message"),
    ("PUT", "/plants", b"null", 400, "plants: expected an object"),
    ("PUT", "/plants", b"[" * 300 + b"]" * 300, 400, "nested deeper"),
    ("PUT", "/plants?force=true", b"{}", 400, "Unknown parameter 'force'"),
    ("PUT", "/plants%00", b"{}", 400, "The stream in the path"),
    ("POST", "/undo?force=1", None, 400, "force: expected true or false"),
    ("POST", "/plants", None, 405, "Use GET or PUT or DELETE"),
)


@pytest.mark.fault(377)
def test_what_cannot_be_used_changes_nothing(syncs: Syncs) -> None:
    syncs.save({"plants": PLANTS})
    for method, path, body, status, words in WRONG:
        assert words in syncs.ask(method, path, body, status=status)
    assert syncs.ask("GET", "")["states"] == {"plants": PLANTS}


@pytest.mark.fault(377)
def test_states_that_no_task_could_be_given_are_refused(syncs: Syncs) -> None:
    large = {"n": "x" * 3_500_000}
    syncs.save({"plants": PLANTS, "beds": large, "weeds": large})
    assert "plants: it has 3,500,0" in syncs.ask("PUT", "/plants", large, status=413)
    assert syncs.ask("GET", "/plants")["state"] == PLANTS


def test_a_sync_that_nobody_knows_has_no_states(syncs: Syncs) -> None:
    """Whatever its name; one with a slash is never asked of the cluster."""
    for name in ("another", "Sync/1", "a/status", "..", "x" * 300):
        for method, path, body in (("GET", "", None), ("PUT", "/plants", PLANTS), ("POST", "/undo", None)):
            assert "is not declared" in syncs.ask(method, path, body, status=404, sync=name)


def test_without_the_crd_tasks_have_their_states(syncs: Syncs, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise SyncsNotInstalled("no CRD")

    monkeypatch.setattr(syncs.place.pods, "get_sync", missing)
    syncs.save({"plants": PLANTS})
    assert syncs.ask("DELETE", "/plants")["before"] == {"plants": PLANTS}
