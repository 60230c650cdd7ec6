"""What calls the sweeper and what leads to the functions: CronJob, ApiServerSource, gateway, address."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from common.errors import SyncError
from syncctl.api.client import Deployment
from syncctl.api.errors import RequestRefused
from syncctl.doctor.finding import Finding, failed, ok, warning
from syncctl.doctor.installation import Installation
from syncctl.kn import locate
from syncctl.kn.kube import Denied, Kubernetes
from syncctl.kn.locate import Functions

_SUCCESS_SECONDS = 900.0
"""Twice the CronJob's period, and the length of one call."""
_SWEEP_SECONDS = 700.0
_JOBS = "/apis/batch/v1/namespaces/{}/cronjobs/sweep"
_SOURCES = "/apis/sources.knative.dev/v1/namespaces/{}/apiserversources/pod-events"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments/gateway"
_ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_APPLY = "Apply the overlay again: `kubectl apply -k your-overlay/`."
_WAIT = "verdicts, time-outs and retries wait for the CronJob"

Object = dict[str, Any]


class _Swept(Struct, frozen=True, rename="camel"):
    age_seconds: float = 0.0


class _Tasks(Struct, frozen=True, rename="camel"):
    last_sweep: _Swept | None = None


def cronjob(cluster: Kubernetes, installation: Installation, now: float) -> Iterator[Finding]:
    """Yield whether the CronJob is there, may run, and has succeeded lately; `now` in Unix seconds."""
    where = installation.namespace
    job = cluster.get(_JOBS.format(quote(where)), "reading the CronJob sweep")
    if job is None:
        yield failed("cronjob", f"The CronJob sweep is missing in {where}: nothing is concluded or retried.", _APPLY)
    elif job["spec"].get("suspend"):
        yield failed(
            "cronjob",
            "The CronJob sweep is suspended: what no event tells of is never concluded.",
            f"""`kubectl patch cronjob sweep -n {where} -p '{{"spec": {{"suspend": false}}}}'`, or apply again.""",
        )
    else:
        yield _succeeded(job, where, now)


def _succeeded(job: Object, where: str, now: float) -> Finding:
    status = job.get("status", {})
    last = status.get("lastSuccessfulTime")
    since = now - _seconds(last or job["metadata"]["creationTimestamp"])
    if since <= _SUCCESS_SECONDS:
        return ok("cronjob", "The CronJob sweep has succeeded lately." if last else "The CronJob sweep is new.")
    advice = f"Look at the log of its last Job: `kubectl logs -n {where} -l app.kubernetes.io/component=sweep`."
    return failed(
        "cronjob", f"No Job of the CronJob sweep has succeeded for {since / 60:.0f} minutes.", advice
    )  # fmt: skip


def events(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield whether changes of task pods are reported to the sweeper."""
    source = cluster.get(_SOURCES.format(quote(installation.namespace)), "reading the ApiServerSource pod-events")
    if source is None:
        yield warning("events", f"The ApiServerSource pod-events is missing: {_WAIT}.", _APPLY)
        return
    chosen = source["spec"].get("namespaceSelector", {}).get("matchLabels", {}).get(_NAMESPACE_LABEL)
    ready = {one["type"]: one for one in source.get("status", {}).get("conditions") or ()}.get("Ready", {})
    if chosen != installation.tasks:
        message = f"The ApiServerSource pod-events looks at the namespace {chosen}, not at {installation.tasks}"
        yield warning("events", f"{message}: {_WAIT}.", _APPLY)
    elif ready.get("status") != "True":
        yield warning(
            "events",
            f"The ApiServerSource pod-events is not ready ({ready.get('message') or 'no reason given'}): {_WAIT}.",
            f"Look at `kubectl describe apiserversource pod-events -n {installation.namespace}`.",
        )
    else:
        yield ok("events", "Changes of task pods are reported to the sweeper.")


def gateway(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield whether what stands before the functions works, if something does."""
    where = installation.namespace
    nginx = cluster.get(_DEPLOYMENTS.format(quote(where)), "reading the Deployment gateway")
    routes = cluster.list(_ROUTES.format(quote(where)), locate.LABELS, "listing HTTPRoutes") or []
    if nginx is not None:
        if not nginx.get("status", {}).get("availableReplicas"):
            advice = f"Look at `kubectl describe pods -n {where} -l app=gateway`."
            yield failed("gateway", "The gateway has no pod that is available: its base URL does not answer.", advice)
        else:
            yield ok("gateway", "The gateway is available.")
    for route in routes:
        name = route["metadata"]["name"]
        parents = route.get("status", {}).get("parents") or ()
        if not any(
            one["type"] == "Accepted" and one["status"] == "True" for parent in parents for one in parent["conditions"]
        ):
            yield failed(
                "gateway", f"No Gateway has accepted the HTTPRoute {name}.",
                f"Check its parentRefs: `kubectl describe httproute {name} -n {where}`.",
            )  # fmt: skip
        else:
            yield ok("gateway", f"The HTTPRoute {name} is accepted.")
    if nginx is None and not routes:
        yield ok("gateway", "No gateway is deployed: each function has an address of its own.")


def address(cluster: Kubernetes, installation: Installation) -> Iterator[Finding]:
    """Yield whether the functions answer this machine, and how long ago the last sweep was."""
    functions = Functions(
        installation.namespace, {name: one for name, one in installation.services.items() if name != "sweeper"}
    )  # fmt: skip
    try:
        url, token = locate.url(cluster, functions), locate.token(cluster, functions)
        with Deployment(url, token) as deployment:
            answer = deployment.ask(_Tasks, "GET", "/tasks", {"limit": "1"}, repeat=True, pauses=())
    except Denied:
        raise
    except RequestRefused as refused:
        yield failed("address", f"The functions refuse a list of tasks: {refused.message}", "Look at `tasks`' log.")
        return
    except SyncError as error:
        yield warning(
            "address", f"The functions do not answer this machine: {error.message}", "Mend it if they should."
        )
        return
    yield ok("address", f"The functions answer at {url}.")
    if answer.last_sweep and answer.last_sweep.age_seconds > _SWEEP_SECONDS:
        yield failed(
            "sweep", f"The last sweep was {answer.last_sweep.age_seconds / 60:.0f} minutes ago.",
            "See the CronJob and the sweeper's log; deployments that share these tables have sweeps of their own.",
        )  # fmt: skip


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).astimezone(UTC).timestamp()
