"""Changes by hand of saved states, on a real Postgres: what is kept of them, and how they are undone."""

import json
import threading
from typing import Any

import pytest

from common.errors import Conflict
from common.protocol.commands import Command
from common.store import Database, Task, state_changes, states, tasks
from tests.support.databases import TestDatabase
from tests.support.sidecar_process import SidecarProcess, catalog, record, state, status

SYNC = "sync-1"
EXACT = b'{"n":9223372036854775808.10}'
NUL = b'{"n": "\\u0000"}'
SHARED = b'{"shared_state": {"lsn": 1}}'


def _load(db: Database) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in db.transact(lambda db: states.load(db, SYNC))}


def _save(db: Database, **saved: bytes) -> None:
    for key, value in saved.items():
        db.transact(lambda db, key=key, value=value: states.save(db, SYNC, key, value))  # type: ignore[misc] # the loop's own


def _change(db: Database, action: str = "set", **after: bytes) -> list[str]:
    def change(db: Database) -> list[str]:
        return state_changes.make(db, SYNC, action, dict(states.load(db, SYNC)), after)

    return db.transact(change)


def _undo(db: Database, *, force: bool = False) -> list[str]:
    def undo(db: Database) -> list[str]:
        change = state_changes.newest(db, SYNC)
        assert change is not None
        return state_changes.undo(db, SYNC, change, dict(states.load(db, SYNC)), force=force)

    return db.transact(undo)


def test_a_change_replaces_what_differs_and_is_undone(db: Database, database: TestDatabase) -> None:
    """Digits and a NUL stay; what is left as it was is not written again."""
    _save(db, plants=EXACT, beds=NUL, weeds=b'{"w":1}')
    now = dict(db.transact(lambda db: states.load(db, SYNC)))
    assert _change(db, plants=b'{"n":1}', weeds=now["weeds"]) == ["beds", "plants"]
    assert _load(db) == {"plants": {"n": 1}, "weeds": {"w": 1}}
    assert _undo(db) == ["beds", "plants"]
    assert dict(db.transact(lambda db: states.load(db, SYNC))) == {**now, "beds": NUL}
    assert b"9223372036854775808.10" in now["plants"]
    assert database.rows("SELECT * FROM syncctl_state_undo") == []


def test_changes_are_undone_one_after_the_other(db: Database) -> None:
    """Also of one and the same state; a change of nothing is none. Without any there is nothing to undo."""
    for n in range(3):
        _change(db, plants=b'{"n":%d}' % n)
    now = dict(db.transact(lambda db: states.load(db, SYNC)))
    assert _change(db, "set", **now) == []
    for n in (1, 0):
        _undo(db)
        assert _load(db) == {"plants": {"n": n}}
    _undo(db)
    assert _load(db) == {}
    assert db.transact(lambda db: state_changes.newest(db, SYNC)) is None


def test_a_state_of_another_kind_takes_the_place_of_all_and_gives_it_back(db: Database) -> None:
    _save(db, plants=b'{"n":1}', beds=NUL)
    assert _change(db, _GLOBAL_STATE=SHARED) == ["_GLOBAL_STATE", "beds", "plants"]
    assert list(_load(db)) == ["_GLOBAL_STATE"]
    _undo(db)
    assert sorted(_load(db)) == ["beds", "plants"]


@pytest.mark.fault(375)
def test_an_undo_does_not_go_back_behind_a_read(db: Database) -> None:
    """Unless it is told to. What a read has saved of other streams is none of its business."""
    _save(db, plants=b'{"n":1}', beds=b'{"n":1}')
    _change(db, "reset", beds=b'{"n":1}')
    _save(db, beds=b'{"n":2}', weeds=b'{"n":2}')
    _undo(db)
    assert _load(db) == {"plants": {"n": 1}, "beds": {"n": 2}, "weeds": {"n": 2}}
    _change(db, "reset")
    _save(db, plants=b'{"n":3}')
    with pytest.raises(Conflict, match=r"^plants: changed since the reset of 20.* UTC, by a read"):
        _undo(db)
    assert _load(db) == {"plants": {"n": 3}}
    _undo(db, force=True)
    assert _load(db) == {"plants": {"n": 1}, "beds": {"n": 2}, "weeds": {"n": 2}}


@pytest.mark.fault(375)
def test_an_undo_mixes_no_kinds(db: Database) -> None:
    _save(db, plants=b'{"n":1}')
    _change(db, "reset")
    _save(db, _GLOBAL_STATE=SHARED)
    with pytest.raises(Conflict, match=r"^_GLOBAL_STATE: changed since the reset"):
        _undo(db)
    _undo(db, force=True)
    assert _load(db) == {"plants": {"n": 1}}


