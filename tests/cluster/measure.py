"""`python -m tests.cluster.measure [ROUNDS]`: cold starts through the ingress, against a function that does nothing.

Every round waits until no function has an instance, then asks each once. Prints medians, and ratios to the bare one.
"""

import statistics
import sys
import time

from tests.cluster import kube, settings, stack
from tests.cluster.kube import FUNCTIONS
from tests.cluster.stack import NAMES, Stack

_BARE = """\
import functions_framework
@functions_framework.http
def bare(request):
    return "ok"
"""
_REQUESTS = {"tasks": "GET", "spec": "GET", "cancel": "GET", "check": "POST", "discover": "POST", "read": "POST"}
"""What each is asked without any parameter: an answer that authenticates, parses, and (tasks) asks Postgres."""


def main() -> None:
    """Measures."""
    cluster = settings.load()
    if cluster is None:
        raise SystemExit("KUBECONFIG names no cluster; `make cluster` starts one")
    running = stack.deploy(cluster)
    _deploy_bare()
    names = [name for name in NAMES if name in _REQUESTS]
    times: dict[str, list[float]] = {name: [] for name in ("bare", *names)}
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        kube.wait_for("no instance of anything", lambda: all(stack.replicas(name) == 0 for name in times), 240)
        for name, found in times.items():
            found.append(_ask(running, name))
    kube.kubectl("delete", "ksvc/bare", "configmap/bare", "-n", FUNCTIONS)
    bare = statistics.median(times["bare"])
    for name, found in times.items():
        middle = statistics.median(found)
        spread = f"{min(found):.2f}-{max(found):.2f}"
        sys.stdout.write(f"{name:<9} {middle:5.2f} s from zero ({spread}), {middle / bare:4.2f} x bare\n")


def _ask(running: Stack, name: str) -> float:
    started = time.monotonic()
    answer = running.call(name, _REQUESTS.get(name, "GET"))
    took = time.monotonic() - started
    assert answer.status_code in {200, 400}, answer.text
    return took


def _deploy_bare() -> None:
    """The same image, resources and probes, without anything of ours."""
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
    kube.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"main.py": _BARE}},
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"template": {"spec": spec}},
        },
    )
    kube.kubectl("wait", "--for=condition=Ready", "ksvc/bare", "-n", FUNCTIONS, "--timeout=90s")


if __name__ == "__main__":
    main()
