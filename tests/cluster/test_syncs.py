"""Declared syncs on a real cluster: objects that kubectl, sweeps and the function agree about, and their runs."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.cluster import declared, kube
from tests.cluster.declared import ended, reference, runs, status
from tests.cluster.kube import FUNCTIONS, TASKS, CommandFailed
from tests.cluster.stack import Stack, nothing_left, started, variant
from tests.support import canaries, terminal

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(600)]

OLD, NEW = f"old-{canaries.CONFIG}", f"new-{canaries.CONFIG}"
STEP = 5
NEVER = "0 3 29 2 *"


@pytest.fixture(scope="module")
def each_minute(deployed: Stack, connectors: None) -> Iterator[tuple[str, str]]:
    """A sync that runs each minute while these tests go on, and its Secret."""
    with declared.secret(password=OLD) as secret:
        config = {"do": "more", "count": STEP, "password": reference(secret)}
        with declared.declared(config=config, schedule="* * * * *") as name:
            yield name, secret


def test_the_overlay_brings_the_kind(each_minute: tuple[str, str]) -> None:
    """The API server knows syncs, by a short name and with words about each field, and refuses what is none."""
    name, _ = each_minute
    kube.kubectl("wait", "--for=condition=Established", "crd/syncs.sync-functions.dev", "--timeout=30s")
    assert f"sync.sync-functions.dev/{name}" in kube.kubectl("get", "sy", "-n", TASKS, "-o", "name").split()
    assert "Cron's five fields" in kube.kubectl("explain", "sync.spec.schedule")
    for spec, words in ({"imgae": "x"}, 'unknown field "spec.imgae"'), ({"retries": -1}, "spec.retries"):
        text = json.dumps(declared.document(**spec))
        with pytest.raises(CommandFailed, match=words):
            kube.kubectl("apply", "-f", "-", given=text)


def test_kubectl_after_a_run(deployed: Stack, each_minute: tuple[str, str]) -> None:
    """The columns tell how it went; the same file, applied either way, changes nothing, and no diff shows the status."""
    sync = declared.document(schedule=NEVER)
    name, text = sync["metadata"]["name"], yaml.safe_dump(sync)
    assert "created" in kube.kubectl("apply", "-f", "-", given=text)
    try:
        kube.wait_for("it is NEW", lambda: status(name).get("state") == "NEW", 70)
        assert ended(deployed, declared.run(deployed, name))["state"] == "SUCCESS"
        kube.wait_for("its status says so", lambda: status(name).get("state") == "SUCCESS", 70)
        head, row = kube.kubectl("get", "syncs", name, "-n", TASKS).splitlines()
        assert head.split() == ["NAME", "STATE", "LAST", "SUCCESS", "NEXT", "RUN", "SCHEDULE"]
        shown = row.split()
        assert (shown[:2], shown[4:]) == ([name, "SUCCESS"], NEVER.split())
        assert shown[2].endswith("s")
        assert shown[3].endswith("-02-29T03:00:00Z")
        assert name in kube.kubectl("get", "sy", "-n", TASKS)
        before = kube.get("sync", name)
        assert before is not None
        assert kube.run("kubectl", "diff", "-f", "-", given=text) == ""
        assert "unchanged" in kube.kubectl("apply", "-f", "-", given=text)
        for manager in ("kubectl", "argocd-controller"):
            server_side = ("--server-side", "--force-conflicts", f"--field-manager={manager}")
            kube.kubectl("apply", *server_side, "-f", "-", given=text)
            assert kube.run("kubectl", "diff", *server_side, "-f", "-", given=text) == ""
        after = kube.get("sync", name)
        assert after is not None
        assert (after["status"], after["metadata"]["generation"]) == (
            before["status"], before["metadata"]["generation"],
        )  # fmt: skip
    finally:
        kube.kubectl("delete", "sync", name, "-n", TASKS)


@pytest.mark.fault(313)
def test_what_cannot_run_is_shown(deployed: Stack, each_minute: tuple[str, str]) -> None:
    """A Secret that no setting allows: INVALID, by field, and no run is accepted."""
    with declared.declared(config={"key": reference("sync-secrets")}, schedule=NEVER) as name:
        kube.wait_for("it is INVALID", lambda: status(name).get("state") == "INVALID", 70)
        assert "spec.config.key" in status(name)["message"]
        assert deployed.call("syncs", "POST", path=f"/{name}/run").status_code == 422


def test_the_command_line_sees_the_same(deployed: Stack, each_minute: tuple[str, str]) -> None:
    """`syncctl` against the deployment, by its gateway."""
    name, _ = each_minute
    gateway = kube.get("service", "gateway", FUNCTIONS)
    assert gateway is not None
    url = f"http://{gateway['spec']['clusterIP']}:{gateway['spec']['ports'][0]['port']}"
    done = terminal.run(url, "get", "syncs")
    assert done.code == 0, done
    assert [line.split()[-5:] for line in done.out.splitlines() if name in line] == [["*"] * 5]
    found = terminal.run(url, "get", "syncs", name, "-o", "yaml")
    spec = (kube.get("sync", name) or {})["spec"]
    assert yaml.safe_load(found.out)["spec"] == spec
    again = terminal.run(url, "apply", "-f", "-", stdin=found.out)
    assert (again.code, again.out.strip()) == (0, f"sync/{name} unchanged"), again


@pytest.mark.fault(311)
def test_a_missing_secret_is_named(deployed: Stack, each_minute: tuple[str, str]) -> None:
    """The Secret, then its key; once both are there the sync runs as it is declared."""
    absent = "credentials-absent"
    with declared.declared(config={"do": "rows", "password": reference(absent)}, schedule=NEVER) as name:
        first = ended(deployed, declared.run(deployed, name))
        assert (first["state"], first["failure"]["kind"]) == ("FAILED", "secret_missing")
        assert (absent in first["reason"], "password" in first["reason"]) == (True, True), first
        declared.keep(absent, other=OLD)
        try:
            second = ended(deployed, declared.run(deployed, name))
            assert (second["state"], second["failure"]["kind"]) == ("FAILED", "secret_missing")
            assert (absent in second["reason"], "password" in second["reason"]) == (True, True), second
            declared.keep(absent, password=OLD)
            assert ended(deployed, declared.run(deployed, name))["state"] == "SUCCESS"
        finally:
            kube.kubectl("delete", "secret", absent, "-n", TASKS)


@pytest.mark.fault(336, 355)
def test_deleted_while_it_runs(deployed: Stack, each_minute: tuple[str, str]) -> None:
    """What reads goes on to its end; what still waits for its streams is cancelled; nothing starts after that."""
    config = {"do": "rows", "every": 1, "pause": 1}
    with declared.declared(config=config) as name, declared.declared(image="dev.local/never:1") as other:
        task, waits = declared.run(deployed, name), declared.run(deployed, other)
        [awaits] = [one["awaits"] for one in runs(deployed, other)]
        pod = started(task)
        kube.kubectl("delete", "sync", name, other, "-n", TASKS)
        assert ended(deployed, task)["state"] == "SUCCESS"
        cancelled = ended(deployed, waits)
        assert (cancelled["state"], "was deleted" in cancelled["reason"]) == ("CANCELLED", True), cancelled
        assert deployed.call("cancel", "POST", taskId=awaits).status_code == 200
        nothing_left(pod)
        assert deployed.tables()[f"{name.replace('-', '_')}_plants"] == 10
        answer = deployed.call("syncs", "POST", path=f"/{name}/run")
        assert answer.status_code == 404, answer.text


def _swept(deployed: Stack) -> bool:
    """Call until it sweeps, as the CronJob is repeated: a Postgres that is busy or starts is a 503."""
    return kube.wait_for("a sweep", lambda: deployed.call("sweeper-two", "POST").status_code == 200, 60, 0.2)


def _logs_of_all() -> list[str]:
    """Of all sweepers; nothing while a container of one is being made."""
    with suppress(kube.CommandFailed):
        return _sweeper_logs()
    return []


@pytest.mark.fault(356)
def test_two_sweepers_begin_one_run(deployed: Stack, each_minute: tuple[str, str]) -> None:
    """Another process sweeps at the moment when a run is due, six times at once, beside the deployed sweeper."""
    with (
        variant("sweeper", "sweeper-two", SYNCCTL_SWEEP_SECONDS="0"),
        declared.declared(schedule="* * * * *") as name,
        ThreadPoolExecutor(6) as pool,
    ):
        due = _next_minute()
        kube.wait_for("the moment comes", lambda: datetime.now(UTC) >= due, 70, 0.05)
        task = f"{name}-{due:%Y%m%dT%H%MZ}"
        for _ in range(4):
            wave = [pool.submit(_swept, deployed) for _ in range(6)]
            assert all(one.result() for one in wave)
        logs = kube.wait_for("the sweepers' logs", _logs_of_all, 60, 1)
        begun = [line for line in logs if "Run begun" in line and task in line]
        kube.kubectl("patch", "sync", name, "-n", TASKS, "--type=merge", "-p", '{"spec":{"suspend":true}}')
        assert len(begun) == 1, begun
        assert ended(deployed, task)["state"] == "SUCCESS"
        assert [one["task_id"] for one in runs(deployed, name)] == [task]
        assert deployed.tables()[f"{name.replace('-', '_')}_plants"] == 10


def test_each_minute_from_where_it_was_with_the_secret_of_then(deployed: Stack, each_minute: tuple[str, str]) -> None:
    """Its Secret is rotated between two runs: the next has the new value, and neither is seen anywhere."""
    name, secret = each_minute

    def succeeded() -> list[dict[str, Any]]:
        return [one for one in runs(deployed, name) if one["state"] == "SUCCESS"]

    kube.wait_for("a first run", succeeded, 180)
    declared.keep(secret, password=NEW)
    [now] = deployed.rows("SELECT now() AS now")

    def enough() -> bool:
        found = succeeded()
        return len(found) >= 3 and found[-1]["created_at"] > now["now"]

    kube.wait_for("three runs, one of them with the new value", enough, 240)
    kube.kubectl("patch", "sync", name, "-n", TASKS, "--type=merge", "-p", '{"spec":{"suspend":true}}')
    final = {"SUCCESS", "PARTIAL", "FAILED", "CANCELLED"}
    kube.wait_for("no run goes on", lambda: {one["state"] for one in runs(deployed, name)} <= final, 120)
    all_runs = runs(deployed, name)
    assert {one["state"] for one in all_runs} == {"SUCCESS"}, all_runs
    moments = [datetime.fromisoformat(one["moment"]) for one in all_runs]
    assert [one["task_id"] for one in all_runs] == [f"{name}-{one.astimezone(UTC):%Y%m%dT%H%MZ}" for one in moments]
    [state] = deployed.rows(f"SELECT state FROM newjitsu.source_state WHERE sync_id = '{name}' AND stream = 'plants'")
    assert state["state"]["id"] == STEP * len(all_runs)
    assert deployed.tables()[f"{name.replace('-', '_')}_plants"] == STEP * len(all_runs)
    first, last = (declared.log(deployed, one["task_id"]) for one in (all_runs[0], all_runs[-1]))
    assert (_hash(OLD) in first, _hash(NEW) in last) == (True, True)
    for text in (first, last):
        assert "********" in text
        canaries.refuse("the log of a run", text)
    query = f"SELECT count(*) AS count FROM syncctl.syncctl_task WHERE task_id LIKE '{name}-%' AND command = 'discover'"
    assert deployed.rows(query) == [{"count": 1}]


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _next_minute() -> datetime:
    return (datetime.now(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)


def _sweeper_logs() -> list[str]:
    selector = "serving.knative.dev/service in (sweeper, sweeper-two)"
    found = kube.kubectl(
        "logs", "-n", FUNCTIONS, "-l", selector, "-c", "user-container", "--tail=-1", "--max-log-requests=20"
    )
    return found.splitlines()
