"""`syncctl doctor` against the project's own manifests, served by a fake API server; Postgres and Bulker are real."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from syncctl.doctor import looking
from syncctl.doctor.rights import ACCOUNTS
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.docs import ROOT
from tests.support.fake_bulker import FakeBulker
from tests.support.fake_cluster import FUNCTIONS, TASKS, FakeCluster, fake_cluster
from tests.support.fake_deployment import TOKEN, FakeDeployment, fake_deployment
from tests.support.terminal import Ran, run

DATABASE, BULKER, TASK_DATABASE = "SYNCCTL_DATABASE_URL", "SYNCCTL_BULKER_AUTH_TOKEN", "SYNCCTL_SIDECAR_DATABASE_URL"


class Place(NamedTuple):
    """All that can be broken."""

    cluster: FakeCluster
    database: TestDatabase
    bulker: FakeBulker
    server: FakeDeployment

    def doctor(self, *arguments: str) -> Ran:
        return run("", "doctor", "--kubeconfig", str(self.cluster.kubeconfig), *arguments)

    def findings(self) -> dict[str, list[dict[str, str]]]:
        """What is not as it should be, by check."""
        done = self.doctor("--json")
        report = json.loads(done.out)
        found: dict[str, list[dict[str, str]]] = {}
        for one in report["findings"]:
            if one["level"] != "ok":
                assert one["advice"], one
                found.setdefault(one["check"], []).append(one)
        failed = any(one["level"] == "failed" for some in found.values() for one in some)
        assert (report["ok"], done.code) == (not failed, int(failed)), done.err
        return found


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        yield script


@pytest.fixture
def place(
    tmp_path: Path,
    database: TestDatabase,
    bulker: FakeBulker,
    server: FakeDeployment,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """A deployment in which all is well; its functions answer through a proxy, since their names are not real."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    database.rows("SET search_path TO newjitsu")
    with fake_cluster(tmp_path, "http://{}.sync.test", bulker.url) as cluster:
        made = Place(cluster, database, bulker, server)
        cluster.secret("sync-secrets", **{DATABASE: database.url, "SYNCCTL_AUTH_TOKENS": TOKEN, "SWEEP_TOKEN": TOKEN})
        cluster.secret("sync-task-secrets", **{BULKER: canaries.BULKER})
        for service in cluster.objects["services"].values():  # so that the test server's connections suffice
            service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] = "1"
        cluster.of("resourcequotas", "tasks")["spec"]["hard"]["pods"] = "3"
        for one in cluster.objects["services"].values():
            one["spec"]["template"]["spec"]["containerConcurrency"] = 1
        yield made


def test_all_is_well(place: Place) -> None:
    """Nothing but good news, exit code 0, and no pod or row is left."""
    before = place.database.rows("SELECT count(*) AS n FROM syncctl_task")
    done = place.doctor()
    assert (done.code, "failed" in done.out) == (0, False), done.out
    assert place.findings() == {}
    assert {"postgres-tasks", "postgres-functions", "bulker", "network", "clock", "connections"} <= set(
        done.out.split()
    )
    assert place.database.rows("SELECT count(*) AS n FROM syncctl_task") == before
    assert [bulk.lines for bulk in place.bulker.requests] == [[], [], [], []]
    assert place.cluster.objects["pods"] == {}


def _service(name: str) -> Callable[[Place], Any]:
    return lambda place: place.cluster.of("services", name)


def _drop(kind: str, name: str) -> Callable[[Place], Any]:
    return lambda place: place.cluster.objects[kind].pop(name)


def _setting(name: str, value: str) -> Callable[[Place], Any]:
    def change(place: Place) -> None:
        [settings] = place.cluster.objects["configmaps"].values()
        settings["data"][name] = value

    return change


def _role(name: str) -> Callable[[Place], Any]:
    return lambda place: place.cluster.of("roles", name)["rules"].clear()


def _not_ready(place: Place) -> None:
    place.cluster.of("services", "read")["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "message": 'Unable to fetch image "registry.example.com/f:1"'}
    ]


def _old_sweep(place: Place) -> None:
    job = place.cluster.of("cronjobs", "sweep")
    job["metadata"]["creationTimestamp"] = job["status"]["lastSuccessfulTime"] = "2026-01-01T00:00:00Z"


def _suspend(place: Place) -> None:
    place.cluster.of("cronjobs", "sweep")["spec"]["suspend"] = True


def _other_namespace(place: Place) -> None:
    labels = place.cluster.of("apiserversources", "pod-events")["spec"]["namespaceSelector"]["matchLabels"]
    labels["kubernetes.io/metadata.name"] = "elsewhere"


