"""Starts that went wrong elsewhere: settings, markers, many at once, cancelled or killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.edition_process import EditionProcess, edition_process, processes_of
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.functions import running
from tests.support.local_system import PACKAGE, connector, local_system, python, read_task
from tests.support.sidecar_process import catalog


@pytest.mark.fault(78)
def test_state_full_refresh_done_marker(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """A full refresh is never given its own done marker; a caller's state is passed on, and an empty result said."""
    folder = CASES / "state-full-refresh-done-marker"
    body = {"catalog": json.loads((folder / "catalog.json").read_text())}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: python(folder / "connector.py")}) as place:
        for number in range(2):
            task = place.run(read_task(task=f"t{number}", body=body))
            assert (task["state"], task["streams"]["channels"]["stored"]) == ("SUCCESS", 3)
        marker = {"stream_descriptor": {"name": "channels"}, "stream_state": {"__ab_full_refresh_sync_complete": True}}
        task = place.run(read_task(task="t2", body=body | {"state": [{"type": "STREAM", "stream": marker}]}))
    assert (task["state"], task["streams"]["channels"]["emitted"]) == ("SUCCESS", 0)
    assert len(bulker.rows("channels")) == 3
    assert len(bulker.requests) == 2


@pytest.mark.fault(69)
def test_config_token_with_a_line_break(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """Settings that end in a line break, as Secrets made with echo do, work as if they did not."""
    given = json.loads((CASES / "config-token-with-a-line-break/settings.env.json").read_text())
    given["SYNCCTL_DATABASE_URL"] = database.url + "\n"
    given["SYNCCTL_BULKER_URL"] = bulker.url + "/\r\n"
    with running("tasks", token="", **given) as server:
        assert server.ask("GET", "/tasks", token="caller-token-2").status == 200
        assert server.ask("GET", "/tasks", token="caller-token-3").status == 401
    garden = python(CASES / "state-full-refresh-done-marker/connector.py")
    body = {"catalog": json.loads((CASES / "state-full-refresh-done-marker/catalog.json").read_text())}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: garden}, **given) as place:
        assert place.run(read_task(body=body))["state"] == "SUCCESS"
    assert bulker.requests[0].headers["Authorization"] == "Bearer warehouse-token-1"


ECHOES = """
given = open(sys.argv[sys.argv.index("--state") + 1], "rb").read()
out(type="RECORD", record={"stream": "plants", "data": {"state": given.hex()}, "emitted_at": 1})
kind = json.load(open(sys.argv[sys.argv.index("--config") + 1]))["kind"]
odd = r'{ "c":"a\\u0000b \\ud800", "n":9007199254740993, "e":1E400000 , "n":1}'
descriptor = '{"stream_descriptor":{"name":"plants"},"stream_state":' + odd + "}"
body = {"STREAM": '"stream":' + descriptor, "GLOBAL": '"global":{"shared_state":' + odd + ',"stream_states":[' + descriptor + "]}",
        "LEGACY": '"data":' + odd}[kind]
print('{"type":"STATE","state":{"type":"' + kind + '",' + body + "}}")
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""
ODD = rb'{ "c":"a\u0000b \ud800", "n":9007199254740993, "e":1E400000 , "n":1}'


@pytest.mark.parametrize(
    ("kind", "handed"),
    [
        ("STREAM", b'[{"type":"STREAM","stream":{"stream_descriptor":{"name":"plants"},"stream_state":%b}}]'),
        (
            "GLOBAL",
            b'[{"type":"GLOBAL","global":{"shared_state":%b,"stream_states":[{"stream_descriptor":{"name":"plants"},"stream_state":%b}]}}]',
        ),
        ("LEGACY", b"%b"),
    ],
)
@pytest.mark.fault(77)
def test_a_state_that_jsonb_cannot_hold_comes_back_byte_for_byte(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, kind: str, handed: bytes
) -> None:
    """From a connector's output through Postgres and the pod's Secret into the next run's --state file."""
    body = {"config": {"kind": kind}, "catalog": catalog("plants", incremental=True)}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, ECHOES)}) as place:
        for number in range(2):
            task = place.run(read_task(task=f"t{number}", body=body))
            assert task["state"] == "SUCCESS", task
    given = [bytes.fromhex(row["state"]) for bulk in bulker.requests for row in bulk.rows]
    assert given == [b"{}", handed.replace(b"%b", ODD)]


