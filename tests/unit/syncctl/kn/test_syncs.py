"""`kn sync list`, `describe`, `logs` and `wait`."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fake_deployment import FakeDeployment, task
from tests.support.fake_knative import FakeKnative
from tests.support.terminal import Ran

Run = Callable[..., Ran]


def _sync(name: str = "nightly", state: str = "SUCCESS", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name},
        "spec": {"image": "airbyte/source-faker:7.2.1", **spec},
        "status": {"state": state, "lastSuccess": "2026-11-29T03:00:05Z"},
    }


@pytest.fixture(autouse=True)
def nightly(server: FakeDeployment) -> None:
    server.documents["nightly"] = _sync(schedule="0 3 * * *", timeZone="Europe/Berlin", streams=[{"name": "users"}])


def test_list_shows_a_line_for_each(run: Run, server: FakeDeployment) -> None:
    """With the columns of `kubectl get syncs`."""
    server.documents["other"] = _sync("other", "FAILED")
    head, *rows = run("list").out.splitlines()
    assert head.split() == ["NAME", "STATE", "LAST", "SUCCESS", "NEXT", "RUN", "SCHEDULE"]
    assert [row.split()[:2] for row in rows] == [["nightly", "SUCCESS"], ["other", "FAILED"]]
    assert rows[0].endswith("0 3 * * *")


def test_list_of_nothing_says_what_to_do(run: Run, server: FakeDeployment) -> None:
    """On standard error: a script gets no line."""
    server.documents.clear()
    done = run("list")
    assert (done.code, done.out, "kn sync apply -f FILE" in done.err) == (0, "", True)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("=name", "sync.sync-functions.dev/nightly\n"),
        ("name", "sync.sync-functions.dev/nightly\n"),
        ("url", "http://syncs.sync.test/syncs/nightly\n"),
        ("jsonpath={.items[*].status.state}", "SUCCESS\n"),
    ],
)
def test_list_has_the_formats_of_kn(run: Run, output: str, expected: str) -> None:
    """For scripts."""
    assert run("list", f"-o{output}").out == expected


def test_a_list_as_json_is_a_list_object(run: Run, server: FakeDeployment) -> None:
    """As kubectl prints it."""
    found = json.loads(run("list", "-o", "json").out)
    assert (found["kind"], found["items"]) == ("SyncList", [server.documents["nightly"]])


def test_all_namespaces_are_all_deployments(run: Run, knative: FakeKnative) -> None:
    """Each with its own token, and a column more."""
    knative.deploy("team-a", url="http://{}.team-a.test")
    knative.objects["/api/v1/namespaces/team-a/secrets/sync-secrets"] = knative.objects[
        "/api/v1/namespaces/sync-functions/secrets/sync-secrets"
    ]
    head, *rows = run("-A", "list").out.splitlines()
    assert head.split()[:2] == ["NAMESPACE", "NAME"]
    assert [row.split()[0] for row in rows] == ["sync-functions", "team-a"]


def test_describe_shows_what_is_declared_and_the_last_runs(run: Run) -> None:
    """In the form of `kn service describe`."""
    lines = run("describe", "nightly").out.splitlines()
    assert "State:         SUCCESS" in lines
    assert "Schedule:      0 3 * * * (Europe/Berlin)" in lines
    assert "Streams:       users" in lines
    assert any(line.startswith("t1 ") for line in lines)


def test_describe_shows_streams_and_states(run: Run, server: FakeDeployment) -> None:
    """One state for all streams counts for each."""
    users = {"stream": "users", "status": "SUCCESS", "rows": 1234, "lastRecord": "2026-11-29T02:00:00Z"}
    states = [{"key": "_GLOBAL_STATE", "savedAt": "2026-11-29T03:00:00Z"}]
    server.views["nightly"] = {"streams": [users], "states": states}
    [line] = [line for line in run("describe", "nightly").out.splitlines() if line.startswith("users ")]
    assert line.split() == ["users", "SUCCESS", "1,234", "2026-11-29", "02:00:00", "2026-11-29", "03:00:00"]


def test_describe_as_yaml_is_the_document(run: Run) -> None:
    """To keep, or to apply again."""
    assert run("describe", "nightly", "-o", "yaml").out.startswith(
        "apiVersion: sync-functions.dev/v1alpha1\nkind: Sync\n"
    )
    assert run("describe", "nightly", "-o", "jsonpath={.spec.schedule}").out == "0 3 * * *\n"


def test_a_sync_that_is_not_there_is_named(run: Run) -> None:
    """By the deployment's own sentence."""
    done = run("describe", "nothing")
    assert (done.code, "No sync is declared as 'nothing'" in done.err) == (5, True)


@pytest.mark.parametrize("name", ["nightly", "t1"])
def test_logs_are_those_of_the_last_run(run: Run, server: FakeDeployment, name: str) -> None:
    """By the sync's name, its id, or the task's."""
    done = run("logs", name)
    assert "hello" in done.out
    assert server.asked("/tasks")[0].query == {"syncId": name, "command": "read", "limit": "1"}


def test_the_syncs_own_id_counts(run: Run, server: FakeDeployment) -> None:
    """Its tasks have that, not the name."""
    server.documents["nightly"] = _sync(syncId="destination-7")
    run("logs", "nightly")
    assert server.asked("/tasks")[0].query["syncId"] == "destination-7"


def test_wait_ends_with_the_run_and_its_outcome(run: Run, server: FakeDeployment) -> None:
    """As `syncctl logs --follow` does."""
    running = task(state="RUNNING")
    server.courses["t1"] = [running, running, task(state="PARTIAL", reason="Two rows are missing.")]
    done = run("wait", "nightly", "--wait-timeout", "60")
    assert (done.code, "Two rows are missing." in done.out) == (3, True)


def test_wait_gives_up_after_its_time(run: Run, server: FakeDeployment) -> None:
    """The run goes on."""
    server.courses["t1"] = [task(state="RUNNING")]
    done = run("wait", "nightly", "--wait-timeout", "0")
    assert (done.code, "Task t1 is still RUNNING after 0 s; it goes on." in done.err) == (1, True)


def test_neither_sync_nor_task_is_named(run: Run, server: FakeDeployment) -> None:
    """A typing error."""
    server.courses.clear()
    assert "nigthly is neither a sync that has run nor a task" in run("logs", "nigthly").err
