"""How a pod resolves what its task refers to: keys of Secrets, in the configuration and in variables of its source.

The sidecar reads them from a volume that the kubelet fills, and writes the values to where the source (the
configuration) and itself (all, to mask them) find them: into memory. So no function needs to read those Secrets. They
are optional for the kubelet, which would else let the pod wait without a word: the sidecar names what is missing.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec

from common.errors import Refused
from common.pods import scripts
from common.pods.containers import PATHS, SIDECAR, SOURCE
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
    by_name = {container["name"]: container for container in spec["containers"]}
    found = {*references.of(config or b"null"), *_of_variables(by_name[SOURCE]["env"])}
    wanted = sorted(found, key=lambda ref: (ref.name, ref.key))  # the same pod in every process
    if not wanted:
        return
    if "initContainers" in spec:
        raise Refused("SYNCCTL_SIDECAR_PREPARES is off: that sidecar resolves no references to Secrets.")
    pod["metadata"]["annotations"][ANNOTATION] = "true"
    before = spec["volumes"] if config is None else map(_in_memory, spec["volumes"])
    spec["volumes"] = [*before, *_volumes(wanted)]
    _add_to_sidecar(by_name[SIDECAR], wanted, in_config=config is not None)


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


def _add_to_sidecar(sidecar: dict[str, Any], wanted: list[KeyRef], *, in_config: bool) -> None:
    values = {name: PATHS[name] for name in _VARIABLES}
    values |= {"REFERENCES": msgspec.json.encode(wanted).decode(), "RESOLVE_CONFIG": "true" if in_config else ""}
    sidecar["env"] = [
        *sidecar["env"],
        *({"name": key, "value": scripts.literal(value)} for key, value in values.items() if value),
    ]
    sidecar["volumeMounts"] = [*sidecar["volumeMounts"], _mount(_FOLDER), _mount(_RESOLVED, writes=True)]


def _mount(name: str, *, writes: bool = False) -> dict[str, Any]:
    return {"name": name, "mountPath": f"/{name}", **({} if writes else {"readOnly": True})}
