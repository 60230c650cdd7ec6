"""Rights: what each function's account may do with tasks, and what the user of this program may look at."""

from collections.abc import Iterator, Mapping
from typing import Any

from syncctl.doctor.finding import Finding, failed, ok, warning
from syncctl.doctor.installation import Installation, need_tasks
from syncctl.kn.kube import Kubernetes

_REVIEWS = "/apis/authorization.k8s.io/v1/"
_GROUP = "sync-functions.dev"
_START = {"pods": ("create", "get", "delete"), "secrets": ("create",)}
ACCOUNTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "spec": _START,
    "check": _START,
    "discover": _START,
    "read": _START,
    "syncs": {**_START, "syncs": ("get", "list", "create", "update", "delete")},
    "cancel": {"pods": ("get", "delete")},
    "sweeper": {
        "pods": ("list", "get", "create", "delete"),
        "pods/log": ("get",),
        "secrets": ("get", "create"),
        "syncs": ("list",),
        "syncs/status": ("patch",),
    },
    "pod-events": {"pods": ("get", "list", "watch")},
}
"""What each account needs in the task pods' namespace; knative/tasks/roles.yaml grants it, and a test compares."""
_FORBIDDEN = {"pods": ("create", "list"), "secrets": ("get", "create")}
"""What the account of the task pods, and so a connector, must not be able to do."""


def of_accounts(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield a line for each account that lacks a right, or one that none does."""
    tasks = need_tasks(installation)
    lacking = {
        account: [
            f"{verb} {resource}"
            for resource, verbs in needed.items()
            for verb in verbs
            if not _may(cluster, f"{installation.namespace}:{account}", tasks, verb, resource)
        ]
        for account, needed in ACCOUNTS.items()
    }
    for account, rights in lacking.items():
        if rights:
            yield failed(
                "rights",
                f"The account {account} of {installation.namespace} may not do in {tasks}: {', '.join(rights)}.",
                "Apply the overlay again; it has the Roles and their RoleBindings (knative/tasks/roles.yaml).",
            )
    if not any(lacking.values()):
        yield ok("rights", f"All {len(ACCOUNTS)} accounts have their rights in {tasks}.")


def of_tasks(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield whether the account of the task pods may do nothing: they run whatever connector is asked for."""
    tasks = need_tasks(installation)
    account = installation.settings.get("SYNCCTL_PODS_SERVICE_ACCOUNT") or "default"
    found = [
        f"{verb} {resource}"
        for resource, verbs in _FORBIDDEN.items()
        for verb in verbs
        if _may(cluster, f"{tasks}:{account}", tasks, verb, resource)
    ]
    if found:
        yield warning(
            "task-rights",
            f"The account {account} of the task pods may do in {tasks}: {', '.join(found)}.",
            "Remove the RoleBinding that grants it: connectors run as this account.",
        )
    else:
        yield ok("task-rights", f"The account {account} of the task pods may do nothing.")


def of_user(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield which parts of this report the user may not make."""
    functions, tasks = installation.namespace, need_tasks(installation)
    needed = [
        (functions, "get", "secrets"),
        (tasks, "create", "secrets"),
        *((where, verb, "pods") for where in (functions, tasks) for verb in ("list", "get", "create", "delete")),
        *((where, "get", "pods/log") for where in (functions, tasks)),
    ]
    lacking = [
        f"{verb} {resource} in {where}"
        for where, verb, resource in needed
        if not _i_may(cluster, where, verb, resource)
    ]
    if lacking:
        yield warning(
            "user",
            f"You may not: {', '.join(lacking)}. So Postgres and Bulker are not seen from there.",
            "Ask an administrator to run this.",
        )
    else:
        yield ok("user", "You may look at everything.")


def _may(cluster: Kubernetes, account: str, namespace: str, verb: str, resource: str) -> bool:
    spec = {"user": f"system:serviceaccount:{account}", "groups": _groups(account)}
    return _allowed(cluster, "SubjectAccessReview", spec | _attributes(namespace, verb, resource))


def _i_may(cluster: Kubernetes, namespace: str, verb: str, resource: str) -> bool:
    return _allowed(cluster, "SelfSubjectAccessReview", _attributes(namespace, verb, resource))


def _groups(account: str) -> list[str]:
    """Return the groups that the API server gives an account: a binding may name one of them."""
    namespace = account.partition(":")[0]
    return ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]


def _attributes(namespace: str, verb: str, resource: str) -> dict[str, Any]:
    name, _, part = resource.partition("/")
    attributes = {"namespace": namespace, "verb": verb, "resource": name, "subresource": part}
    return {"resourceAttributes": attributes | {"group": _GROUP if name == "syncs" else ""}}


def _allowed(cluster: Kubernetes, kind: str, spec: Mapping[str, Any]) -> bool:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    found = cluster.create(f"{_REVIEWS}{kind.lower()}s", body, "asking what an account may do")
    return bool(found.get("status", {}).get("allowed"))
