"""Credentials by reference: resolved in the pod alone, masked, rotated, missing. Real processes, Postgres, HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from common.errors import Refused
from common.pods.options import Options
from common.tasks.requests import NewTask
from embedded.credentials import Credentials
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.local_system import PACKAGE, LocalSystem, connector, local_system, other_task, read_task
from tests.support.sidecar_process import catalog

# Each task sends what it was given, and prints it wherever it can; the second one of a read is changed, if asked to.
SAYS = """
config = json.load(open(sys.argv[3]))
key, proxy = config.get("site"), os.environ.get("PROXY", "")
print("noise", key, proxy, flush=True)
print("stderr", key, proxy, file=sys.stderr, flush=True)
out(type="LOG", log={"level": "INFO", "message": f"logged in with {key} by {proxy}"})
if sys.argv[1] == "check":
    out(type="CONNECTION_STATUS", connectionStatus={"status": "FAILED", "message": f"bad {key}"})
    sys.exit(0)
out(type="RECORD", record={"stream": "plants", "data": {"length": len(str(key)), "proxy": len(proxy)}, "emitted_at": 1})
trick = os.environ.get("TRICK", "")
if trick or "change" in config:
    config |= config.pop("change", {})
    config["copy"] = key
    if trick == "embed":
        config["url"] = f"https://u:{key}@shop"
    if trick == "refer":
        config["other"] = {"valueFrom": {"secretKeyRef": {"name": "credentials-shop", "key": "proxy"}}}
    out(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1.5, "connectorConfig": {"config": config}})
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""


def ref(key: str, name: str = "credentials-shop") -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def declared(task: str, config: dict[str, Any], sync: str = "sync-1", **options: Any) -> NewTask:
    """A read as a declared sync asks for it."""
    new = read_task(task, sync, body={"catalog": catalog("plants"), "config": config})
    return structs.replace(new, resolve=True, options=Options(**options))


@pytest.fixture
def running(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> Iterator[LocalSystem]:
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, SAYS)}) as system:
        yield system


@pytest.fixture
def secrets(tmp_path: Path) -> Credentials:
    found = Credentials(tmp_path / "secrets")
    found.set("credentials-shop", "site", canaries.CONFIG.encode() + b"\n")
    found.set("credentials-shop", "proxy", b"http://u:" + canaries.TOKEN.encode() + b"@proxy")
    return found


def rows(bulker: FakeBulker) -> list[dict[str, Any]]:
    return [row for bulk in bulker.requests for row in bulk.rows]


def test_values_reach_the_connector_and_nothing_else(
    running: LocalSystem, secrets: Credentials, bulker: FakeBulker, database: TestDatabase
) -> None:
    """Under a name that does not sound secret, and in a variable: masked in each line, and in no table at all.

    The canaries' own search looks through the database and all files at the end.
    """
    secrets.set("credentials-shop", "unused", b"never-given")
    env = ({"name": "PROXY", **ref("proxy")},)
    task = running.run(declared("t1", {"site": ref("site"), "n": 1}, env=env))
    assert (task["state"], task["failure"]) == ("SUCCESS", None)
    proxy = f"http://u:{canaries.TOKEN}@proxy"
    assert rows(bulker)[0] == {"length": len(canaries.CONFIG), "proxy": len(proxy)}
    said = [line["message"] for line in task["logs"]]
    assert "logged in with ******** by ********" in said
    canaries.refuse("the task", json.dumps(task))
    [row] = database.rows("SELECT count(*) AS n FROM syncctl_changed_config")
    assert row["n"] == 0


def test_a_check_s_own_words_are_masked_too(running: LocalSystem, secrets: Credentials) -> None:
    """As of any other command with a configuration."""
    del secrets
    new = structs.replace(other_task("check", config={"site": ref("site")}), resolve=True)
    task = running.run(new)
    assert task["reason"] == "bad ********"


def test_the_next_run_has_the_value_of_then(running: LocalSystem, secrets: Credentials, bulker: FakeBulker) -> None:
    """A rotated Secret, without a change of the document."""
    for number, value in enumerate((b"first", b"the-second")):
        secrets.set("credentials-shop", "site", value)
        assert running.run(declared(f"t{number}", {"site": ref("site")}))["state"] == "SUCCESS"
    assert [row["length"] for row in rows(bulker)] == [5, 10]


@pytest.mark.fault(311)
@pytest.mark.parametrize("where", ["config", "env"])
def test_a_missing_key_fails_the_task_by_name(running: LocalSystem, secrets: Credentials, where: str) -> None:
    """At once, before the connector runs; nothing is tried again."""
    del secrets
    config = {"site": ref("absent") if where == "config" else ref("site")}
    env = ({"name": "PROXY", **ref("absent")},) if where == "env" else ()
    task = running.run(declared("t1", config, env=env))
    assert (task["state"], task["failure"]["kind"], task["failure"]["origin"]) == ("FAILED", "secret_missing", "user")
    assert task["failure"]["message"] == "The Secret credentials-shop does not exist, or has no key absent."
    assert [line["message"] for line in task["logs"]] == [task["failure"]["message"]]  # the connector said nothing


