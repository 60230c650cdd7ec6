"""A container's dict to what a process needs: arguments, environment, folders, memory limit."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import Refused
from embedded.pods.pod_dir import PodFolder

MARKER = "EMBEDDED_POD_UID"
"""Every process of a pod carries this variable, so that a clean-up after a crash finds strays."""

Container = Mapping[str, Any]
Secrets = Mapping[str, Mapping[str, bytes]]

# A path is replaced only as a whole or as the front of a longer one: not in /etc/config, ${X}/config,
# /config.json or http://host/config.
_BEFORE, _AFTER = r"(?<![\w./})-])", r"(?![\w.-])"
_VARIABLE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SHELL_SAFE = re.compile(r"[\w./+-]+")
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
    """How to start a container.

    `basis` is what every container's environment begins with; `entry_point` the shell command line of a
    connector's image. Raises Refused where a Secret lacks a key.
    """
    name = container["name"]
    home = folder.container(name)
    mounts = {m["mountPath"]: folder.volume(m["name"]) for m in container.get("volumeMounts") or ()}
    own = _environment(container, mounts, secrets)
    if entry_point is not None:
        own["AIRBYTE_ENTRYPOINT"] = entry_point
    private = {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp")}
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return Launch(
        name=name,
        arguments=_arguments(container, mounts, folder.work(name), own, entry_point),
        work=folder.work(name),
        log=folder.log(name),
        environment={**basis, **private, **own},
        memory_bytes=None if limit is None else quantity(str(limit)),
    )


def required_secrets(spec: Mapping[str, Any]) -> set[str]:
    """The Secrets without which a pod cannot start."""
    mounted = {volume["secret"]["secretName"] for volume in spec.get("volumes") or () if "secret" in volume}
    containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
    variables = (variable for container in containers for variable in container.get("env") or ())
    return mounted | {reference["name"] for v in variables if (reference := _reference(v))}


def quantity(text: str) -> int:
    """A Kubernetes quantity such as 512Mi, 2G or 1.5Gi as a number; raises Refused for any other text."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise Refused(f"The memory limit {text!r} is no quantity; write it like 512Mi or 2Gi.")
    return int(float(match[1]) * _FACTORS[match[2] or ""])


def expand(text: str, variables: Mapping[str, str]) -> str:
    """$(NAME) and $$ as a kubelet expands them: an unknown name stays as it is written."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return _VARIABLE.sub(value, text)


def _environment(container: Container, mounts: Mapping[str, Path], secrets: Secrets) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable in container.get("env") or ():
        if reference := _reference(variable):
            values[variable["name"]] = _secret_value(secrets, reference["name"], reference["key"])
        else:
            text = _move(variable.get("value") or "", {path: str(real) for path, real in mounts.items()})
            values[variable["name"]] = expand(text, values)
    return values


def _reference(variable: Mapping[str, Any]) -> Mapping[str, str] | None:
    reference: Mapping[str, str] | None = (variable.get("valueFrom") or {}).get("secretKeyRef")
    return reference


def _secret_value(secrets: Secrets, name: str, key: str) -> str:
    try:
        return os.fsdecode(secrets[name][key])
    except KeyError as exc:
        raise Refused(f"couldn't find key {key} in Secret {name}") from exc


def _arguments(
    container: Container,
    mounts: Mapping[str, Path],
    work: Path,
    variables: Mapping[str, str],
    entry_point: str | None,
) -> list[str]:
    command = container.get("command")
    if command is not None:
        paths = {path: _for_shell(real, work) for path, real in mounts.items()}
        return [expand(_move(word, paths), variables) for word in command]
    return [sys.executable, "-m", "sidecar"] if entry_point is None else ["sh", "-c", entry_point]


def _move(text: str, paths: Mapping[str, str]) -> str:
    """Puts the pod's own folders where the text names mount paths."""
    if not paths:
        return text
    longest_first = sorted(paths, key=len, reverse=True)
    pattern = _BEFORE + "(" + "|".join(map(re.escape, longest_first)) + ")" + _AFTER
    return re.sub(pattern, lambda match: paths[match[1]], text)


def _for_shell(path: Path, work: Path) -> str:
    """The path as a word that no shell splits or expands, however often it reads it.

    Quotes would not survive the `eval` in a connector's line; a path relative to the working directory
    holds nothing but names from the pod.
    """
    absolute = str(path)
    return absolute if _SHELL_SAFE.fullmatch(absolute) else os.path.relpath(path, work)
