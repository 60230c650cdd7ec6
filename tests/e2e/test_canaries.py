"""Planted secrets, a row and a state through real syncs that go well and badly: then everything is searched for them."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from tests.support import canaries
from tests.support.edition_process import EditionProcess, edition_process
from tests.support.fake_bulker import wait_for
from tests.support.local_system import python
from tests.support.sidecar_process import catalog
from tests.support.terminal import run

IMAGE = "case/leaky:1"
# ROW and STATE are the connector's own.
CONFIG, ROW, STATE = "pl4nted-c0nfig-6b2e", "pl4nted-r0w-91fd", "pl4nted-st4te-5a3c"
_OWNERS = re.compile(r"(^|/)(warehouse\.duckdb.*|postgres/password|token|(volumes|secrets)/.*)$")


class Site(NamedTuple):
    """An edition with the connector that tells everything, and what was seen of it."""

    edition: EditionProcess
    printed: list[str]
    secrets: list[str]

    def body(self, mode: str, **more: Any) -> dict[str, Any]:
        config = {"mode": mode, "password": CONFIG, "url": f"https://u:{CONFIG}@h.test/"}
        return {"config": config, "catalog": catalog("plants", incremental=True)} | more

    def syncctl(self, *arguments: str) -> None:
        done = run(self.edition.url, *arguments, env={"SYNCCTL_TOKEN": self.edition.token})
        self.printed.extend([done.out, done.err])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything that can happen has happened; nothing runs any more."""
    folder = tmp_path_factory.mktemp("canaries")
    command = python(Path(__file__).parent / "leaky_connector.py")
    with edition_process(folder / "home", {IMAGE.partition(":")[0]: command}) as edition:
        system = Site(edition, [], [edition.token, CONFIG])
        _cancelled(system)
        assert edition.read(IMAGE, system.body("ok"), "ok")["state"] == "PARTIAL"
        assert edition.read(IMAGE, system.body("ok"), "ok")["state"] == "PARTIAL"
        assert edition.read(IMAGE, system.body("fails"), "fails")["state"] in {"FAILED", "PARTIAL"}
        for keyed in ("check", "discover"):
            assert (
                edition.run(keyed, IMAGE, {"config": system.body("ok")["config"]}, storageKey="k")["state"] == "FAILED"
            )
        _refused(system)
        _by_command_line(system, folder)
        edition.idle()
        yield system


def _cancelled(system: Site) -> None:
    """A read that is cancelled; while it runs, the sidecar's own credentials are learnt."""
    edition = system.edition
    query = {"package": "case/leaky", "version": "1", "syncId": "cancelled", "taskId": "cancelled"}
    assert edition.ask("/read", system.body("hangs"), **query)[0] == 200
    given = wait_for(lambda: _environment(edition, "BULKER_AUTH_TOKEN"), 30, "a sidecar")
    wait_for(lambda: edition.ask("/tasks/cancelled")[1]["task"]["streams"], 30, "rows on their way")
    system.secrets.extend([given["BULKER_AUTH_TOKEN"], (edition.home / "postgres/password").read_text().strip()])
    assert system.secrets[-1] in given["DATABASE_URL"]
    _search_what_runs(system)
    assert edition.ask("/cancel", taskId="cancelled")[1]["state"] == "CANCELLED"
    edition.idle()


def _search_what_runs(system: Site) -> None:
    """The pod as it is kept, its logs, and every process's command line; the connector's own environment too."""
    search = canaries.pattern(*system.secrets, ROW, STATE)
    canaries.refuse_files(system.edition.home, _OWNERS, search)
    for process in psutil.Process(system.edition.process.pid).children(recursive=True):
        canaries.refuse("a command line", " ".join(process.cmdline()), search=search)
    source = _environment(system.edition, "AUTO_DETECT_SCHEMA")
    canaries.refuse("the connector's environment", json.dumps(source), search=search)


def _environment(edition: EditionProcess, variable: str) -> dict[str, str]:
    """That of the process of a pod which has this variable."""
    for process in psutil.Process(edition.process.pid).children(recursive=True):
        try:
            if variable in (found := process.environ()):
                return found
        except psutil.Error:
            continue
    return {}


