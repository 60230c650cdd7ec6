"""A container's manifest to what a process needs: arguments, environment, folders, memory limit.

A mounted volume is a folder of the pod's own. Scripts find it by a variable, MOUNT_PIPES for what is mounted at /pipes;
a variable that holds a path below a mount is given the path below that folder.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import Refused
from common.pods.containers import PATHS
from common.pods.scripts import mount_variable
from embedded.pods.manifest import Container, Variable
from embedded.pods.pod_dir import PodFolder

MARKER = "EMBEDDED_POD_UID"
"""Every process of a pod carries this variable, so that a clean-up after a crash finds strays."""

SIDECAR_VARIABLES = {"MALLOC_TRIM_THRESHOLD_": "8388608", "MALLOC_MMAP_THRESHOLD_": "2097152"}
"""The ENV of images/sidecar/Dockerfile: glibc keeps freed memory, whose pages it would else request for each chunk."""

Secrets = Mapping[str, Mapping[str, bytes]]

_VARIABLE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kMGTPE]i?|Ki|m)?")
_FACTORS = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)
}


@dataclass(frozen=True)
class Launch:
    """A container as a process to start."""

    name: str
    arguments: list[str]
    work: Path
    log: Path
    environment: dict[str, str] | None = field(default=None, repr=False)
    """None: the runner's own. Holds credentials."""
    memory_bytes: int | None = None


def launch(
    container: Container,
    folder: PodFolder,
    secrets: Secrets,
    basis: Mapping[str, str],
    *,
    entry_point: str | None = None,
) -> Launch:
    """Return how to start a container. Raise Refused if a Secret lacks a key.

    `basis` is what every container's environment begins with; `entry_point` the shell command line of a
    connector's image.
    """
    name = container.name
    home = folder.container(name)
    mounts = {mount.mount_path: folder.volume(mount.name) for mount in container.volume_mounts}
    own = {mount_variable(path): str(real) for path, real in mounts.items()}
    own |= _environment(container, mounts, secrets)
    if entry_point is not None:
        own["AIRBYTE_ENTRYPOINT"] = entry_point
    image = SIDECAR_VARIABLES if container.command is None and entry_point is None else {}
    private = {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp")}
    limit = container.resources.limits.get("memory")
    return Launch(
        name=name,
        arguments=_arguments(container, own, entry_point),
        work=folder.work(name),
        log=folder.log(name),
        environment={**basis, **image, **private, **own},
        memory_bytes=None if limit is None else quantity(str(limit)),
    )


def quantity(text: str) -> int:
    """Return a Kubernetes quantity such as 512Mi, 2G or 1.5Gi as a number; raise Refused for any other text."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise Refused(f"The memory limit {text!r} is no quantity; write it like 512Mi or 2Gi.")
    return int(float(match[1]) * _FACTORS[match[2] or ""])


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand $(NAME) and $$ as a kubelet does: an unknown name stays as it is written."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return _VARIABLE.sub(value, text)


def _environment(container: Container, mounts: Mapping[str, Path], secrets: Secrets) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable in container.env:
        values[variable.name] = _value(variable, mounts, secrets, values)
    return values


def _value(variable: Variable, mounts: Mapping[str, Path], secrets: Secrets, before: Mapping[str, str]) -> str:
    if key := variable.value_from.secret_key_ref:
        try:
            return os.fsdecode(secrets[key.name][key.key])
        except KeyError as exc:
            raise Refused(f"couldn't find key {key.key} in Secret {key.name}") from exc
    text = variable.value
    for path, real in mounts.items() if variable.name in PATHS else ():
        if text == path or text.startswith(f"{path}/"):
            return f"{real}{text.removeprefix(path)}"
    return expand(text, before)


def _arguments(container: Container, variables: Mapping[str, str], entry_point: str | None) -> list[str]:
    if container.command is not None:
        return [expand(word, variables) for word in container.command]
    return [sys.executable, "-m", "sidecar"] if entry_point is None else ["sh", "-c", entry_point]