def test_only_the_newest_changes_are_kept(db: Database, database: TestDatabase) -> None:
    database.rows(
        "INSERT INTO syncctl_state_undo (sync_id, action, before, after, changed_at)"
        " VALUES ('other', 'set', '{}', '{}', now() - interval '91 days'), ('another', 'set', '{}', '{}', now())"
    )
    for n in range(state_changes.KEPT + 3):
        _change(db, plants=b'{"n":%d}' % n)
    kept = database.rows("SELECT sync_id, count(*) AS n FROM syncctl_state_undo GROUP BY 1 ORDER BY 1")
    assert kept == [{"sync_id": "another", "n": 1}, {"sync_id": SYNC, "n": state_changes.KEPT}]
    assert [_undo(db) for _ in range(state_changes.KEPT)][-1] == ["plants"]
    assert _load(db) == {"plants": {"n": 2}}


def test_states_of_any_size_can_be_cleared(db: Database) -> None:
    _save(db, plants=b'{"n":1}', beds=NUL)
    assert db.transact(lambda db: state_changes.clear_all(db, SYNC)) == ["beds", "plants"]
    assert _load(db) == {}


def _read(db: Database, task_id: str, end: str = "RUNNING") -> Task:
    task = Task(Command.READ, task_id, "p", "1", sync_id=SYNC)
    db.transact(lambda db: tasks.begin(db, task, pod_name=task_id, request_hash="h"))
    sql = "UPDATE syncctl.syncctl_task SET state = :s, finished_at = now() WHERE task_id = :t"
    db.transact(lambda db: db.execute(sql, s=end, t=task_id))
    return task


@pytest.mark.fault(376)
def test_a_read_that_has_ended_saves_nothing_over_a_change(db: Database) -> None:
    """A cancelled read's sidecar goes on for a while; a read that begins later saves its states."""
    _read(db, "t0", "CANCELLED")
    assert not db.transact(lambda db: states.is_closed(db, "t0"))
    _change(db, plants=b'{"n":1}')
    _read(db, "t1")
    closed = {task: db.transact(lambda db, task=task: states.is_closed(db, task)) for task in ("t0", "t1", "none")}  # type: ignore[misc] # the loop's own
    assert closed == {"t0": True, "t1": False, "none": False}


def test_tables_of_an_earlier_version_close_nothing(db: Database, database: TestDatabase) -> None:
    """A new sidecar may meet them: the first function to need the column makes it."""
    _read(db, "t0", "CANCELLED")
    database.rows("ALTER TABLE syncctl_task DROP COLUMN states_closed")
    assert not db.transact(lambda db: states.is_closed(db, "t0"))


def test_what_is_known_of_a_sync(db: Database) -> None:
    assert not db.transact(lambda db: state_changes.is_known(db, SYNC))
    _save(db, beds=NUL)
    assert db.transact(lambda db: state_changes.is_known(db, SYNC))
    _read(db, "t0")
    db.transact(lambda db: state_changes.clear_all(db, SYNC))
    assert db.transact(lambda db: state_changes.is_known(db, SYNC))


@pytest.mark.fault(376)
@pytest.mark.parametrize("closed", [False, True])
def test_the_sidecar_of_a_cancelled_read_respects_a_change(sidecar: SidecarProcess, *, closed: bool) -> None:
    """Without one it saves what the warehouse has acknowledged, however late that is."""
    sidecar.give(catalog=catalog("plants", incremental=True))
    sidecar.database.rows(
        "UPDATE syncctl_task SET state = 'CANCELLED', finished_at = now(), states_closed = :c", c=closed
    )
    sidecar.play([record("plants", {"id": 1}), state("plants", {"n": 1}), status("plants", "COMPLETE")])
    assert sidecar.states == ({} if closed else {"plants": {"n": 1}})
    told = [line for line in sidecar.log if line.startswith("WARN A state of plants is not saved")]
    assert len(told) == closed


@pytest.mark.fault(376)
def test_what_a_sidecar_saves_at_the_same_moment_comes_before_the_change(database: TestDatabase, db: Database) -> None:
    """Whichever is first: either its state is replaced, or it saves none. Neither waits for the other in a circle."""

    def late_save(task_id: str) -> None:
        with Database(database.url) as sidecars:
            for n in range(20):
                sidecars.transact(lambda db, n=n: _save_unless_closed(db, task_id, n))  # type: ignore[misc] # the loop's own

    for round_ in range(5):
        task_id = f"t{round_}"
        _read(db, task_id, "CANCELLED")
        late = threading.Thread(target=late_save, args=(task_id,))
        late.start()
        _change(db, plants=b'{"mine":%d}' % round_)
        late.join()
        assert _load(db) == {"plants": {"mine": round_}}


def _save_unless_closed(db: Database, task_id: str, n: int) -> None:
    if not states.is_closed(db, task_id):
        states.save(db, SYNC, "plants", b'{"late":%d}' % n)