@pytest.fixture
def edition(tmp_path: Path) -> Iterator[EditionProcess]:
    images = {"airbyte/source-garden": python(CASES / "cancel-signal-stops-at-the-shell/connector.py")}
    with edition_process(tmp_path / "home", images) as up:
        yield up


@pytest.mark.fault(23)
def test_concurrency_started_many_times_at_once(edition: EditionProcess) -> None:
    """Twelve starts of one sync by HTTP: one is accepted, eleven are told which, repeats get the first answer."""
    script = CASES / "concurrency-started-many-times-at-once/burst.py"
    done = subprocess.run(
        [sys.executable, str(script), edition.url, edition.token],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    lines = done.stdout.splitlines()
    answers = [(int(line[:3]), line.split()[1], line.split(None, 2)[2]) for line in lines if line[:3].isdigit()]
    first, repeats = answers[:12], answers[12:]
    won = [task for code, task, _ in first if code == 200]
    assert "accepted: 1" in lines
    assert sorted(code for code, _, _ in first) == [200] + [409] * 11
    assert all(won[0] in json.loads(text)["error"] for code, _, text in first if code == 409)
    assert len(repeats) == 6
    assert {json.loads(text)["startedAt"] for code, _, text in repeats if code == 200} == {
        json.loads(text)["startedAt"] for code, _, text in first if code == 200
    }
    assert len(list((edition.home / "pods/pods").iterdir())) == 1


GARDEN = "airbyte/source-garden"
TICKS = CASES / "cancel-signal-stops-at-the-shell"


def _read_ticks(up: EditionProcess, task: str) -> int:
    """Starts a read that goes on for ever; returns the answer's status."""
    body = {"config": {}, "catalog": json.loads((TICKS / "catalog.json").read_text())}
    return up.ask("/read", body, package=GARDEN, version="1", syncId="s", taskId=task)[0]


def _until_it_ticks(up: EditionProcess) -> None:
    def emitted() -> Any:
        return up.ask("/tasks/t")[1]["task"]["streams"].get("ticks", {}).get("emitted")

    wait_for(emitted, 40, "a first record")


@pytest.mark.fault(84)
def test_a_killed_edition_leaves_nothing_and_the_next_one_repairs(tmp_path: Path) -> None:
    """kill -9 in the middle of a sync: no process stays, and the next start goes on with it, as a second attempt."""
    home, images = tmp_path / "home", {GARDEN: python(TICKS / "connector.py")}
    with edition_process(home, images) as up:
        assert _read_ticks(up, "t") == 200
        _until_it_ticks(up)
        up.process.kill()
        up.process.wait()
        wait_for(lambda: not processes_of(home), 30, "no process")
    with edition_process(home, images) as up:
        wait_for(lambda: up.ask("/tasks/t")[1]["task"]["attempt"] == 2, 30, "another attempt")
        _until_it_ticks(up)
        [first] = up.ask("/tasks/t")[1]["task"]["attempts"]
        assert (first["attempt"], first["kind"]) == (1, "node_lost")
        assert up.ask("/cancel", taskId="t")[0] == 200
        assert up.finish("t")["state"] == "CANCELLED"
        up.idle()
        assert _read_ticks(up, "t2") == 200
    wait_for(lambda: not processes_of(home), 30, "no process")


def test_ctrl_c_in_the_middle_of_a_sync_leaves_no_process(tmp_path: Path) -> None:
    """The edition stops in order, and the next start goes on with what it ran, as a second attempt."""
    home, images = tmp_path / "home", {GARDEN: python(TICKS / "connector.py")}
    with edition_process(home, images) as up:
        assert _read_ticks(up, "t") == 200
        _until_it_ticks(up)
    assert up.process.returncode == 0, up.output
    assert processes_of(home) == []
    with edition_process(home, images) as up:
        wait_for(lambda: up.ask("/tasks/t")[1]["task"]["attempt"] == 2, 30, "another attempt")
        _until_it_ticks(up)
        [first] = up.ask("/tasks/t")[1]["task"]["attempts"]
        assert (first["attempt"], first["kind"]) == (1, "node_shutdown")
        assert up.ask("/cancel", taskId="t")[0] == 200
        assert up.finish("t")["state"] == "CANCELLED"
        up.idle()