def _hard(**quantities: str) -> Callable[[Place], Any]:
    return lambda place: place.cluster.of("resourcequotas", "tasks")["spec"]["hard"].update(quantities)


def _full(place: Place) -> None:
    place.cluster.of("resourcequotas", "tasks")["status"] = {"used": {"pods": "3"}}


def _label(name: str, value: str) -> Callable[[Place], Any]:
    return lambda place: place.cluster.of("namespaces", TASKS)["metadata"]["labels"].update({name: value})


def _secret(name: str, **values: str) -> Callable[[Place], Any]:
    return lambda place: place.cluster.secret(name, **values)


def _sql(text: str) -> Callable[[Place], Any]:
    return lambda place: place.database.rows(text)


def _bulker(code: int, text: str) -> Callable[[Place], Any]:
    def change(place: Place) -> None:
        place.bulker.answer = lambda _: (code, {"error": text})

    return change


def _set(**attributes: Any) -> Callable[[Place], Any]:
    def change(place: Place) -> None:
        for name, value in attributes.items():
            setattr(place.cluster, name, value)

    return change


def _image(place: Place) -> None:
    place.cluster.image_pulls = False


GRANT = {"kind": "ServiceAccount", "name": "task"}
NOWHERE = "postgresql://sync:x@127.0.0.1:1/sync?search_path=newjitsu&connect_timeout=2"
BROKEN: dict[str, tuple[Callable[[Place], Any], str, str]] = {
    "old-kubernetes": (lambda p: p.cluster.of("version", "").update(gitVersion="v1.27.1"), "kubernetes", "1.29"),
    "no-eventing": (_drop("namespaces", "knative-eventing"), "knative-eventing", "Eventing is not there"),
    "no-crd": (_drop("customresourcedefinitions", "syncs.sync-functions.dev"), "crd", "is missing"),
    "no-function": (_drop("services", "cancel"), "functions", "The function cancel is missing"),
    "not-ready": (_not_ready, "functions", "read is not ready: Unable to fetch image"),
    "starter": (_role("starter"), "rights", "The account spec of sync-functions may not do in sync-tasks: create pods"),
    "sweeper": (_role("sweeper"), "rights", "patch syncs/status"),
    "task-rights": (lambda p: p.cluster.of("rolebindings", "sweeper")["subjects"].append(GRANT), "task-rights", "get secrets"),
    "no-secret": (_drop("secrets", "sync-task-secrets"), "secrets", "sync-task-secrets is missing"),
    "no-key": (_secret("sync-secrets", SYNCCTL_AUTH_TOKENS=TOKEN, SWEEP_TOKEN=TOKEN), "secrets", f"has the key {DATABASE}"),
    "no-tokens": (_secret("sync-secrets", OTHER="x"), "tokens", "require no token"),
    "sweep-token": (_secret("sync-secrets", SYNCCTL_AUTH_TOKENS=TOKEN, SWEEP_TOKEN="other"), "tokens", "none of the tokens"),
    "no-sweep-token": (_secret("sync-secrets", SYNCCTL_AUTH_TOKENS=TOKEN), "tokens", "SWEEP_TOKEN is missing"),
    "suspended": (_suspend, "cronjob", "suspended"),
    "no-sweeps": (_old_sweep, "cronjob", "has succeeded for"),
    "no-source": (_drop("apiserversources", "pod-events"), "events", "is missing"),
    "source-elsewhere": (_other_namespace, "events", "looks at the namespace elsewhere"),
    "gateway": (lambda p: p.cluster.of("deployments", "gateway").pop("status"), "gateway", "no pod"),
    "address": (lambda p: p.server.faults.extend([(500, {}, b"{}")]), "address", "refuse a list"),
    "small-quota": (_hard(**{"limits.memory": "1Gi"}), "quota", "less than one task needs"),
    "full-quota": (_full, "quota", "no room for another task: pods is 3 of 3"),
    "pod-security": (_label("pod-security.kubernetes.io/enforce", "privileged"), "pod-security", "could reach its node"),
    "root-refused": (_setting("SYNCCTL_SOURCE_RUN_AS_ROOT", "true"), "pod-security", "it refuses them"),
    "no-policy": (_drop("networkpolicies", "tasks"), "network-policy", "Ingress and Egress"),
    "not-enforced": (_set(enforced=False), "network", "reaches the metadata service"),
    "image": (_image, "task-pod", "cannot be pulled"),
    "old-image": (_set(look_missing=True), "task-pod", "ended before it looked: "),
    "clock": (_set(clock_seconds=90.0), "clock", "This machine's clock and the API server's differ by"),
    "no-postgres": (_secret("sync-task-secrets", **{BULKER: canaries.BULKER, TASK_DATABASE: NOWHERE}), "postgres-tasks", "cannot be reached"),
    "no-table": (_sql("DROP TABLE newjitsu.source_check"), "postgres-functions", "does not find: source_check"),
    "no-ours": (_sql("DROP SCHEMA syncctl CASCADE"), "postgres-functions", "has none of our tables"),
    "old-tables": (_sql("DELETE FROM syncctl.syncctl_migration WHERE version > 12"), "postgres-functions", "are of version 12"),
    "new-tables": (_sql("INSERT INTO syncctl.syncctl_migration VALUES (999)"), "postgres-functions", "newer than"),
    "few-connections": (_hard(pods="500"), "connections", "and tasks for 500"),
    "no-bulker": (_setting("SYNCCTL_BULKER_URL", "http://127.0.0.1:1"), "bulker", "cannot be reached from a task pod"),
    "token": (_bulker(401, "wrong"), "bulker", "refuses the token"),
    "not-bulker": (_bulker(302, ""), "bulker", "is not Bulker"),
    "size": (_bulker(413, "large"), "bulker", "not Bulker"),
}  # fmt: skip


