"""The project's own files on a real cluster: everything gets ready, wakes up, works, and goes back to sleep."""

import json
import shutil
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.cluster import kube
from tests.cluster.kube import BACKING, FUNCTIONS, TASKS
from tests.cluster.stack import (
    FAKER,
    FAKER_VERSION,
    NAMES,
    ROOT,
    Stack,
    catalog,
    every,
    ids,
    nothing_left,
    overlay,
    pod_of,
    replicas,
    variant,
)
from tools.cluster import builds

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(600)]

GATEWAY = f"http://gateway.{FUNCTIONS}.svc.cluster.local"
_ASK = """\
import json, sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=90)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode()]))
"""
CONFIG = {"count": 200, "seed": 7, "parallelism": 1, "always_updated": False}


def test_functions_ready(deployed: Stack):
    """kn deploys every function from the repository's files, and all of them get ready."""
    listed = json.loads(kube.run("kn", "service", "list", "-n", FUNCTIONS, "-o", "json"))["items"]
    ready = {
        service["metadata"]["name"]: next(c["status"] for c in service["status"]["conditions"] if c["type"] == "Ready")
        for service in listed
    }
    assert ready == dict.fromkeys(NAMES, "True")


@pytest.mark.fault(66)
def test_sweeper_is_inside_only(deployed: Stack):
    """The sweeper has no address outside the cluster."""
    service = kube.get("ksvc", "sweeper", FUNCTIONS)
    assert service is not None
    assert service["status"]["url"] == f"http://sweeper.{FUNCTIONS}.svc.cluster.local"
    assert deployed.call("sweeper", "POST").status_code == 404


@pytest.mark.parametrize("overlay", ["", "overlays/development", "overlays/production"])
def test_overlays_are_accepted(deployed: Stack, overlay: str):
    """The API server, with all its webhooks, accepts every object of every overlay."""
    kube.kubectl("apply", "--dry-run=server", "-k", str(ROOT / "knative" / overlay))


def test_events_source_ready(deployed: Stack):
    """The ApiServerSource watches, with the account that it is given, and only our pods."""
    kube.kubectl("wait", "--for=condition=Ready", "apiserversource/pod-events", "-n", FUNCTIONS, "--timeout=90s")


def test_finished_pod_and_secret_go(deployed: Stack):
    """A finished task leaves neither pod nor Secret."""
    query = deployed.start("rows")
    pod = kube.wait_for("the pod is there", lambda: pod_of(query["taskId"]), 30)
    assert deployed.ended(query["taskId"])["status"] == "SUCCESS"
    nothing_left(pod)


def test_spec(deployed: Stack):
    """GET /spec puts the connector's specification into its table."""
    answer = deployed.call("spec", "GET", package=FAKER, version=FAKER_VERSION)
    assert answer.status_code == 200, answer.text
    where = f"package = '{FAKER}' AND version = '{FAKER_VERSION}' AND specs IS NOT NULL"
    (row,) = kube.wait_for(
        "the specification", lambda: deployed.rows(f"SELECT * FROM newjitsu.source_spec WHERE {where}")
    )
    assert "count" in json.dumps(row["specs"])


def test_check(deployed: Stack):
    """POST /check tells that the configuration works."""
    key = f"check-{uuid4().hex}"
    query = {"package": FAKER, "version": FAKER_VERSION, "storageKey": key}
    assert deployed.call("check", "POST", {"config": CONFIG}, **query).status_code == 200
    (row,) = kube.wait_for(
        "the result", lambda: deployed.rows(f"SELECT status FROM newjitsu.source_check WHERE key = '{key}'")
    )
    assert row["status"] == "SUCCESS"


def test_discover(deployed: Stack):
    """POST /discover puts the connector's catalog into its table."""
    key = f"discover-{uuid4().hex}"
    query = {"package": FAKER, "version": FAKER_VERSION, "storageKey": key}
    assert deployed.call("discover", "POST", {"config": CONFIG}, **query).status_code == 200
    where = f"key = '{key}' AND status = 'SUCCESS'"
    (row,) = kube.wait_for(
        "the catalog", lambda: deployed.rows(f"SELECT catalog FROM newjitsu.source_catalog WHERE {where}")
    )
    assert {stream["name"] for stream in row["catalog"]["streams"]} == {"users", "products", "purchases"}


def test_one_base_url(deployed: Stack):
    """The nginx gateway routes by path, wakes what sleeps, and keeps the sweeper to itself."""
    proxy = f"/api/v1/namespaces/{FUNCTIONS}/services/gateway:80/proxy"
    assert json.loads(kube.kubectl("get", "--raw", f"{proxy}/health")) == {"status": "pass"}
    assert json.loads(kube.kubectl("get", "--raw", f"{proxy}/tasks"))["ok"] is True
    assert json.loads(kube.kubectl("get", "--raw", f"{proxy}/openapi.json"))["openapi"] == "3.1.0"
    with pytest.raises(kube.CommandFailed, match="could not find the requested resource"):
        kube.kubectl("get", "--raw", f"{proxy}/sweeper")