@pytest.mark.fault(313)
def test_a_secret_that_the_installation_does_not_allow_is_refused(running: LocalSystem) -> None:
    """Before a pod is made, whoever wrote the document; a task's own never is."""
    for name, why in (
        ("database", "expected a Secret called credentials-"),
        ("credentials-" + "0" * 20 + "-config", "task"),
    ):
        with pytest.raises(Refused, match=why):
            running.start(declared(f"t-{name}", {"site": ref("x", name)}))
    with pytest.raises(Refused, match="env: refers to the Secret other"):
        running.start(declared("t-env", {}, env=({"name": "A", **ref("x", "other")},)))


@pytest.mark.fault(314)
def test_a_change_by_the_connector_is_kept_without_the_values(
    running: LocalSystem, secrets: Credentials, bulker: FakeBulker, database: TestDatabase
) -> None:
    """What it replaced counts in the next run, until the Secret is rotated; the database's canary search is the judge."""
    config = {"site": ref("site"), "token": ref("site"), "change": {"site": "renewed-by-it"}}
    for number in range(2):
        assert running.run(declared(f"t{number}", config))["state"] == "SUCCESS"
    [row] = database.rows("SELECT config FROM syncctl_changed_config")
    kept = json.loads(row["config"])
    assert kept["token"] == ref("site")
    assert kept["site"]["changed"] == "renewed-by-it"
    assert [one["length"] for one in rows(bulker)] == [len(canaries.CONFIG), len("renewed-by-it")]
    secrets.set("credentials-shop", "site", b"rotated")
    running.run(declared("t3", config))
    assert rows(bulker)[-1]["length"] == len("rotated")


@pytest.mark.fault(314)
@pytest.mark.parametrize(
    ("trick", "why"),
    [
        ("refer", "it refers to a Secret that its sync does not"),
        ("embed", "it holds the value of a Secret within another text"),
    ],
)
def test_a_change_that_would_keep_or_ask_for_values_is_not_kept(
    running: LocalSystem, secrets: Credentials, database: TestDatabase, trick: str, why: str
) -> None:
    """A connector cannot have its next task given another Secret, nor have a value stored."""
    del secrets
    task = running.run(declared("t1", {"site": ref("site")}, env=({"name": "TRICK", "value": trick},)))
    assert any(line["message"].endswith(f"could not be kept: {why}.") for line in task["logs"])
    assert database.rows("SELECT config FROM syncctl_changed_config") == []


def test_a_requests_configuration_is_given_as_it_is(
    running: LocalSystem, secrets: Credentials, bulker: FakeBulker
) -> None:
    """POST /read resolves nothing: a caller with a token gets no Secret by it."""
    del secrets
    task = running.run(read_task("t1", body={"catalog": catalog("plants"), "config": {"site": ref("site")}}))
    assert task["state"] == "SUCCESS"
    assert rows(bulker)[0]["length"] == len(str(ref("site")))


FAILS_ONCE = """
key, runs = json.load(open(sys.argv[3]))["site"], sys.argv[0] + ".runs"
open(runs, "a").write("x")
out(type="RECORD", record={"stream": "plants", "data": {"length": len(key)}, "emitted_at": 1})
if len(open(runs).read()) == 1:
    out(type="TRACE", trace={"type": "ERROR", "emitted_at": 1.5, "error": {"message": "no luck", "failure_type": "transient_error"}})
    sys.exit(1)
out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.5, "stream_status": {"stream_descriptor": {"name": "plants"}, "status": "COMPLETE"}})
"""


@pytest.mark.fault(312)
def test_a_read_is_started_again_as_often_as_its_sync_says_and_resolves_again(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, secrets: Credentials
) -> None:
    """The settings allow no retry; the Secret is rotated before the second attempt begins."""
    once = {"SYNCCTL_TASK_RETRIES": "0", "SYNCCTL_TASK_RETRY_PAUSE_SECONDS": "0"}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, FAILS_ONCE)}, **once) as system:
        system.start(declared("t1", {"site": ref("site")}, retries=1))

        def attempt() -> int:
            system.sweep()
            [row] = database.rows("SELECT attempt FROM syncctl_task WHERE task_id = 't1'")
            return int(row["attempt"])

        wait_for(lambda: attempt() == 2, 60, "another attempt")
        secrets.set("credentials-shop", "site", b"rotated")
        task = system.finish("t1")
    assert (task["state"], task["attempt"]) == ("SUCCESS", 2)
    assert rows(bulker)[-1]["length"] == len("rotated")
