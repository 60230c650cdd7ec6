"""The command line of docker and podman, which is the same as far as it is used here.

A container runs attached, as a process does: the client passes SIGTERM on, and ends with the connector's exit code. It
is not removed by itself (--rm), so that why it ended can still be asked for.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from common import images
from common.errors import Refused, SettingsError, Unavailable

SETTING = "SYNCCTL_RUNTIME"
LABEL = "sync-functions.pod"
_ASK_SECONDS = 60
_PULL_SECONDS = 1800
_FOR_GOOD = (
    "manifest unknown", "not found", "no such image", "does not exist", "access to the resource is denied",
    "pull access denied", "unauthorized", "invalid reference", "no image found in manifest list",
    "no matching manifest",
)  # fmt: skip
"""In what a failed pull prints: another try does not help."""


class Runtime(StrEnum):
    """What runs connectors: Python packages as processes of this machine, or a program that runs their images."""

    PROCESSES = "processes"
    DOCKER = "docker"
    PODMAN = "podman"


class Wanted(Struct, frozen=True):
    """A container as it is to be run; `mounts` maps folders of this machine to paths in it."""

    name: str
    pod: str
    image: str
    command: Sequence[str]
    mounts: Mapping[Path, str]
    variables: Mapping[str, str]
    memory_bytes: int | None = None
    cpus: str = ""


def find(runtime: Runtime) -> str:
    """Return the program's path, "" for processes. Raise SettingsError if it is missing, or does not work."""
    if runtime is Runtime.PROCESSES:
        return ""
    program = shutil.which(runtime)
    if program is None:
        raise SettingsError(
            f"{SETTING}={runtime} (--runtime): this machine has no program {runtime}. Install it, such as by "
            f"`apt install {'docker.io' if runtime is Runtime.DOCKER else 'podman'}`, or leave the setting out."
        )
    code, output = _ask(program, "info")
    if code:
        raise SettingsError(f"{SETTING}={runtime} (--runtime): `{runtime} info` fails: {_last_line(output)}.")
    return program


def reference(image: str) -> str:
    """Return an image's name with its registry: podman guesses none."""
    package, version = images.split(image)
    return f"{images.normalized(package)}{'@' if ':' in version else ':'}{version or 'latest'}"


def has(program: str, image: str) -> bool:
    """Tell whether an image is on this machine."""
    return _ask(program, "image", "inspect", reference(image))[0] == 0


def pull(program: str, image: str) -> None:
    """Fetch an image. Raise Refused if another try cannot help, else Unavailable."""
    code, output = _ask(program, "pull", "--quiet", reference(image), seconds=_PULL_SECONDS)
    if code:
        why = f"{Path(program).name} cannot pull {image}: {_last_line(output)}."
        raise (Refused if any(words in output.lower() for words in _FOR_GOOD) else Unavailable)(why)


def arguments(program: str, wanted: Wanted, client: Mapping[str, str]) -> list[str]:
    """Return the command that runs a container.

    Its variables come from its client's, which no list of processes shows; but for those that the client needs itself.
    """
    variables = [f"{name}={value}" if name in client else name for name, value in wanted.variables.items()]
    entry = ("--entrypoint", wanted.command[0]) if wanted.command else ()
    account = f"{os.getuid()}:{os.getgid()}"
    return [
        program,
        "run",
        *("--name", wanted.name, "--label", f"{LABEL}={wanted.pod}"),
        *("--pull", "never", "--network", "host"),  # which reaches the databases of this machine
        # The account that owns the folders; they are for nobody else.
        *("--user", account, *(["--userns", "keep-id"] if _is_rootless_podman(program) else [])),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"),
        *(part for path, at in wanted.mounts.items() for part in ("--volume", f"{path}:{at}")),
        *(part for variable in variables for part in ("--env", variable)),
        *(["--memory", str(wanted.memory_bytes)] if wanted.memory_bytes else []),
        *(["--cpus", wanted.cpus] if wanted.cpus else []),
        *entry,
        reference(wanted.image),
        *wanted.command[1:],
    ]


def was_out_of_memory(program: str, name: str) -> bool:
    """Tell whether the kernel killed an ended container for its memory."""
    code, output = _ask(program, "container", "inspect", name)
    with suppress(ValueError, LookupError, TypeError):
        state: Any = json.loads(output)[0]["State"]
        return code == 0 and bool(state["OOMKilled"])
    return False


def remove(program: str, name: str) -> None:
    """Kill a container and delete what is left of it; one that is gone is fine."""
    _ask(program, "rm", "--force", name)


def remove_of_pod(program: str, uid: str) -> None:
    """Remove the containers of a pod, which nobody runs any more."""
    _, output = _ask(program, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={uid}")
    for found in output.split():
        remove(program, found)


def _is_rootless_podman(program: str) -> bool:
    return Path(program).name == Runtime.PODMAN and os.getuid() != 0


def _ask(program: str, *arguments: str, seconds: float = _ASK_SECONDS) -> tuple[int, str]:
    try:
        done = subprocess.run(
            [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {seconds:.0f} seconds"
    except OSError as error:
        return 1, str(error.strerror)
    return done.returncode, (done.stderr if done.returncode else done.stdout).decode(errors="replace")


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["it prints nothing"])[-1].removeprefix("Error: ").rstrip(".")
