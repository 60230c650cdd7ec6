"""Kubernetes, Knative, and the kind of declared syncs: are they there, and new enough?"""

import re
from collections.abc import Iterator
from typing import Any

from common import VERSION
from syncctl.doctor.finding import Finding, failed, ok, warning
from syncctl.kn.kube import Kubernetes

KUBERNETES, KNATIVE = (1, 29), (1, 17)
"""The oldest versions that docs/how-to/deploy.md names."""
_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/syncs.sync-functions.dev"
_SYNCS = "v1alpha1"
_VERSION_LABEL = "app.kubernetes.io/version"
_INSTALL = "Upgrade it by its own instructions; docs/how-to/deploy.md names the versions."


def kubernetes(cluster: Kubernetes) -> Iterator[Finding]:
    """Yield the API server's version."""
    found = cluster.get("/version", "reading the version of Kubernetes") or {}
    yield _judged("kubernetes", "Kubernetes", str(found.get("gitVersion", "")), KUBERNETES)


def knative(cluster: Kubernetes) -> Iterator[Finding]:
    """Yield the versions of Serving and Eventing, as the labels of their namespaces have them."""
    for name in ("serving", "eventing"):
        path = f"/api/v1/namespaces/knative-{name}"
        found = cluster.get(path, f"reading the namespace knative-{name}")
        labels: dict[str, Any] = (found or {}).get("metadata", {}).get("labels") or {}
        title = f"Knative {name.capitalize()}"
        if found is None and name == "eventing":
            yield warning(
                "knative-eventing",
                "Knative Eventing is not there: verdicts, time-outs and retries wait for the CronJob.",
                "Install it, and apply the overlay again.",
            )
        else:
            yield _judged(f"knative-{name}", title, str(labels.get(_VERSION_LABEL, "")), KNATIVE)


def declared_syncs(cluster: Kubernetes) -> Iterator[Finding]:
    """Yield whether the CRD of declared syncs is there, in force, and of this version."""
    found = cluster.get(_CRD, "reading the CRD of declared syncs")
    if found is None:
        yield failed(
            "crd",
            "The CRD syncs.sync-functions.dev is missing: declared syncs are neither kept nor run.",
            "Apply the overlay again: `kubectl apply -k your-overlay/`.",
        )
        return
    served = {one["name"] for one in found["spec"]["versions"] if one.get("served")}
    conditions = {one["type"]: one["status"] for one in found.get("status", {}).get("conditions") or ()}
    label = (found["metadata"].get("labels") or {}).get(_VERSION_LABEL, "")
    if _SYNCS not in served or conditions.get("Established") != "True":
        yield failed(
            "crd",
            f"The CRD syncs.sync-functions.dev does not serve {_SYNCS}.",
            "Look at `kubectl describe crd syncs.sync-functions.dev`, and apply the overlay again.",
        )
    elif label != VERSION:
        yield warning(
            "crd",
            f"The CRD of declared syncs is of version {label or 'unknown'}, and this syncctl of {VERSION}.",
            "Apply the overlay of the version that you want to run.",
        )
    else:
        yield ok("crd", f"Declared syncs are served as {_SYNCS}.")


def _judged(check: str, title: str, text: str, oldest: tuple[int, int]) -> Finding:
    number = re.search(r"(\d+)\.(\d+)", text)
    wanted = ".".join(map(str, oldest))
    if number is None:
        return warning(
            check, f"The version of {title} is not known.", f"Make sure that it is {wanted} or later."
        )  # fmt: skip
    if (int(number[1]), int(number[2])) < oldest:
        return failed(check, f"{title} is {text}; {wanted} or later is needed.", _INSTALL)
    return ok(check, f"{title} is {text}.")
