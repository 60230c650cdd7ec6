"""The whole report about a deployment in a cluster."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from common.setting_sources import CONFIG_PATH
from syncctl.doctor import callers, functions, installation, platform, rights, seen, tasks
from syncctl.doctor.finding import Check, Finding, failed, guarded, warning
from syncctl.doctor.installation import Installation
from syncctl.doctor.looking import NotSeen, Pods, View
from syncctl.kn.kube import Kubernetes

_DATABASE = "SYNCCTL_DATABASE_URL"


def look(
    cluster: Kubernetes, namespace: str, make_pods: Callable[[Kubernetes, Installation], Pods] = Pods
) -> Iterator[Finding]:
    """Yield all findings, in an order in which the first cause comes first. Raise SyncError without a deployment."""
    found = installation.read(cluster, namespace)
    yield from guarded("kubernetes", lambda: platform.kubernetes(cluster))
    yield from guarded("knative", lambda: platform.knative(cluster))
    yield from guarded("crd", lambda: platform.declared_syncs(cluster))
    yield from guarded("settings", lambda: functions.settings(found))
    yield from guarded("secrets", lambda: functions.secrets(found))
    yield from guarded("tokens", lambda: functions.tokens(found))
    yield from guarded("functions", lambda: functions.services(found))
    yield from guarded("rights", lambda: rights.of_accounts(cluster, found))
    yield from guarded("task-rights", lambda: rights.of_tasks(cluster, found))
    yield from guarded("cronjob", lambda: callers.cronjob(cluster, found, time.time()))
    yield from guarded("events", lambda: callers.events(cluster, found))
    yield from guarded("gateway", lambda: callers.gateway(cluster, found))
    yield from guarded("address", lambda: callers.address(cluster, found))
    yield from guarded("quota", lambda: tasks.quota(cluster, found))
    yield from guarded("pod-security", lambda: tasks.pod_security(cluster, found))
    yield from guarded("network-policy", lambda: tasks.network_policy(cluster, found))
    yield from guarded("user", lambda: rights.of_user(cluster, found))
    yield from guarded("pods", lambda: _by_pods(cluster, found, make_pods(cluster, found)))


def _by_pods(cluster: Kubernetes, found: Installation, pods: Pods) -> Iterator[Finding]:
    """Yield what the two pods see. The task pod stays until the other one has tried to reach it."""
    with ExitStack() as stack:
        try:
            view = stack.enter_context(pods.of_tasks())
        except NotSeen as error:
            yield failed("task-pod", error.message, error.advice)
            return
        url = "SYNCCTL_SIDECAR_DATABASE_URL" if found.hidden else _DATABASE
        yield from _if_given(found, "postgres-tasks", url, lambda: seen.postgres(view.looked))
        yield from _if_given(found, "bulker", "SYNCCTL_BULKER_AUTH_TOKEN", lambda: seen.bulker(view.looked))
        other = None
        try:
            with pods.of_functions(view.address) as other:
                yield from _functions_postgres(found, other)
                yield from _connections(cluster, found, other)
        except NotSeen as error:
            yield failed("function-pod", error.message, error.advice)
        yield from seen.network(view.looked, other.looked if other else None)
        yield from seen.clocks(view.looked, view.asked_at, view.created_at, view.answered_at, view.read_at)


def _functions_postgres(found: Installation, view: View) -> Iterator[Finding]:
    """Yield what the functions' user sees. Its pod gets their Secrets without this program, but not their file."""
    if view.looked.postgres is None:
        yield from _if_given(found, "postgres-functions", _DATABASE, lambda: seen.postgres(view.looked))
    else:
        yield from seen.postgres(view.looked)


def _if_given(found: Installation, check: str, key: str, judge: Check) -> Iterator[Finding]:
    """Yield what a check finds, if the pod had the credentials that it takes."""
    if functions.unseen(found, key):
        yield warning(
            check,
            f"Not looked at: {key} is where this program cannot read it.",
            f"Ask an administrator to run this; what is in the file of {CONFIG_PATH} shows in the functions' logs.",
        )
    else:
        yield from judge()


def _connections(cluster: Kubernetes, found: Installation, view: View) -> Iterator[Finding]:
    yield from guarded(
        "connections",
        lambda: seen.connections(view.looked, functions.connections(found), tasks.most_pods(cluster, found)),
    )
