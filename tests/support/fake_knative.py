"""What a cluster with Knative and a deployment answers to the plugin: objects, served by fake_kubernetes."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.fake_kubernetes import Answer, Asked, FakeKubernetes, fake_kubernetes, status

FUNCTIONS = ("cancel", "check", "console", "discover", "metrics", "read", "spec", "sweeper", "syncs", "tasks")
SERVING = "/apis/serving.knative.dev/v1/"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/"


@dataclass
class FakeKnative:
    """Objects by path; `forbidden` are beginnings of paths that the user may not read."""

    api: FakeKubernetes
    kubeconfig: Path
    objects: dict[str, Any] = field(default_factory=dict)
    services: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()

    def deploy(self, namespace: str = "sync-functions", url: str = "http://{}.sync-functions.example.com") -> None:
        """Deploy the functions, with the Secret that the how-to makes."""
        self.services[namespace] = [service(name, namespace, url.format(name)) for name in FUNCTIONS]

    def secret(self, name: str = "sync-secrets", namespace: str = "sync-functions", **values: str) -> None:
        """Make a Secret."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.objects[f"/api/v1/namespaces/{namespace}/secrets/{name}"] = {"data": data}

    def answer(self, asked: Asked, _: int) -> Answer:
        """Answer as the API server does."""
        if asked.path.startswith(self.forbidden) and self.forbidden:
            return status(403, "Forbidden", f'User "us" cannot read {asked.path}')
        if asked.path.startswith(SERVING):
            assert asked.query == {"labelSelector": "app.kubernetes.io/part-of=sync-functions"}
            namespace = asked.path.removeprefix(SERVING).removesuffix("services").removeprefix("namespaces/").strip("/")
            chosen = [namespace] if namespace else list(self.services)
            return 200, {"items": [one for name in chosen for one in self.services.get(name, [])]}
        found = self.objects.get(asked.path)
        return (200, found) if found else status(404, "NotFound", asked.path)


def service(name: str, namespace: str, url: str) -> dict[str, Any]:
    """A Knative Service; `url` "" is one that is not ready."""
    labels = {"app.kubernetes.io/component": name, "app.kubernetes.io/version": "0.1.0"}
    sources = [{"configMapRef": {"name": "sync-settings"}}, {"secretRef": {"name": "sync-secrets"}}]
    local = f"http://{name}.{namespace}.svc.cluster.local"
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"template": {"spec": {"containers": [{"image": "i", "envFrom": sources}]}}},
        "status": {"url": local if name == "sweeper" else url} if url else {},
    }


@contextmanager
def fake_knative(folder: Path) -> Iterator[FakeKnative]:
    """A running API server without a deployment, and a kubeconfig for it in `folder`."""
    with fake_kubernetes() as api:
        path = folder / "secrets" / "kubeconfig"  # a folder that may hold secrets
        path.parent.mkdir()
        path.write_text(api.kubeconfig.replace("current-context: nowhere", "current-context: used"))
        knative = FakeKnative(api, path)
        api.fail = knative.answer
        yield knative