@pytest.mark.fault(643)
@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_named(place: Place, broken: str) -> None:
    """Each by its own check, with what to do; what follows from it may be named too, and no secret."""
    change, check, words = BROKEN[broken]
    change(place)
    found = place.findings()
    assert words in " ".join(one["message"] for one in found.get(check, [])), found


@pytest.mark.fault(644)
def test_what_the_user_may_not_see_is_a_warning(place: Place) -> None:
    """The other checks go on; no pod is left."""
    place.cluster.forbidden = (
        f"GET /api/v1/namespaces/{FUNCTIONS}/secrets",
        f"POST /api/v1/namespaces/{TASKS}/pods",
        "POST /apis/authorization",
        "GET /apis/apiextensions",
    )
    found = place.findings()
    assert {one["level"] for some in found.values() for one in some} == {"warning"}
    assert {"secrets", "tokens", "rights", "task-rights", "crd", "pods", "user", "address"} == set(found)
    assert "creating a pod in sync-tasks" in found["pods"][0]["message"]


def test_without_the_secrets_the_rest_is_seen(place: Place) -> None:
    """The functions' pod has them all the same; of a task pod only the network and the clocks."""
    place.cluster.forbidden = (f"GET /api/v1/namespaces/{FUNCTIONS}/secrets",)
    found = place.findings()
    assert {one["level"] for some in found.values() for one in some} == {"warning"}
    assert {"secrets", "tokens", "address", "postgres-tasks", "bulker"} == set(found)


def test_without_a_deployment_there_is_nothing_to_look_at(place: Place) -> None:
    """Exit code 5, and with --json an object."""
    place.cluster.objects["services"].clear()
    done = place.doctor("--json")
    assert (done.code, json.loads(done.out)["ok"]) == (5, False)
    assert "no sync-functions" in done.err
    assert "`syncctl doctor machine` looks at" in done.err


def test_a_pod_that_an_earlier_run_has_left_goes(place: Place) -> None:
    """If it has ended; one that works belongs to somebody else."""
    for name, phase in (("ended", "Succeeded"), ("busy", "Running")):
        metadata = {"name": name, "namespace": TASKS, "labels": looking.LABELS}
        place.cluster.objects["pods"][name] = {"metadata": metadata, "status": {"phase": phase}}
    place.findings()
    assert list(place.cluster.objects["pods"]) == ["busy"]
    place.cluster.objects["pods"].clear()


def test_the_rights_are_those_of_the_roles() -> None:
    """knative/tasks/roles.yaml grants them."""
    documents = list(yaml.safe_load_all((ROOT / "knative/tasks/roles.yaml").read_text(encoding="utf-8")))
    roles = {one["metadata"]["name"]: one["rules"] for one in documents if one["kind"] == "Role"}
    granted: dict[str, set[tuple[str, str]]] = {}
    for binding in (one for one in documents if one["kind"] == "RoleBinding"):
        for subject in binding["subjects"]:
            for rule in roles[binding["roleRef"]["name"]]:
                pairs = {(resource, verb) for resource in rule["resources"] for verb in rule["verbs"]}
                granted.setdefault(subject["name"], set()).update(pairs)
    needed = {name: {(one, verb) for one, verbs in some.items() for verb in verbs} for name, some in ACCOUNTS.items()}
    assert needed == granted
