"""kubectl and kn as tests use them, and waiting for what they show."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

FUNCTIONS, TASKS, BACKING = "sync-functions", "sync-tasks", "sync-backing"
CREATOR = "jitsu.com/creator=bulker-sync-controller"

_Found = TypeVar("_Found")
_AWAY = re.compile(r"dial tcp .* refused|\(ServiceUnavailable\)|unexpected EOF|connection reset|:6443 was refused")


class CommandFailed(AssertionError):
    """A command that had to succeed did not; the message has what it said."""


def run(*command: str, given: str | None = None, seconds: float = 300, expected: int = 0) -> str:
    """Runs a program; raises CommandFailed with its words if it ends with another status."""
    done = subprocess.run(command, input=given, text=True, capture_output=True, check=False, timeout=seconds)
    if done.returncode != expected:
        raise CommandFailed(
            f"{' '.join(command)[:300]} ended with {done.returncode}:\n{done.stderr}{done.stdout[-2000:]}"
        )
    return done.stdout


def kubectl(*arguments: str, given: str | None = None) -> str:
    """Runs kubectl."""
    return run("kubectl", *arguments, given=given)


def observe(*arguments: str) -> str:
    """The same for what only looks: again while the API server, or its way to a service, is gone for a moment."""

    def look() -> list[str]:
        try:
            return [kubectl(*arguments)]
        except CommandFailed as error:
            if not _AWAY.search(str(error)):
                raise
            return []

    [text] = wait_for("the API server answers", look, 60, 0.5)
    return text


def apply(*objects: dict[str, Any]) -> None:
    """Applies objects, server-side."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=document)


def get(kind: str, name: str, namespace: str = TASKS) -> dict[str, Any] | None:
    """An object, or None."""
    text = observe("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
    return dict(json.loads(text)) if text else None


def items(kind: str, namespace: str = TASKS, selector: str = "") -> list[dict[str, Any]]:
    """All objects of a kind."""
    labels = ["-l", selector] if selector else []
    return list(json.loads(observe("get", kind, "-n", namespace, *labels, "-o", "json"))["items"])


def run_pod(name: str, spec: dict[str, Any], namespace: str, seconds: float) -> str:
    """Runs a pod to its end, and returns what it has printed."""

    def has_ended() -> bool:
        pod = get("pod", name, namespace)
        return pod is not None and pod["status"]["phase"] in {"Succeeded", "Failed"}

    apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
    try:
        wait_for(f"the end of pod {name}", has_ended, seconds)
        return kubectl("logs", name, "-n", namespace)
    finally:
        kubectl("delete", f"pod/{name}", "-n", namespace)


def wait_for(what: str, look: Callable[[], _Found | None], seconds: float = 90, pause: float = 0.25) -> _Found:
    """Looks until it finds something true; fails with what it waited for and saw last."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; last seen: {found!r}")
        time.sleep(pause)


def first_process(pod: dict[str, Any], container: str) -> int:
    """A container's first process, as this machine sees it; only on the cluster of `make cluster`."""
    statuses = pod["status"]["containerStatuses"]
    number = next(c["containerID"] for c in statuses if c["name"] == container).removeprefix("containerd://")
    for cgroup in Path("/sys/fs/cgroup").glob(f"*/kubepods/**/{number}/cgroup.procs"):
        if pids := cgroup.read_text().split():
            return min(map(int, pids))
    raise AssertionError(f"no process of {container} found")


def tool(*arguments: str) -> None:
    """Runs the cluster's tool, in a process of its own: the daemons that it starts must outlive the tests."""
    run(sys.executable, "-m", "tools.cluster", *arguments)


def rights(account: str, namespace: str) -> dict[str, set[str]]:
    """What a ServiceAccount (namespace:name) may do with core resources and declared syncs: verbs by resource."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    who = f"--as=system:serviceaccount:{account}"
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    found = json.loads(kubectl("create", who, "--raw", path, "-f", "-", given=json.dumps(review)))["status"]
    assert not found.get("incomplete"), found
    verbs: dict[str, set[str]] = {}
    for rule in found["resourceRules"]:
        for group in {"", "*", "sync-functions.dev"} & set(rule["apiGroups"]):
            for resource in rule["resources"]:
                kind, slash, part = resource.partition("/")
                name = f"{kind}.{group}{slash}{part}" if "." in group else resource
                verbs.setdefault(name, set()).update(rule["verbs"])
    return verbs
