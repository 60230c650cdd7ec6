"""The cluster's daemons: their command lines, and their processes."""

import os
import signal
import subprocess
import time
from pathlib import Path

from tools.cluster import control_plane, network
from tools.cluster.builds import addons, kubernetes
from tools.cluster.processes import Part, run, succeeds
from tools.cluster.settings import (
    KUBECONFIG,
    LOGS,
    NODE,
    NODE_ADDRESS,
    PIDS,
    RUN,
    SERVICE_CIDR,
    STATE,
)

# The control plane's first; the rest need its answers.
EARLY = ("containerd", "etcd", "kube-apiserver")
LATE = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns")
ALL = EARLY + LATE

CTR: tuple[Part, ...] = ("ctr", "--address", RUN / "containerd.sock", "--namespace", "k8s.io")

_ETCD = "http://127.0.0.1:2379"


def start(name: str) -> None:
    """Starts a daemon in the cluster's network."""
    command = [*network.ENTER, *_command_lines()[name]]
    with (LOGS / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    (PIDS / name).write_text(f"{process.pid} {_start_time(process.pid)}")


def stop(name: str, how: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
    """Ends a daemon, by force where it takes too long."""
    pid = _pid(name)
    if pid is None:
        return
    os.kill(pid, how)
    deadline = time.monotonic() + seconds
    while alive(name) and time.monotonic() < deadline:
        time.sleep(0.05)
    if alive(name):
        os.kill(pid, signal.SIGKILL)


def alive(name: str) -> bool:
    """Whether a daemon of ours runs."""
    return _pid(name) is not None


def dead() -> list[str]:
    """The daemons that were started and have ended."""
    return [path.name for path in PIDS.glob("*") if not alive(path.name)]


def kubectl(*arguments: Part) -> str:
    """Runs kubectl as the cluster's administrator."""
    return run(*_kubectl(*arguments))


def kubectl_succeeds(*arguments: Part) -> bool:
    """Whether kubectl succeeds."""
    return succeeds(*_kubectl(*arguments))


def _kubectl(*arguments: Part) -> list[Part]:
    return [kubernetes() / "kubectl", "--kubeconfig", KUBECONFIG, *arguments]


def _pid(name: str) -> int | None:
    try:
        pid, started = (PIDS / name).read_text().split()
    except FileNotFoundError:
        return None
    return int(pid) if _start_time(int(pid)) == started else None


def _start_time(pid: int) -> str | None:
    """When a process started, in ticks: tells it from a later one of the same id."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]


def _command_lines() -> dict[str, list[Part]]:
    config, identity = RUN / "config", RUN / "kubeconfig"
    return {
        "etcd": control_plane.etcd(STATE / "etcd", _ETCD, "http://127.0.0.1:2380"),
        "containerd": ["containerd", "--config", config / "containerd.toml"],
        "kube-apiserver": _apiserver(),
        "kube-controller-manager": _controller_manager(),
        "kube-scheduler": [
            kubernetes() / "kube-scheduler",
            f"--kubeconfig={identity}/kube-scheduler",
            "--leader-elect=false",
            f"--cert-dir={RUN}/certs",
        ],
        "kubelet": [
            kubernetes() / "kubelet",
            f"--config={config}/kubelet.yaml",
            f"--kubeconfig={identity}/kubelet",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={STATE}/kubelet",
            f"--cert-dir={RUN}/certs",
        ],
        "kube-proxy": [
            kubernetes() / "kube-proxy",
            f"--config={config}/kube-proxy.yaml",
            f"--hostname-override={NODE}",
        ],
        "coredns": [addons() / "coredns", "-conf", config / "Corefile"],
    }


def _apiserver() -> list[Part]:
    more: list[Part] = [f"--advertise-address={NODE_ADDRESS}", f"--service-cluster-ip-range={SERVICE_CIDR}"]
    more += ["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"]
    more += ["--kubelet-preferred-address-types=InternalIP"]
    return control_plane.apiserver(_ETCD, 6443, RUN / "pki", RUN / "tokens.csv", *more)


def _controller_manager() -> list[Part]:
    pki = RUN / "pki"
    return [
        kubernetes() / "kube-controller-manager",
        f"--kubeconfig={RUN}/kubeconfig/kube-controller-manager",
        f"--service-account-private-key-file={pki}/accounts.key",
        f"--root-ca-file={pki}/ca.crt",
        "--use-service-account-credentials",
        "--leader-elect=false",
        f"--cert-dir={RUN}/certs",
    ]
