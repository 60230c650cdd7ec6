"""Knative's manifests, out of the Go modules that its programs are built from, and their installation."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tools.cluster import builds, daemons
from tools.cluster.daemons import kubectl
from tools.cluster.processes import digest, phase, run, substitute, wait_until
from tools.cluster.settings import CACHE, HERE, RUN

NAMESPACES = ("knative-serving", "kourier-system", "knative-eventing")
INSTALLED = RUN / "knative-installed"

# A package of the module, then the folder below the module's root.
_FOLDERS = {
    "serving": [
        ("knative.dev/serving/config/core", "config/core"),
        # In serving's repository these are symlinks, which modules leave out.
        ("knative.dev/networking/config", "config"),
        ("knative.dev/caching/config", "config"),
    ],
    "kourier": [("knative.dev/net-kourier/config", "config")],
    "eventing": [
        ("knative.dev/eventing/config/core", "config/core"),
        ("knative.dev/eventing/config/core", "third_party/eventing-integrations-latest"),
    ],
}
# Of no use on one node, or programs that are not built here.
_UNUSED_KINDS = frozenset({"HorizontalPodAutoscaler", "PodDisruptionBudget"})
_UNUSED_FILES = frozenset({"job-sink.yaml", "request-reply.yaml"})


def manifests() -> Path:
    """A folder with what `kubectl apply` takes: crds.yaml, then rest.yaml."""
    template = HERE / "manifests" / "kustomization.yaml"

    def make(output: Path) -> None:
        ours = substitute(template, ENVOY_IMAGE=f"dev.local/envoy:{builds.image_tag()}")
        (output / "kustomization.yaml").write_text(ours)
        for name, folders in _FOLDERS.items():
            _write(output / f"{name}.yaml", [d for package, folder in folders for d in _documents(package, folder)])
        rendered = _split(run(builds.kubernetes() / "kubectl", "kustomize", output))
        crds = [document for document in rendered if _kind(document) == "CustomResourceDefinition"]
        _write(output / "crds.yaml", crds)
        _write(output / "rest.yaml", [document for document in rendered if document not in crds])

    key = digest(template, Path(__file__), builds.image_tag())
    return builds.once(CACHE / f"manifests-{key}", make)


def install() -> None:
    """Applies the manifests and waits until everything is ready; its images must be loaded."""
    with phase("knative manifests"):
        _apply(manifests() / "crds.yaml")
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        _apply(manifests() / "rest.yaml")
    with phase("knative ready"):
        for namespace in NAMESPACES:
            kubectl("wait", "--for=condition=Available", "deployment", "--all", "-n", namespace, "--timeout=240s")
        wait_until("the webhooks have their certificates", _webhooks_are_signed, daemons.dead)
    INSTALLED.touch()


def _apply(file: Path) -> None:
    kubectl("apply", "--server-side", "--force-conflicts", "-f", file)


def _webhooks_are_signed() -> bool:
    listed = kubectl("get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "json")
    webhooks = [hook for item in json.loads(listed)["items"] for hook in item.get("webhooks", [])]
    return all(hook["clientConfig"].get("caBundle") for hook in webhooks)


def _documents(package: str, folder: str) -> Iterator[str]:
    """The YAML documents below a folder of a Go module, with our images in them."""
    # By a package: `go list -m` asks the proxy for more, which it may refuse.
    root = Path(builds.go("addons", "list", "-f", "{{.Module.Dir}}", package).strip()) / folder
    for file in sorted(root.rglob("*.yaml")):
        if file.name in _UNUSED_FILES:
            continue
        image = rf"dev.local/\1-\2:{builds.image_tag()}"
        text = re.sub(r"ko://knative\.dev/([\w-]+)/cmd/(\w+)", image, file.read_text())
        yield from (document for document in _split(text) if _kind(document) not in _UNUSED_KINDS)


def _write(file: Path, documents: list[str]) -> None:
    file.write_text("\n---\n".join(documents))


def _kind(document: str) -> str:
    found = re.search(r"^kind: (\w+)", document, re.MULTILINE)
    return found[1] if found else ""


def _split(text: str) -> list[str]:
    return [document for document in re.split(r"^---\s*$", text, flags=re.MULTILINE) if _kind(document)]