def test_a_missing_function_is_json_behind_the_gateway(deployed: Stack):
    """Knative's ingress answers 404 without a word; a function's own 404 and 400 come through as they are."""

    def ask(path: str) -> tuple[int, dict[str, Any]]:
        command = ["exec", "-n", BACKING, "deploy/warehouse", "--", "python3", "-c", _ASK, f"{GATEWAY}{path}"]
        status, body = json.loads(kube.kubectl(*command))
        return status, json.loads(body)

    service = kube.get("ksvc", "discover", FUNCTIONS)
    assert service is not None
    kube.kubectl("delete", "ksvc", "discover", "-n", FUNCTIONS)
    try:
        kube.wait_for("Knative has let go of it", lambda: ask("/discover")[0] == 404)
        body = ask("/discover")[1]
        assert body["error"].startswith("The function discover is not deployed"), body
    finally:
        # As deployed: kubectl remembers what it has applied, and nothing of Knative's own annotations.
        kept = {key: service["metadata"][key] for key in ("name", "namespace", "labels")}
        document = {**{key: service[key] for key in ("apiVersion", "kind", "spec")}, "metadata": kept}
        kube.kubectl("create", "--save-config", "-f", "-", given=json.dumps(document))
        kube.kubectl("wait", "--for=condition=Ready", "ksvc/discover", "-n", FUNCTIONS, "--timeout=120s")
    assert "No task has this taskId" in ask("/tasks/nobody")[1]["error"]
    assert ask("/spec")[0] == 400


@pytest.fixture
def gateway_api() -> Iterator[None]:
    """The Gateway API's resources, for the length of a test where the cluster has none."""
    route, grant = (f"{name}.gateway.networking.k8s.io" for name in ("httproutes", "referencegrants"))
    if kube.kubectl("get", "crd", route, grant, "--ignore-not-found"):
        yield
        return
    if not shutil.which("go"):
        pytest.skip("the cluster has no Gateway API, and this machine no Go to get its definitions with")
    files = [f"-f={file}" for file in builds.gateway_api().glob("*.yaml")]
    kube.kubectl("apply", "--server-side", *files)
    try:
        kube.kubectl("wait", "--for=condition=Established", f"crd/{route}", f"crd/{grant}", "--timeout=60s")
        yield
    finally:
        kube.kubectl("delete", *files)


@pytest.mark.usefixtures("gateway_api")
def test_gateway_api_route(deployed: Stack):
    """The API server accepts the HTTPRoute, which leads to every function but the sweeper, by the host that Knative
    knows it by. (Nothing here implements a Gateway: the nginx variant is what carries requests.)
    """
    with overlay("base", "gateway/httproute") as folder:
        accepted = kube.kubectl("apply", "--dry-run=server", "-o", "json", "-k", str(folder))
    (route,) = [item for item in json.loads(accepted)["items"] if item["kind"] == "HTTPRoute"]
    hosts = {
        match["path"]["value"]: rule["filters"][0]["urlRewrite"]["hostname"]
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    }
    expected = {f"/{name}": name for name in NAMES if name != "sweeper"} | {"/": "console", "/openapi.json": "spec"}
    assert hosts == {path: f"{name}.{FUNCTIONS}.svc.cluster.local" for path, name in expected.items()}


def test_connector_as_another_user(deployed: Stack):
    """A connector runs as a user of ours, whatever its image names."""
    query = deployed.start("rows", user=1000)
    assert deployed.ended(query["taskId"])["status"] == "SUCCESS"


def test_connector_as_root(deployed: Stack):
    """Where the setting says so and the namespace allows it, a connector runs as root, if its image does."""
    level = "pod-security.kubernetes.io/enforce"
    with variant("read", "read-root", SYNCCTL_SOURCE_RUN_AS_ROOT="true"):
        refused = deployed.start("rows", "read-root", expected=422, user=0)
        assert pod_of(refused["taskId"]) is None
        kube.kubectl("label", "namespace", TASKS, f"{level}=baseline", "--overwrite")
        try:
            query = deployed.start("rows", "read-root", user=0)
        finally:
            kube.kubectl("label", "namespace", TASKS, f"{level}=restricted", "--overwrite")
    assert deployed.ended(query["taskId"])["status"] == "SUCCESS"


def test_back_to_zero_and_from_there(deployed: Stack):
    """When nobody asks any more, no function runs, nor the sweeper between two calls at its CronJob's own schedule. With
    no instance at all, a POST /read wakes its function, and a real connector's rows reach the warehouse.
    """
    with overlay("base") as folder:
        files = list(yaml.safe_load_all(kube.kubectl("kustomize", str(folder))))
    [schedule] = [one["spec"]["schedule"] for one in files if one["metadata"]["name"] == "sweep"]
    assert schedule == "*/5 * * * *"
    with every(schedule):
        kube.wait_for("no instance of any function", lambda: not any(replicas(name) for name in NAMES), 240)
    prefix = f"zero_{uuid4().hex[:8]}_"
    query = {"package": FAKER, "version": FAKER_VERSION, "tableNamePrefix": prefix, **ids()}
    answer = deployed.call("read", "POST", {"config": CONFIG, "catalog": catalog("users", "products")}, **query)
    assert answer.status_code == 200, answer.text
    ended = deployed.ended(query["taskId"])
    assert ended["status"] == "SUCCESS", ended
    tables = deployed.tables()
    assert (tables[f"{prefix}users"], tables[f"{prefix}products"]) == (200, 100)
