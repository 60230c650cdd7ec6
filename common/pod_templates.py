"""SYNCCTL_POD_TEMPLATES: what an operator adds to task pods, for all images or for some.

Read with the settings, so that what would break a pod's contract (docs/reference/contract.md C) stops the deployment by
name, and not each task. common.pods.templates merges them. What is not named here is the API server's to judge.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

VOLUMES = frozenset({"pipes", "configmap", "config", "resume", "references", "resolved"})
"""A task pod's own; each is mounted at its name."""
LABELS = ("jitsu.com/", "sync-functions/", "app.kubernetes.io/")
"""Prefixes of a task pod's own labels."""
ANNOTATIONS = frozenset({
    "TaskID", "TaskType", "SyncID", "StorageKey", "Package", "PackageVersion", "TableNamePrefix", "StartedBy",
    "StartedAt", "Attempt", "Retries", "TimeoutHours", "StallTimeoutSeconds", "References",
})  # fmt: skip
SOURCE_VARIABLES = frozenset({"AIRBYTE_ENTRYPOINT"})
SIDECAR_VARIABLES = frozenset({
    "ATTEMPT", "BULKER_ANY_NUMBER", "BULKER_AUTH_TOKEN", "BULKER_LOGS_CONNECTION_ID", "BULKER_URL", "COMMAND",
    "COMMIT_BYTES", "COMMIT_SECONDS", "CONFIG_FOLDER", "DATABASE_SCHEMA", "DATABASE_URL", "DRAIN_SECONDS",
    "ENCRYPTION_KEY", "EXIT_CODE_FILE", "FILES_FOLDER", "GRACE_SECONDS", "PACKAGE", "PACKAGE_VERSION",
    "PIPES_FOLDER", "REFERENCES", "REFERENCES_FOLDER", "RESOLVED_FILE", "RESOLVE_CONFIG", "RESUME_FOLDER",
    "SOURCE_ALIVE_FILE", "STALL_TIMEOUT_SECONDS", "STARTED_AT", "STARTED_BY", "STDERR_PIPE_FILE",
    "STDOUT_PIPE_FILE", "STORAGE_KEY", "STORE_PATIENCE_SECONDS", "SWEEP_WAIT_SECONDS", "SYNC_ID",
    "TABLE_NAME_PREFIX", "TASK_ID", "TASK_LOG_BYTES",
})  # fmt: skip
_SPEC: dict[str, type] = {
    "affinity": dict, "containers": list, "dnsConfig": dict, "dnsPolicy": str, "hostAliases": list,
    "imagePullSecrets": list, "nodeSelector": dict, "preemptionPolicy": str, "priorityClassName": str,
    "runtimeClassName": str, "schedulerName": str, "serviceAccountName": str, "tolerations": list,
    "topologySpreadConstraints": list, "volumes": list,
}  # fmt: skip
_CONTAINER: dict[str, type] = {"name": str, "env": list, "resources": dict, "volumeMounts": list}
_CONTAINERS = {"source": SOURCE_VARIABLES, "sidecar": SIDECAR_VARIABLES}
_METADATA: dict[str, type] = {"annotations": dict, "labels": dict}
_TEMPLATE: dict[str, type] = {"images": str, "metadata": dict, "spec": dict}
_WORDS: dict[type, str] = {dict: "a mapping", list: "a list", str: "a text; put it in quotes"}
_INSTEAD = {
    "activeDeadlineSeconds": "set SYNCCTL_TASK_TIMEOUT_HOURS",
    "terminationGracePeriodSeconds": "set SYNCCTL_CONTAINER_GRACE_SHUTDOWN_SECONDS",
    "image": "set SYNCCTL_SIDECAR_IMAGE for the sidecar",
    "envFrom": "list the variables in env",
    "initContainers": "a task pod has none: its sidecar makes what its source waits for",
}
_IMAGES = re.compile(r"(?:[\w.:\[\]*-]+/)?[\w.*-]+(?:/[\w.*-]+)*", re.ASCII)
Problem = tuple[str, str]
"""A place, and what was expected there."""


class PodTemplate(Struct, frozen=True):
    """Parts of a pod, wire-shaped, for task pods of these images: patterns as in SYNCCTL_ALLOWED_IMAGES, "" for all."""

    images: str
    metadata: dict[str, Any]
    spec: dict[str, Any]


def parse(value: Any) -> Any:
    """Return the templates of the setting's text; raise ValueError with all that is wrong, and never a value."""
    if not isinstance(value, str):
        return value
    import yaml  # type: ignore[import-untyped] # PyYAML ships no types

    try:
        found = yaml.safe_load(value)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"expected YAML; it cannot be read{f' in line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(found, list):
        problem = "expected a list of templates, such as [{images: airbyte/*, spec: {priorityClassName: low}}]"
        raise ValueError(problem)  # noqa: TRY004 - pydantic reports ValueErrors
    problems = [
        f"entry {number}: {place}: {expected}".replace(": : ", ": ")
        for number, one in enumerate(found, start=1)
        for place, expected in _check(one)
    ]
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(PodTemplate(one.get("images", ""), one.get("metadata", {}), one.get("spec", {})) for one in found)


