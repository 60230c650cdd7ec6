"""Finds a deployment in the cluster: the namespace of its functions, their address, and a token that they accept."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

from common.errors import SyncError
from syncctl.api.client import FUNCTION
from syncctl.kn.kube import Denied, Kubernetes

LABELS = "app.kubernetes.io/part-of=sync-functions"
_COMPONENT = "app.kubernetes.io/component"
_SERVICES = "/apis/serving.knative.dev/v1/{}services"
_ROUTES = "/apis/gateway.networking.k8s.io/v1/{}httproutes"
_TOKENS = ("SYNCCTL_RAW_AUTH_TOKENS", "SYNCCTL_AUTH_TOKENS")
_SWEEP_TOKEN = "SWEEP_TOKEN"  # noqa: S105 - a key's name
_LOCAL = ".svc.cluster.local"

Object = dict[str, Any]


class Functions(Struct, frozen=True):
    """The Knative Services of one deployment, by the functions' names."""

    namespace: str
    services: dict[str, Object]

    @property
    def version(self) -> str:
        """The deployed version, as the labels name it."""
        labels = next(iter(self.services.values()))["metadata"]["labels"]
        return str(labels.get("app.kubernetes.io/version", ""))


def find(cluster: Kubernetes, namespace: str) -> Functions:
    """Return the deployment in a namespace; "": in the context's, else the only one. Raise SyncError without one."""
    here = namespace or cluster.namespace()
    try:
        if found := _deployments(cluster, here):
            return found[0]
    except Denied:
        if namespace:
            raise
    elsewhere = _elsewhere(cluster, here)
    names = ", ".join(sorted(one.namespace for one in elsewhere))
    if namespace:
        hint = f"There are some in: {names}." if names else "`kubectl get ksvc -A` lists Knative's Services."
        raise SyncError(f"The namespace {namespace} has no sync-functions. {hint}")
    if len(elsewhere) > 1:
        raise SyncError(f"There are several deployments of sync-functions; choose one with -n: {names}.")
    if not elsewhere:
        raise SyncError("This cluster has no sync-functions. Check --kubeconfig and --context, or pass --url.")
    return elsewhere[0]


def find_all(cluster: Kubernetes) -> list[Functions]:
    """Return the deployments of all namespaces, by name; there is one at least."""
    if found := _deployments(cluster, ""):
        return sorted(found, key=lambda one: one.namespace)
    raise SyncError("This cluster has no sync-functions. Check --kubeconfig and --context.")


def url(cluster: Kubernetes, functions: Functions) -> str:
    """Return the deployment's address: its HTTPRoute's, else its gateway's, else those of the Services.

    The first two are read only if the user may.
    """
    own = template(functions.services)
    if own and not _is_inside(own):
        return _gateway_url(cluster, functions.namespace) or own
    if found := _gateway_url(cluster, functions.namespace):
        return found
    where = functions.namespace
    raise SyncError(
        f"The functions in {where} answer inside the cluster alone. Open a way, such as `kubectl port-forward -n "
        f"{where} service/gateway 3043:80`, and pass --url http://127.0.0.1:3043."
        if own
        else f"The functions in {where} have no address yet; `kn service list -n {where}` shows why."
    )


def token(cluster: Kubernetes, functions: Functions) -> str:
    """Return a token that the functions accept, out of the Secrets that they are given; "" if they require none.

    Raise Denied if the user may not read those.
    """
    values: dict[str, str] = {}
    for name in _secrets(functions):
        path = f"/api/v1/namespaces/{quote(functions.namespace)}/secrets/{quote(name)}"
        found = cluster.get(path, f"reading the Secret {name}, which holds the functions' token")
        data = (found or {}).get("data") or {}
        values |= {
            key: base64.b64decode(data[key]).decode(errors="replace") for key in (*_TOKENS, _SWEEP_TOKEN) if key in data
        }
    return choose_token(values)


def choose_token(values: Mapping[str, str]) -> str:
    """Return a plain token; the sweep's own only if there is no other. Raise SyncError if all of them are hashes."""
    found = [(name, one.strip()) for name in _TOKENS for one in values.get(name, "").split(",") if one.strip()]
    plain = [one for name, one in found if name == _TOKENS[0] or "." not in one]
    if found and not plain:
        raise SyncError("The deployment's Secret holds its tokens as hashes alone: pass one with --token.")
    others = [one for one in plain if one != values.get(_SWEEP_TOKEN, "").strip()]
    return next(iter(others or plain), "")


