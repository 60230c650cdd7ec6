"""etcd and kube-apiserver: their command lines; and the two alone, for whoever needs an API server and no node.

Alone they listen on loopback, on ports that are free, and keep everything in the caller's folder: a cluster that runs
beside them notices nothing.
"""

import contextlib
import http.client
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import identities
from tools.cluster.builds import kubernetes
from tools.cluster.processes import ClusterError, Part

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 90.0


def etcd(data: Path, clients: str, peers: str) -> list[Part]:
    """etcd's command line; what it would lose in a crash of the machine is thrown away anyway."""
    return [
        "etcd",
        f"--data-dir={data}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        "--unsafe-no-fsync",
    ]


def apiserver(etcd_url: str, port: int, keys: Path, tokens: Path, *more: Part) -> list[Part]:
    """The API server's command line; `keys` is filled by identities.write_keys."""
    return [
        kubernetes() / "kube-apiserver",
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        "--allow-privileged",
        f"--client-ca-file={keys}/ca.crt",
        f"--token-auth-file={tokens}",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--kubelet-client-certificate={keys}/kubelet-client.crt",
        f"--kubelet-client-key={keys}/kubelet-client.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={keys}/accounts.key",
        f"--service-account-signing-key-file={keys}/accounts.key",
        *more,
    ]


def missing() -> str:
    """What is not on this machine, and what makes it; "" where nothing is missing."""
    if (kubernetes() / "kube-apiserver").exists() and shutil.which("etcd"):
        return ""
    return "The programs of Kubernetes are not built; run `.venv/bin/python -m tools.cluster build --no-knative`."


@dataclass(frozen=True)
class ControlPlane:
    """An API server that answers; `token` is its administrator's."""

    port: int
    token: str
    kubeconfig: str
    trust: ssl.SSLContext
    processes: dict[str, int]
    """The ids of etcd's process and the API server's, by name."""

    def connect(self) -> http.client.HTTPSConnection:
        """A connection for one thread."""
        return http.client.HTTPSConnection(_LOOPBACK, self.port, timeout=60, context=self.trust)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[ControlPlane]:
    """Starts the two, waits until the API server is ready, and ends both; raises ClusterError."""
    if lacks := missing():
        raise ClusterError(lacks)
    etcd_port, peer_port, port = _free_ports(3)
    etcd_url = f"http://{_LOOPBACK}:{etcd_port}"
    keys, token = folder / "keys", secrets.token_hex(16)
    identities.write_keys(keys, [_LOOPBACK])
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    local: list[Part] = [f"--bind-address={_LOOPBACK}", f"--advertise-address={_LOOPBACK}"]
    # Nobody reaches a Service here, and an address of loopback is no endpoint.
    local += ["--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none", "--authorization-mode=RBAC"]
    commands = {
        "etcd": etcd(folder / "etcd", etcd_url, f"http://{_LOOPBACK}:{peer_port}"),
        "kube-apiserver": apiserver(etcd_url, port, keys, tokens, *local),
    }
    with contextlib.ExitStack() as running:
        processes = {name: running.enter_context(_running(folder, name, line)) for name, line in commands.items()}
        trust = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        kubeconfig = identities.kubeconfig(f"https://{_LOOPBACK}:{port}", token, keys)
        made = ControlPlane(port, token, kubeconfig, trust, {name: p.pid for name, p in processes.items()})
        _wait(made, processes, folder)
        yield made


@contextlib.contextmanager
def _running(folder: Path, name: str, command: list[Part]) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / f"{name}.log").open("wb") as log:
        # Whatever ends us ends them too, also where nothing is left that could.
        line = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
        process = subprocess.Popen(line, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()  # what they would save is thrown away
        process.wait()


def _wait(made: ControlPlane, processes: dict[str, "subprocess.Popen[bytes]"], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(made):
        for name, process in processes.items():
            if process.poll() is not None or time.monotonic() > deadline:
                end = (folder / f"{name}.log").read_text(errors="replace").splitlines()[-5:]
                raise ClusterError("\n".join([f"{name} does not answer; its log ends:", *end]))
        time.sleep(0.1)


def _is_ready(made: ControlPlane) -> bool:
    connection = made.connect()
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {made.token}"})
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((_LOOPBACK, 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