def of_processes(templates: Iterable[PodTemplate]) -> tuple[PodTemplate, ...]:
    """Return what has an effect where pods are processes: variables and limits of memory."""
    kept = {"name", "env", "resources"}
    return tuple(
        PodTemplate(
            one.images,
            {},
            {
                "containers": [
                    {key: value for key, value in container.items() if key in kept}
                    for container in one.spec.get("containers", ())
                ]
            },
        )
        for one in templates
    )


def _check(template: Any) -> Iterator[Problem]:
    if problems := list(_members(template, _TEMPLATE)):
        yield from problems
        return
    if not all(_IMAGES.fullmatch(part.strip()) for part in template.get("images", "*").split(",")):
        yield "images", "expected names of images, separated by commas, without tags, such as airbyte/source-*"
    yield from _under("metadata", _check_metadata(template.get("metadata", {})))
    yield from _under("spec", _check_spec(template.get("spec", {})))
    yield from _strange(template)


def _check_metadata(metadata: dict[str, Any]) -> Iterator[Problem]:
    if problems := list(_members(metadata, _METADATA)):
        yield from problems
        return
    for kind, is_own in (("annotations", ANNOTATIONS.__contains__), ("labels", _is_own_label)):
        for name, value in metadata.get(kind, {}).items():
            if is_own(name):
                yield f"{kind}.{name}", "expected another name; this one is the task's own"
            elif not isinstance(value, str):
                yield f"{kind}.{name}", f"expected {_WORDS[str]}"


def _is_own_label(name: str) -> bool:
    return str(name).startswith(LABELS)


def _check_spec(spec: dict[str, Any]) -> Iterator[Problem]:
    if problems := list(_members(spec, _SPEC)):
        yield from problems
        return
    for index, volume in enumerate(spec.get("volumes", ())):
        name = _name(volume)
        if not name:
            yield f"volumes[{index}]", "expected a mapping with a name"
        elif name in VOLUMES:
            yield f"volumes[{name}]", "expected another name; this volume is the task's own"
    added = {_name(volume) for volume in spec.get("volumes", ())}
    for index, container in enumerate(spec.get("containers", ())):
        name = _name(container)
        if name not in _CONTAINERS:
            yield f"containers[{index}].name", f"expected {' or '.join(_CONTAINERS)}"
            continue
        yield from _under(f"containers[{name}]", _check_container(container, _CONTAINERS[name], added))


def _check_container(container: dict[str, Any], own: frozenset[str], volumes: set[str]) -> Iterator[Problem]:
    if problems := list(_members(container, _CONTAINER)):
        yield from problems
        return
    for index, variable in enumerate(container.get("env", ())):
        name = _name(variable)
        if not name:
            yield f"env[{index}]", "expected a mapping with a name, and value or valueFrom"
        elif name in own or name.startswith("MOUNT_"):
            yield f"env[{name}]", "expected another name; this variable is the container's own"
        elif not isinstance(variable.get("value", ""), str):
            yield f"env[{name}].value", f"expected {_WORDS[str]}"
    for index, mount in enumerate(container.get("volumeMounts", ())):
        path = mount.get("mountPath") if isinstance(mount, dict) else None
        if not isinstance(path, str) or not path.startswith("/") or ".." in path.split("/"):
            yield f"volumeMounts[{index}].mountPath", "expected an absolute path"
        elif any(_nested(path, f"/{volume}") for volume in VOLUMES):
            yield f"volumeMounts[{index}].mountPath", "expected a path apart from those of the task's own volumes"
        if _name(mount) not in volumes:
            yield f"volumeMounts[{index}].name", "expected a volume of this template"


def _members(value: Any, known: dict[str, type]) -> Iterator[Problem]:
    """Yield a problem for each part that is not a mapping, or has unknown members or members of another type."""
    if not isinstance(value, dict):
        yield "", "expected a mapping"
        return
    for name, inner in value.items():
        if name not in known:
            instead = _INSTEAD.get(name, f"it may have {', '.join(known)}")
            yield str(name), f"belongs to a task pod's contract, or is unknown; {instead}"
        elif not isinstance(inner, known[name]):
            yield str(name), f"expected {_WORDS[known[name]]}"


def _strange(value: Any, path: str = "") -> Iterator[Problem]:
    """Yield what YAML has and JSON has not: dates, and members whose names are no texts (`on:`)."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(name, str):
                yield from _strange(inner, f"{path}.{name}".lstrip("."))
            else:
                yield path, "expected texts as names; put them in quotes"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strange(inner, f"{path}[{index}]")
    elif not isinstance(value, str | int | float | None):
        yield path, f"expected {_WORDS[str]}"


def _under(place: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    return ((f"{place}.{inner}".rstrip("."), expected) for inner, expected in problems)


def _name(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def _nested(one: str, other: str) -> bool:
    """Whether one of two folders is the other, or within it."""
    parts = [[part for part in path.split("/") if part] for path in (one, other)]
    shorter = min(map(len, parts))
    return parts[0][:shorter] == parts[1][:shorter]
