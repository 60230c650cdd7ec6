"""`python -m tests.cluster.measure cold [ROUNDS]`: cold starts through the ingress, against a function that does nothing.

Every round waits until no function has an instance, then asks each once. Prints medians, and ratios to the bare one.

`python -m tests.cluster.measure exec [ROUNDS]`: from exec to the first answer of each function, in a pod with their image
and limits.

`python -m tests.cluster.measure idle [MINUTES]`: in how many of the samples, one every two seconds, a function has an
instance while nobody asks, and how many pods the CronJob makes, at the schedule of knative/sweeper.

`python -m tests.cluster.measure events [TASKS]`: from the end of a pod's last container to its deletion, as a watch
sees them.

`python -m tests.cluster.measure read [TASKS]`: from POST /read to the verdict in Postgres, of 1,000 rows of the test
connector and of the faker's 2,100, beside each connector's own time; everything is up and every image is there.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from bench.results import Goal
from tests.cluster import kube, settings, stack
from tests.cluster.kube import FUNCTIONS
from tests.cluster.stack import FAKER, FAKER_VERSION, NAMES, TEST, TEST_VERSION, Stack

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
_ALONE = """\
for part in config catalog state; do printenv "$part" > "/tmp/$part.json"; done
for round in ROUNDS; do
    begin=$(date +%s.%N)
    $AIRBYTE_ENTRYPOINT read --config /tmp/config.json --catalog /tmp/catalog.json --state /tmp/state.json \
        > /dev/null 2>&1 || exit 1
    echo "$begin $(date +%s.%N)"
done
"""
"""In the pod of `read`."""
_REQUESTS = {"tasks": "GET", "spec": "GET", "cancel": "GET", "check": "POST", "discover": "POST", "read": "POST"}
"""What each is asked without any parameter: an answer that authenticates, parses, and (tasks) asks Postgres."""


def main() -> None:
    """Measures."""
    cluster = settings.load()
    if cluster is None:
        raise SystemExit("KUBECONFIG names no cluster; `make cluster` starts one")
    what, count = sys.argv[1], [int(number) for number in sys.argv[2:]]
    running = stack.deploy(cluster)
    if what == "cold":
        cold(running, *count)
    elif what == "exec":
        executed(*count)
    elif what == "idle":
        idle(*count)
    elif what == "read":
        stack.ensure_connectors(cluster)
        reads(running, *count)
    else:
        stack.ensure_connectors(cluster)
        events(running, *count)


def cold(running: Stack, rounds: int = 3) -> None:
    """Cold starts of every function."""
    _deploy_bare()
    names = [name for name in NAMES if name in _REQUESTS]
    times: dict[str, list[float]] = {name: [] for name in ("bare", *names)}
    for _ in range(rounds):
        kube.wait_for("no instance of anything", lambda: all(stack.replicas(name) == 0 for name in times), 240)
        for name, found in times.items():
            found.append(_ask(running, name))
    kube.kubectl("delete", "ksvc/bare", "configmap/bare", "-n", FUNCTIONS)
    _tell(times, "from zero")


def idle(minutes: int = 20) -> None:
    """What runs while nobody asks."""
    job = yaml.safe_load((stack.ROOT / "knative/sweeper/cronjob.yaml").read_text(encoding="utf-8"))
    with stack.every(job["spec"]["schedule"]):
        kube.wait_for("no instance", lambda: not _up(), 400)
        before = {one["metadata"]["name"] for one in kube.items("job", FUNCTIONS)}
        end, up, jobs = time.monotonic() + 60 * minutes, [], set[str]()
        while time.monotonic() < end:
            up.append(_up())
            jobs |= {one["metadata"]["name"] for one in kube.items("job", FUNCTIONS)}
            time.sleep(2)
    for name in NAMES:
        found = sum(name in one for one in up)
        sys.stdout.write(f"{name:<9} up in {found} of {len(up)} samples ({100 * found / len(up):.0f} %)\n")
    sys.stdout.write(f"{len(jobs - before)} Jobs in {minutes} minutes\n")


def _up() -> set[str]:
    """Which functions have an instance."""
    found = kube.items("deployment", FUNCTIONS, "serving.knative.dev/service")
    return {one["metadata"]["labels"]["serving.knative.dev/service"] for one in found if one["status"].get("replicas")}


def executed(rounds: int = 7) -> None:
    """Exec to the first answer: the part of a cold start that is ours. One after another, on one whole core."""
    names = ["bare", *NAMES]
    metadata = {"name": "cold-exec", "namespace": FUNCTIONS}
    kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _exec_spec(names * rounds)})
    try:
        kube.wait_for("the pod's end", _has_ended, 600)
        lines = kube.kubectl("logs", "cold-exec", "-n", FUNCTIONS).splitlines()
    finally:
        kube.kubectl("delete", "pod/cold-exec", "configmap/bare", "-n", FUNCTIONS)
    times: dict[str, list[float]] = {name: [] for name in names}
    for line in lines:
        name, seconds = json.loads(line)
        times[name].append(seconds)
    _tell(times, "from exec")


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


def _has_ended(name: str = "cold-exec") -> bool:
    pod = kube.get("pod", name, FUNCTIONS)
    return pod is not None and pod["status"]["phase"] in {"Succeeded", "Failed"}


def _tell(times: dict[str, list[float]], since: str) -> None:
    bare = statistics.median(times["bare"])
    for name, found in times.items():
        middle = statistics.median(found)
        spread = f"{min(found):.2f}-{max(found):.2f}"
        sys.stdout.write(f"{name:<9} {middle:5.2f} s {since} ({spread}), {middle / bare:4.2f} x bare\n")


def reads(running: Stack, tasks: int = 20) -> None:
    """How long whole reads take. Both clocks are one machine's; the first task of each kind only warms up."""
    faker: dict[str, object] = {"count": 1000, "seed": 1, "records_per_slice": 1000, "always_updated": False}
    kinds: tuple[tuple[str, str, dict[str, object], list[str]], ...] = (
        (TEST, TEST_VERSION, {"do": "rows", "count": 1000, "every": 1000, "pause": 0}, ["plants"]),
        (FAKER, FAKER_VERSION, faker, ["users", "products", "purchases"]),
    )
    for package, version, config, streams in kinds:
        body = {"config": config, "catalog": stack.catalog(*streams)}
        found = [_read(running, body, package=package, version=version) for _ in range(tasks + 1)][1:]
        middle = statistics.median(found)
        sys.stdout.write(
            f"{package}: POST to verdict, {tasks} tasks: median {middle:.2f} s, worst {max(found):.2f} s\n"
        )
        sys.stdout.flush()
        own = statistics.median(_alone(f"{package}:{version}", body))
        sys.stdout.write(f"{package}: the connector alone: median {own:.2f} s\n")
        wanted = 1.0 if package == TEST else own + 0.7
        sys.stdout.write(f"{Goal(f'read of {package}, s', middle, round(wanted, 2), at_most=True)}\n")