def template(services: Mapping[str, Object]) -> str:
    """Return one address for all functions, in which FUNCTION stands for the name; "" if some have none.

    Raise SyncError if the addresses differ in more than the name.
    """
    urls = {name: str(one.get("status", {}).get("url", "")).rstrip("/") for name, one in services.items()}
    if not all(urls.values()):
        return ""
    name, example = next(iter(urls.items()))
    for found in re.finditer(re.escape(name), example):
        one = example[: found.start()] + FUNCTION + example[found.end() :]
        if all(one.replace(FUNCTION, other) == address for other, address in urls.items()):
            return one
    raise SyncError("The functions' addresses have no common form. Pass --url, with {function} for a function's name.")


def _deployments(cluster: Kubernetes, namespace: str) -> list[Functions]:
    """Return the deployments of a namespace, of all for ""; raise SyncError if the cluster has no Knative."""
    where = f"namespaces/{quote(namespace)}/" if namespace else ""
    doing = f"listing Knative's Services {f'in {namespace}' if namespace else 'of all namespaces'}"
    found = cluster.list(_SERVICES.format(where), LABELS, doing)
    if found is None:
        raise SyncError("This cluster has no Knative Serving. Check --kubeconfig and --context, or pass --url.")
    by_namespace: dict[str, dict[str, Object]] = {}
    for one in found:
        metadata = one["metadata"]
        # Nobody outside calls the sweeper: it has no address there.
        if (name := metadata["labels"].get(_COMPONENT)) and name != "sweeper":
            by_namespace.setdefault(metadata["namespace"], {})[name] = one
    return [Functions(name, services) for name, services in by_namespace.items()]


def _elsewhere(cluster: Kubernetes, here: str) -> Sequence[Functions]:
    try:
        return _deployments(cluster, "")
    except Denied:
        raise SyncError(
            f"The namespace {here} has no sync-functions, and you may not look into all others; choose one with -n."
        ) from None


def _gateway_url(cluster: Kubernetes, namespace: str) -> str:
    try:
        return _route_url(cluster, namespace) or _balancer_url(cluster, namespace)
    except Denied:
        return ""


def _route_url(cluster: Kubernetes, namespace: str) -> str:
    """Return the address of an HTTPRoute that names its host: https, if its Gateway has such a listener."""
    routes = cluster.list(_ROUTES.format(f"namespaces/{quote(namespace)}/"), LABELS, "listing HTTPRoutes") or []
    for route in routes:
        for host in route["spec"].get("hostnames") or ():
            if "*" not in host:
                return f"{_scheme(cluster, namespace, route['spec'].get('parentRefs') or ())}://{host}"
    return ""


def _scheme(cluster: Kubernetes, namespace: str, parents: Sequence[Object]) -> str:
    for parent in parents:
        where = f"namespaces/{quote(parent.get('namespace', namespace))}/gateways/{quote(parent['name'])}"
        try:
            gateway = cluster.get(f"/apis/gateway.networking.k8s.io/v1/{where}", "reading the Gateway") or {}
        except Denied:  # it is in another namespace, as a rule
            return "https"
        if any(one.get("protocol") == "HTTPS" for one in gateway.get("spec", {}).get("listeners", ())):
            return "https"
    return "http"


def _balancer_url(cluster: Kubernetes, namespace: str) -> str:
    """Return the address of the nginx gateway, if its Service is a LoadBalancer's."""
    path = f"/api/v1/namespaces/{quote(namespace)}/services/gateway"
    service = cluster.get(path, "reading the Service gateway") or {}
    for one in service.get("status", {}).get("loadBalancer", {}).get("ingress") or ():
        port = service["spec"]["ports"][0]["port"]
        host = one.get("hostname") or one.get("ip") or ""
        return f"http://{f'[{host}]' if ':' in host else host}" + (f":{port}" if port != 80 else "")
    return ""


def _secrets(functions: Functions) -> Iterator[str]:
    """Yield the Secrets whose keys are variables of the functions, of `tasks` if it is there."""
    service = functions.services.get("tasks") or next(iter(functions.services.values()))
    for container in service["spec"]["template"]["spec"]["containers"]:
        for source in container.get("envFrom") or ():
            if name := (source.get("secretRef") or {}).get("name"):
                yield name


def _is_inside(address: str) -> bool:
    return (urlsplit(address).hostname or "").endswith(_LOCAL)
