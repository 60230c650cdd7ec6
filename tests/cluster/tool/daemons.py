"""The cluster's daemons: their command lines, and their processes."""

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.cluster.tool import network
from tests.cluster.tool.builds import addons, kubernetes
from tests.cluster.tool.processes import Part, run, succeeds
from tests.cluster.tool.settings import (
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
        "etcd": _etcd(),
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


def _etcd() -> list[Part]:
    return [
        "etcd",
        f"--data-dir={STATE}/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
    ]


def _apiserver() -> list[Part]:
    pki = RUN / "pki"
    return [
        kubernetes() / "kube-apiserver",
        f"--etcd-servers={_ETCD}",
        f"--advertise-address={NODE_ADDRESS}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--allow-privileged",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={pki}/ca.crt",
        f"--token-auth-file={RUN}/tokens.csv",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/accounts.key",
        f"--service-account-signing-key-file={pki}/accounts.key",
    ]


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