def _read(running: Stack, body: Mapping[str, object], **image: str) -> float:
    """Seconds from the request to the verdict."""
    given = {"tableNamePrefix": f"test_{uuid4().hex[:8]}_", **stack.ids(), **image}
    began = time.time()
    answer = running.call("read", "POST", body, **given)
    assert answer.status_code == 200, answer.text
    assert running.ended(given["taskId"])["status"] == "SUCCESS"
    (row,) = running.rows(
        "SELECT extract(epoch FROM finished_at) AS finished FROM syncctl.syncctl_task "
        f"WHERE task_id = '{given['taskId']}'"
    )
    return float(row["finished"]) - began


def _alone(image: str, body: Mapping[str, object], rounds: int = 7) -> list[float]:
    """Seconds that a connector takes by itself, into /dev/null, in a pod with a source's limits."""
    metadata = {"name": "alone", "namespace": FUNCTIONS}
    variables = {name: json.dumps(body.get(name, [])) for name in ("config", "catalog", "state")}
    container = {
        "name": "alone", "image": image, "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _ALONE.replace("ROUNDS", " ".join(map(str, range(rounds))))],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": {"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"cpu": "125m", "memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    user = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "securityContext": user, "containers": [container]}
    kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    try:
        kube.wait_for("the pod's end", lambda: _has_ended("alone"), 300)
        lines = kube.kubectl("logs", "alone", "-n", FUNCTIONS).splitlines()
    finally:
        kube.kubectl("delete", "pod/alone", "-n", FUNCTIONS)
    return [float(end) - float(begin) for begin, end in map(str.split, lines)]


def events(running: Stack, tasks: int = 20) -> None:
    """How long finished pods stay."""
    delays = []
    for _ in range(tasks):
        query = running.start("rows")
        delays.append(_stay(query["taskId"]))
        running.ended(query["taskId"])
    middle, worst = statistics.median(delays), max(delays)
    sys.stdout.write(f"pod end to deletion, {tasks} tasks: median {middle:.2f} s, worst {worst:.2f} s\n")


def _stay(task_id: str) -> float:
    ended = 0.0
    for kind, pod in _watched():
        if pod["metadata"]["annotations"].get("TaskID") != task_id:
            continue
        if kind == "DELETED":
            return time.monotonic() - ended
        states = [container["state"] for container in pod["status"].get("containerStatuses", [])]
        if states and all("terminated" in state for state in states):
            ended = ended or time.monotonic()
    raise AssertionError("the watch ended before the pod did")


def _watched() -> Iterator[tuple[str, dict[str, Any]]]:
    """Events of task pods as they come."""
    command = ["kubectl", "get", "pods", "-n", kube.TASKS, "-l", kube.CREATOR, "--watch", "-o", "json"]
    with subprocess.Popen([*command, "--output-watch-events"], stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        try:
            for line in watch.stdout:
                event = json.loads(line)  # one line each
                yield event["type"], event["object"]
        finally:
            watch.terminate()


def _ask(running: Stack, name: str) -> float:
    started = time.monotonic()
    answer = running.call(name, _REQUESTS.get(name, "GET"))
    took = time.monotonic() - started
    assert answer.status_code in {200, 400}, answer.text
    return took


def _bare_spec() -> dict[str, Any]:
    """The pod of a function that does nothing: the same image, resources and probes, without anything of ours."""
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


if __name__ == "__main__":
    main()
