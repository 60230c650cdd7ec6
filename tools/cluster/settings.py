"""Versions, addresses and places: everything that another machine or another release could want different."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent


def environment() -> dict[str, str]:
    """This process's environment, for programs that we start."""
    return dict(os.environ)  # noqa: TID251 - the one place of the tool


def _cache() -> Path:
    given = environment()
    user = Path(given.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given.get("SYNC_CLUSTER_CACHE") or user / "sync-cluster").absolute()


CACHE = _cache()
"""What was built; any of it can be built again."""
STATE = Path("/var/lib/sync-cluster")
"""Images, etcd's data, volumes, logs."""
RUN = Path("/run/sync-cluster")
"""Sockets, process ids, keys, kubeconfigs; gone with the cluster."""
LOGS = STATE / "logs"
PIDS = RUN / "pids"
KUBECONFIG = RUN / "kubeconfig" / "admin"
ONLY_IMAGES = STATE / "only-images"
"""There while containerd's database holds images and no container."""

ENVOY_VERSION, GATEWAY_API_VERSION = "1.40.0", "v1.6.3"  # go.mod pins everything else
PACKAGES = (
    "buildah",
    "ca-certificates",
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "iproute2",
    "iptables",
    "mmdebstrap",
    "openssl",
    "procps",
    "runc",
)
PYTHON_PACKAGES = "ca-certificates,python3,python3-pip,python3-venv,tzdata"
"""What the stand-in for python:3.11-slim holds."""
BASE_IMAGE = "localhost/python:3.11-slim"

NETNS = "sync-cluster"
NODE = "node"
NODE_ADDRESS = "10.50.0.1"
HOST_ADDRESS = "10.50.0.254"
HOST_NAME = "host.cluster.test"
POD_CIDR = "10.244.0.0/24"
SERVICE_CIDR = "10.96.0.0/16"
APISERVER_SERVICE = "10.96.0.1"
GATEWAY_ADDRESS = "10.96.0.80"
DOMAIN = "example.test"

SYSCTLS = (
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxbytes",
    "kernel.keys.root_maxkeys",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
)
"""The kubelet sets these for the whole machine; `down` puts them back."""


def names() -> dict[str, str]:
    """What the templates below config/ and manifests/ may name as $NAME."""
    return {name: str(value) for name, value in globals().items() if name.isupper()}
