"""How a pod resolves what its task refers to: keys of Secrets, in the configuration and in variables of its source.

`init` reads them from a volume that the kubelet fills, and writes the values to where the source (the configuration)
and the sidecar (all, to mask them) find them: into memory. So no function needs to read those Secrets. They are
optional for the kubelet, which would else let the pod wait without a word: `init` names what is missing, and ends.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec

from common.errors import Refused
from common.pods import scripts
from common.pods.containers import INIT, PATHS, SIDECAR, SOURCE
from common.protocol import references
from common.protocol.references import KeyRef
from common.syncs import secrets

ANNOTATION = "References"
_FOLDER, _RESOLVED = "references", "resolved"
_VARIABLES = ("REFERENCES_FOLDER", "RESOLVED_FILE")
_RESOLVED_SIZE = "16Mi"


def check(config: bytes | None, variables: Iterable[dict[str, Any]], patterns: str) -> None:
    """Raise Refused, which names the Secret, if a task refers to one that `patterns` (SYNCCTL_SECRETS) do not allow.

    The last gate before a pod is made: a cluster's documents are also written by others, and the setting may change.
    """
    for field, refs in (("config", references.of(config or b"null")), ("env", _of_variables(variables))):
        for ref in refs:
            if why := secrets.refusal(ref.name, patterns):
                raise Refused(f"{field}: refers to the Secret {ref.name}; {why}.")


def add(pod: dict[str, Any], config: bytes | None) -> None:
    """Let a pod resolve the references of its `config` (None: it is given as it is) and of its source's variables."""
    spec = pod["spec"]
    by_name = {container["name"]: container for container in (*spec["initContainers"], *spec["containers"])}
    found = {*references.of(config or b"null"), *_of_variables(by_name[SOURCE]["env"])}
    wanted = sorted(found, key=lambda ref: (ref.name, ref.key))  # the same pod in every process
    if not wanted:
        return
    pod["metadata"]["annotations"][ANNOTATION] = "true"
    before = spec["volumes"] if config is None else map(_in_memory, spec["volumes"])
    spec["volumes"] = [*before, *_volumes(wanted)]
    _add_to_init(by_name[INIT], wanted, in_config=config is not None)
    sidecar = by_name[SIDECAR]
    sidecar["env"] = [*sidecar["env"], *({"name": name, "value": PATHS[name]} for name in _VARIABLES)]
    sidecar["volumeMounts"] = [*sidecar["volumeMounts"], _mount(_FOLDER), _mount(_RESOLVED)]


def _of_variables(variables: Iterable[dict[str, Any]]) -> list[KeyRef]:
    found = [variable.get("valueFrom", {}).get("secretKeyRef") for variable in variables]
    return [KeyRef(ref["name"], ref["key"]) for ref in found if ref and not ref.get("optional")]


def _in_memory(volume: dict[str, Any]) -> dict[str, Any]:
    if volume["name"] != "config":
        return volume
    return {**volume, "emptyDir": {**volume["emptyDir"], "medium": "Memory"}}


def _volumes(wanted: list[KeyRef]) -> list[dict[str, Any]]:
    sources = [
        {
            "secret": {
                "name": name,
                "items": [{"key": ref.key, "path": f"{name}/{ref.key}"} for ref in refs],
                "optional": True,
            }
        }
        for name, refs in groupby(wanted, key=lambda ref: ref.name)
    ]
    return [
        {"name": _FOLDER, "projected": {"sources": sources}},
        {"name": _RESOLVED, "emptyDir": {"medium": "Memory", "sizeLimit": _RESOLVED_SIZE}},
    ]


def _add_to_init(init: dict[str, Any], wanted: list[KeyRef], *, in_config: bool) -> None:
    init["command"] = [*init["command"][:-1], init["command"][-1] + scripts.RESOLVE]
    names = {"REFERENCES": msgspec.json.encode(wanted).decode(), "RESOLVE_CONFIG": "true" if in_config else ""}
    init["env"] = [
        *init.get("env", ()),
        *({"name": key, "value": scripts.literal(value)} for key, value in names.items() if value),
    ]
    init["volumeMounts"] = [*init["volumeMounts"], _mount(_FOLDER), _mount(_RESOLVED, writes=True)]
    # What is missing: its last words become the reason of the task.
    init["terminationMessagePolicy"] = "FallbackToLogsOnError"


def _mount(name: str, *, writes: bool = False) -> dict[str, Any]:
    return {"name": name, "mountPath": f"/{name}", **({} if writes else {"readOnly": True})}
