"""The task pods' namespace: room, Pod Security and NetworkPolicy, as their objects have them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from syncctl.doctor.finding import Finding, failed, ok, warning
from syncctl.doctor.installation import CORE, Installation, need_tasks
from syncctl.kn.kube import Kubernetes

_ENFORCE = "pod-security.kubernetes.io/enforce"
_LEVELS = ("restricted", "baseline", "privileged")
_POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
_ONE_TASK = {
    "pods": "1", "requests.cpu": "225m", "requests.memory": "640Mi", "requests.ephemeral-storage": "640Mi",
    "limits.cpu": "3", "count/secrets": "1",
}  # fmt: skip
"""What one task needs, as knative/tasks/quota/quota.yaml counts it; limits of memory and disk follow the settings."""
_LIMITS = {
    "limits.memory": ("SYNCCTL_SOURCE_MEMORY_LIMIT", "2Gi", "512Mi"),
    "limits.ephemeral-storage": ("SYNCCTL_SOURCE_DISK_LIMIT", "8Gi", "1Gi"),
}
"""The setting of the source's limit, its default, and the sidecar's share."""
_OTHER_NAMES = {"cpu": "requests.cpu", "memory": "requests.memory", "count/pods": "pods", "secrets": "count/secrets"}
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

Object = dict[str, Any]


def quota(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield whether the quotas have room for a task at all, and now."""
    tasks = need_tasks(installation)
    found = _quotas(cluster, tasks)
    needs = _needs(installation.settings)
    problems = [problem for one in found for problem in _short(one, needs)]
    yield from problems
    if not found:
        yield warning(
            "quota", f"{tasks} has no ResourceQuota: nothing limits how many tasks run at once.",
            "Add knative/tasks/quota to your overlay, with numbers of your own.",
        )  # fmt: skip
    elif not problems:
        yield ok("quota", f"The quota of {tasks} has room for another task.")


def most_pods(cluster: Kubernetes, installation: Installation) -> int | None:
    """Return how many task pods the quotas allow at once; None without a limit."""
    hard = [_named(one["spec"].get("hard") or {}) for one in _quotas(cluster, need_tasks(installation))]
    return min((int(quantity(one["pods"])) for one in hard if "pods" in one), default=None)


def _quotas(cluster: Kubernetes, namespace: str) -> list[Object]:
    return cluster.list(CORE.format(quote(namespace), "resourcequotas"), "", "listing ResourceQuotas") or []


def _needs(settings: Mapping[str, str]) -> dict[str, float]:
    needs = {name: quantity(text) for name, text in _ONE_TASK.items()}
    for name, (setting, default, sidecar) in _LIMITS.items():
        needs[name] = quantity(settings.get(setting) or default) + quantity(sidecar)
    return needs


def _short(one: Object, needs: Mapping[str, float]) -> Iterator[Finding]:
    hard, used = (_named(one.get(part, {}).get(key) or {}) for part, key in (("spec", "hard"), ("status", "used")))
    name = one["metadata"]["name"]
    for resource, text in hard.items():
        need = needs.get(resource)
        if need is None:
            continue
        if quantity(text) < need:
            yield failed(
                "quota", f"The quota {name} allows {resource} {text}, less than one task needs: each start is refused.",
                "Raise it in your overlay (knative/tasks/quota).",
            )  # fmt: skip
        elif quantity(text) - quantity(used.get(resource, "0")) < need:
            yield warning(
                "quota",
                f"The quota {name} has no room for another task: {resource} is {used[resource]} of {text}. A start is "
                "answered 429.",
                "Wait for tasks to end, or raise it in your overlay (knative/tasks/quota).",
            )


def _named(quantities: Mapping[str, str]) -> dict[str, str]:
    return {_OTHER_NAMES.get(name, name): str(text) for name, text in quantities.items()}


def quantity(text: str) -> float:
    """Return a quantity of Kubernetes as a number; 0 for what is none."""
    found = re.fullmatch(r"([\d.]+(?:e\d+)?)([a-zA-Z]*)", text)
    return float(found[1]) * _UNITS.get(found[2], 0.0) if found else 0.0


def pod_security(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield which pods the namespace admits, against which ones the settings ask for."""
    tasks = need_tasks(installation)
    found = cluster.get(f"/api/v1/namespaces/{quote(tasks)}", f"reading the namespace {tasks}")
    if found is None:
        yield failed("pod-security", f"The namespace {tasks} is missing: nothing can run.", "Apply the overlay again.")
        return
    level = (found["metadata"].get("labels") or {}).get(_ENFORCE, "privileged")
    as_root = installation.settings.get("SYNCCTL_SOURCE_RUN_AS_ROOT", "").lower() in {"true", "1"}
    label = f"`kubectl label namespace {tasks} --overwrite {_ENFORCE}=LEVEL`"
    if as_root and level == "restricted":
        yield failed(
            "pod-security", f"Connectors are to run as root, and {tasks} admits only restricted pods: it refuses them.",
            f"{label} with baseline, or SYNCCTL_SOURCE_RUN_AS_ROOT=false.",
        )  # fmt: skip
    elif _LEVELS.index(level) > as_root:
        yield failed(
            "pod-security", f"Pod Security of {tasks} enforces {level}: a pod there could reach its node.",
            f"{label} with {_LEVELS[as_root]}.",
        )  # fmt: skip
    else:
        yield ok("pod-security", f"Pod Security of {tasks} enforces {level}.")


def network_policy(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield whether a policy limits what task pods reach and who reaches them; `seen` tells whether it is in force."""
    tasks = need_tasks(installation)
    found = cluster.list(_POLICIES.format(quote(tasks)), "", "listing NetworkPolicies") or []
    limited = {
        kind for one in found if not one["spec"].get("podSelector") for kind in one["spec"].get("policyTypes") or ()
    }
    if missing := [kind for kind in ("Ingress", "Egress") if kind not in limited]:
        yield failed(
            "network-policy", f"No NetworkPolicy of {tasks} holds for all pods and limits {' and '.join(missing)}.",
            "Apply the overlay again; it has one (knative/tasks/network.yaml).",
        )  # fmt: skip
    else:
        yield ok("network-policy", f"A NetworkPolicy limits the network of all pods in {tasks}.")
