"""A container's manifest to what a process needs: arguments, environment, folders, memory limit.

A mounted volume is a folder of the pod's own. Scripts find it by a variable, MOUNT_PIPES for what is mounted at /pipes;
a variable that holds a path below a mount is given the path below that folder.
"""

import os
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import Refused
from common.pods.quantities import quantity
from common.pods.scripts import mount_variable
from embedded.pods.manifest import Container, Variable
from embedded.pods.pod_dir import PodFolder

MARKER = "EMBEDDED_POD_UID"
"""Every process of a pod carries this variable, so that a clean-up after a crash finds strays."""

SIDECAR_VARIABLES = {"MALLOC_TRIM_THRESHOLD_": "8388608", "MALLOC_MMAP_THRESHOLD_": "2097152"}
"""The ENV of images/sidecar/Dockerfile: glibc keeps freed memory, whose pages it would else request for each chunk."""

Secrets = Mapping[str, Mapping[str, bytes]]

_VARIABLE = re.compile(r"\$(?:\$|\(([^()]*)\))")


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
    log_is_message: bool = False
    """If it fails, the end of its log is its termination message (FallbackToLogsOnError)."""
    runtime: str = ""
    """The program that runs a real container, as whose client this process runs."""
    container: str = ""
    """That container's name."""


def launch(
    container: Container,
    folder: PodFolder,
    secrets: Secrets,
    basis: Mapping[str, str],
    *,
    entry_point: str | None = None,
    path_variables: Collection[str] = (),
) -> Launch:
    """Return how to start a container. Raise Refused if a Secret lacks a key.

    `basis` is what every container's environment begins with; `entry_point` the shell command line of a
    connector's image; `path_variables` are those that hold a path below a mount.
    """
    name = container.name
    home = folder.container(name)
    mounts = {mount.mount_path: folder.volume(mount.name) for mount in container.volume_mounts}
    own = {mount_variable(path): str(real) for path, real in mounts.items()}
    own |= _environment(container, secrets, mounts, path_variables)
    if entry_point is not None:
        own["AIRBYTE_ENTRYPOINT"] = entry_point
    image = SIDECAR_VARIABLES if entry_point is None and container.command is None else {}
    private = {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp")}
    limit = container.resources.limits.get("memory")
    return Launch(
        name=name,
        arguments=_arguments(container, own, entry_point),
        work=folder.work(name),
        log=folder.log(name),
        environment={**basis, **image, **private, **own},
        memory_bytes=None if limit is None else int(quantity(str(limit))),
        log_is_message=container.termination_message_policy == "FallbackToLogsOnError",
    )


def launch_container(
    container: Container, folder: PodFolder, secrets: Secrets, pod: str, runtime: str, client: Mapping[str, str]
) -> Launch:
    """Return how to run a container's image by a runtime's program; `client`: the environment of that program."""
    from embedded.containers import runtime as containers

    variables = _environment(container, secrets)
    limits = container.resources.limits
    wanted = containers.Wanted(
        name=f"sync-functions-{pod}-{container.name}",
        pod=pod,
        image=container.image,
        command=[expand(word, variables) for word in container.command or ()],
        mounts={folder.volume(mount.name): mount.mount_path for mount in container.volume_mounts},
        variables=variables,
        memory_bytes=int(quantity(limits["memory"])) if "memory" in limits else None,
        cpus=str(quantity(limits["cpu"])) if "cpu" in limits else "",
    )
    return Launch(
        name=container.name,
        arguments=containers.arguments(runtime, wanted, client),
        work=folder.work(container.name),
        log=folder.log(container.name),
        environment={**variables, **client},
        runtime=runtime,
        container=wanted.name,
    )


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand $(NAME) and $$ as a kubelet does: an unknown name stays as it is written."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return _VARIABLE.sub(value, text)


def _environment(
    container: Container, secrets: Secrets, mounts: Mapping[str, Path] = {}, path_variables: Collection[str] = ()
) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable in container.env:
        moved = mounts if variable.name in path_variables else {}
        values[variable.name] = _value(variable, moved, secrets, values)
    return values


def _value(variable: Variable, mounts: Mapping[str, Path], secrets: Secrets, before: Mapping[str, str]) -> str:
    if key := variable.value_from.secret_key_ref:
        try:
            return os.fsdecode(secrets[key.name][key.key])
        except KeyError as exc:
            raise Refused(f"couldn't find key {key.key} in Secret {key.name}") from exc
    text = variable.value
    for path, real in mounts.items():
        if text == path or text.startswith(f"{path}/"):
            return f"{real}{text.removeprefix(path)}"
    return expand(text, before)


def _arguments(container: Container, variables: Mapping[str, str], entry_point: str | None) -> list[str]:
    if container.command is not None:
        return [expand(word, variables) for word in container.command]
    return [sys.executable, "-m", "sidecar"] if entry_point is None else ["sh", "-c", entry_point]
