"""Keys, kubeconfigs and the daemons' configuration files."""

import base64
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from tools.cluster.processes import Part, run, substitute
from tools.cluster.settings import APISERVER_SERVICE, HERE, NETNS, NODE, NODE_ADDRESS, RUN

_PKI = RUN / "pki"
_WHO = {
    # who starts with the token: (user, groups)
    "admin": ("admin", "system:masters"),
    "coredns": ("coredns", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
}


def write_keys(folder: Path = _PKI, addresses: Sequence[str] = ("127.0.0.1", APISERVER_SERVICE, NODE_ADDRESS)) -> None:
    """An authority of our own, and what it signs, for an API server at these addresses."""
    folder.mkdir()
    # Without a configuration of its own, openssl adds the system's extensions.
    (folder / "openssl.cnf").write_text("[req]\ndistinguished_name = name\n[name]\n")
    _certify(folder, "ca", "/CN=sync-cluster", "basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign")
    names = ["localhost", *(f"kubernetes{rest}" for rest in ("", ".default", ".default.svc"))]
    names.append("kubernetes.default.svc.cluster.local")
    alternatives = ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])
    _certify(folder, "apiserver", "/CN=kube-apiserver", f"subjectAltName={alternatives}")
    _certify(folder, "kubelet-client", "/O=system:masters/CN=kube-apiserver", "extendedKeyUsage=clientAuth")
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "accounts.key")


def write_kubeconfigs() -> None:
    """A kubeconfig for each of our users, and the list of their tokens for the API server."""
    folder = RUN / "kubeconfig"
    folder.mkdir()
    lines = []
    for name, (user, groups) in _WHO.items():
        token = secrets.token_hex(16)
        lines.append(f'{token},{user},{name},"{groups}"\n')
        (folder / name).write_text(kubeconfig(f"https://{NODE_ADDRESS}:6443", token, _PKI))
        (folder / name).chmod(0o600)
    (RUN / "tokens.csv").write_text("".join(lines))


def write_configuration(pause_image: str) -> None:
    """The files below config/, with this cluster's names in them."""
    source, target = HERE / "config", RUN / "config"
    for template in (path for path in source.rglob("*") if path.is_file()):
        file = target / template.relative_to(source)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(substitute(template, PAUSE_IMAGE=pause_image))


def _certify(folder: Path, name: str, subject: str, *extensions: str) -> None:
    command: list[Part] = ["openssl", "req", "-config", folder / "openssl.cnf", "-x509", "-days", "3650"]
    command += ["-newkey", "ec", "-nodes", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", subject]
    command += ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"]
    if name != "ca":
        command += ["-CA", folder / "ca.crt", "-CAkey", folder / "ca.key"]
    for extension in extensions:
        command += ["-addext", extension]
    run(*command, quiet=True)


def kubeconfig(server: str, token: str, keys: Path) -> str:
    """The text of a kubeconfig for one user of one API server."""
    authority = base64.b64encode((keys / "ca.crt").read_bytes()).decode()
    cluster = {"server": server, "certificate-authority-data": authority}
    document = {  # JSON is YAML
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NETNS, "cluster": cluster}],
        "users": [{"name": NETNS, "user": {"token": token}}],
        "contexts": [{"name": NETNS, "context": {"cluster": NETNS, "user": NETNS}}],
        "current-context": NETNS,
    }
    return json.dumps(document, indent=2)
