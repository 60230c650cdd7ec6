"""Cold starts through the ingress, and from exec, against a function that does nothing: same image, limits and probes.

Each round waits until no function has an instance. Then each is asked once, one after another, for real work: a read, a
check, a discovery and a specification that start a pod, and lists with rows of Postgres and of the API server.
"""

import json
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from statistics import median
from typing import Any

from msgspec import Struct

from bench.results import Goal, publish
from tests.cluster import kube, stack
from tests.cluster.kube import FUNCTIONS
from tests.cluster.stack import NAMES, TEST, TEST_VERSION, Stack

_MOST = 1.5
_GOALS = ("read", "tasks")
_BARE = """\
import functions_framework
@functions_framework.http
def bare(request):
    return "ok"
"""
_EXEC = """\
import http.client, json, os, subprocess, sys, time
for name in sys.argv[1:]:
    source = "/bare/main.py" if name == "bare" else f"/app/functions/{name}/main.py"
    began = time.perf_counter()
    command = ["functions-framework", "--target", name, "--source", source, "--port", "9999"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", 9999, timeout=30)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                break
        except OSError:
            time.sleep(0.002)
        if time.perf_counter() - began > 60:
            sys.exit(f"{name} did not answer within a minute")
    print(json.dumps([name, time.perf_counter() - began]), flush=True)
    process.terminate()
    process.wait()
"""
"""In the pod of `exec`."""


class Request(Struct, frozen=True):
    """What a function is asked, and the status of its answer."""

    method: str
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] = {}
    status: HTTPStatus = HTTPStatus.OK


def _requests() -> dict[str, Request]:
    """What each function is asked; every task has names of its own."""
    image = {"package": TEST, "version": TEST_VERSION}
    config = {"do": "rows", "count": 1, "every": 1, "pause": 0}
    ids = stack.ids()
    own = {"storageKey": ids["syncId"]}
    body = {"config": config, "catalog": stack.catalog("plants")}
    return {
        "bare": Request("GET"),
        "tasks": Request("GET", query={"limit": "20"}),
        "syncs": Request("GET"),
        "metrics": Request("GET"),
        "spec": Request("GET", query=image),
        "check": Request("POST", {"config": config}, image | own),
        "discover": Request("POST", {"config": config}, image | own),
        "read": Request("POST", body, image | ids | {"tableNamePrefix": "cold_"}),
        "cancel": Request("POST", query={"taskId": "none-of-this-name"}, status=HTTPStatus.NOT_FOUND),
    }


def run(running: Stack, rounds: int) -> bool:
    """Print each function's time from zero instances to its answer, as a ratio to the bare one's."""
    _deploy_bare()
    times: dict[str, list[float]] = {name: [] for name in _requests()}
    for _ in range(rounds):
        kube.wait_for("no instance of anything", lambda: all(stack.replicas(name) == 0 for name in times), 240)
        for name, request in _requests().items():
            times[name].append(_ask(running, name, request))
    kube.kubectl("delete", "ksvc/bare", "configmap/bare", "-n", FUNCTIONS)
    return _publish("cluster-cold", times, _GOALS)


def run_exec(_: Stack, rounds: int) -> bool:
    """Print the function's own part of a cold start: from exec to the first answer, one at a time, on a whole core."""
    names = ["bare", *NAMES]
    lines = kube.run_pod("cold-exec", _exec_spec(names * rounds), FUNCTIONS, 600).splitlines()
    kube.kubectl("delete", "configmap/bare", "-n", FUNCTIONS)
    times: dict[str, list[float]] = {name: [] for name in names}
    for line in lines:
        name, seconds = json.loads(line)
        times[name].append(seconds)
    return _publish("cluster-exec", times, ())


def _publish(name: str, times: Mapping[str, list[float]], wanted: Sequence[str]) -> bool:
    bare = median(times["bare"])
    rows = [(one, median(found), min(found), max(found), median(found) / bare) for one, found in times.items()]
    goals = [Goal(f"{name}-{one}-ratio", median(times[one]) / bare, _MOST, at_most=True) for one in wanted]
    columns = ("function", "median s", "least s", "worst s", "ratio to bare")
    return publish(name, columns, rows, goals, bars="median s")


def _ask(running: Stack, name: str, request: Request) -> float:
    began = time.monotonic()
    answer = running.call(name, request.method, request.body, **request.query)
    took = time.monotonic() - began
    assert answer.status_code == request.status, f"{name}: {answer.text}"
    return took


def _exec_spec(names: list[str]) -> dict[str, Any]:
    """The pod of a function, running other words, and without what only Knative knows."""
    read = kube.get("ksvc", "read", FUNCTIONS)
    assert read is not None
    spec = _bare_spec()
    (container,) = spec["containers"]
    container["command"] = ["python3", "-c", _EXEC, *names]
    container["envFrom"] = read["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    container.pop("readinessProbe")
    for known_to_knative in ("containerConcurrency", "timeoutSeconds"):
        spec.pop(known_to_knative, None)
    return {**spec, "restartPolicy": "Never"}


def _bare_spec() -> dict[str, Any]:
    """The pod of a function that does nothing: the same image, resources and probes, without the project's code."""
    read = kube.get("ksvc", "read", FUNCTIONS)
    assert read is not None
    spec = read["spec"]["template"]["spec"]
    spec.pop("serviceAccountName")
    container = spec["containers"][0]
    container.pop("envFrom")
    container["command"] = ["functions-framework", "--target", "bare", "--source", "/bare/main.py"]
    container["readinessProbe"] = {"httpGet": {"path": "/"}}
    container.pop("livenessProbe")
    container["volumeMounts"].append({"name": "bare", "mountPath": "/bare"})
    spec["volumes"].append({"name": "bare", "configMap": {"name": "bare"}})
    metadata = {"name": "bare", "namespace": FUNCTIONS}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"main.py": _BARE}})
    return dict(spec)


def _deploy_bare() -> None:
    metadata = {"name": "bare", "namespace": FUNCTIONS}
    template = {"spec": _bare_spec()}
    kube.apply(
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"template": template},
        }
    )
    kube.kubectl("wait", "--for=condition=Ready", "ksvc/bare", "-n", FUNCTIONS, "--timeout=90s")