def _refused(system: Site) -> None:
    """Requests that cannot be used, each with secrets where they should not be."""
    query = {"package": "case/leaky", "version": "1", "syncId": "s", "taskId": "t"}
    ok = system.body("ok")
    for body, odd in (
        (CONFIG, query),
        ({"config": CONFIG, "catalog": {}}, query),
        (ok | {"catalog": {"streams": [{"stream": {"name": CONFIG}, "sync_mode": CONFIG}]}}, query),
        (ok | {"config": {"password": CONFIG * 400_000}}, query),
        (ok | {"state": CONFIG}, query),
        (ok, query | {"version": f"{CONFIG} {ROW}"}),
        (ok, query | {"package": f"{CONFIG} {ROW}"}),
        (ok, query | {"fullSync": CONFIG}),
        (ok, query | {"taskId": CONFIG + "\n"}),
    ):
        assert system.edition.ask("/read", body, **odd)[0] in {400, 413, 422}, odd
    assert system.edition.ask("/read", ok, token=CONFIG, **query)[0] == 401


def _by_command_line(system: Site, folder: Path) -> None:
    """The same by `syncctl`: a check that fails, a read to its end, and what is shown of it later."""
    config, selected = folder / "config.json", folder / "catalog.json"
    body = system.body("ok")
    config.write_text(json.dumps(body["config"]))
    selected.write_text(json.dumps(body["catalog"]))
    system.syncctl("check", IMAGE, "--config", str(config))
    system.syncctl("discover", IMAGE, "--config", str(config))
    given = ("--config", str(config), "--catalog", str(selected))
    system.syncctl("read", IMAGE, *given, "--sync", "by-hand", "--task", "by-hand", "--follow")
    system.syncctl("read", IMAGE, *given, "--sync", "by-hand", "--task", "by-hand-2", "--follow", "--json")
    for arguments in (("tasks",), ("tasks", "by-hand"), ("tasks", "by-hand", "--json"), ("logs", "by-hand")):
        system.syncctl(*arguments)
    config.unlink()


def _tables(system: Site) -> None:
    database = system.edition.database()
    database.refuse_secrets(*system.secrets)
    database.refuse_secrets(
        STATE, owned={"source_state": "t.sync_id || t.stream", "syncctl_changed_config": "t.package"}
    )
    database.refuse_secrets(ROW, owned={"syncctl_changed_config": "t.package"})


def _files(system: Site) -> None:
    canaries.refuse_files(system.edition.home, _OWNERS, canaries.pattern(*system.secrets, ROW, STATE))


def _answers(system: Site) -> None:
    canaries.refuse("an answer", *system.edition.answers, search=canaries.pattern(*system.secrets, ROW, STATE))


def _printed(system: Site) -> None:
    canaries.refuse("what syncctl printed", *system.printed, search=canaries.pattern(*system.secrets, ROW, STATE))


def _said(system: Site) -> None:
    search = canaries.pattern(*system.secrets, ROW, STATE)
    canaries.refuse("the edition's output", *system.edition.output, search=search)


@pytest.mark.parametrize("place", [_tables, _files, _answers, _printed, _said])
def test_nothing_leaks(ran: Site, place: Callable[[Site], None]) -> None:
    """Only where it belongs is each value found: secrets in no table, no file, no answer and no output."""
    place(ran)


def test_what_was_planted_was_there(ran: Site) -> None:
    """The search above searched for something: rows, state and a changed configuration arrived where they belong."""
    database = ran.edition.database()
    assert STATE in str(database.rows("SELECT state FROM public.source_state"))
    assert CONFIG in str(database.rows("SELECT config FROM syncctl_changed_config"))
    assert (ROW,) in ran.edition.rows("SELECT name FROM plants")
    assert len({*ran.secrets}) == len(ran.secrets) == 4
    assert "********" in str(database.rows("SELECT message FROM public.task_log"))
    assert len(ran.edition.answers) > 30
    assert "by-hand" in "".join(ran.printed)
