"""Merges an operator's templates (SYNCCTL_POD_TEMPLATES) into a task's pod. Pure; common.pod_templates checks them."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from common import images
from common.errors import Refused
from common.pod_templates import PodTemplate
from common.pods.options import with_resources

_APPENDED = frozenset({"tolerations", "topologySpreadConstraints", "hostAliases"})
_KEYS = {"env": "name", "volumes": "name", "imagePullSecrets": "name", "volumeMounts": "mountPath"}
"""What tells the entries of a list apart: one with the same key takes the place of the one before."""


def apply(pod: dict[str, Any], templates: Iterable[PodTemplate], package: str) -> None:
    """Merge those that are for this image, in their order: the later one wins."""
    for template in templates:
        if _fits(template, package):
            for kind in ("annotations", "labels"):
                pod["metadata"][kind] = {**pod["metadata"][kind], **template.metadata.get(kind, {})}
            spec, parts = pod["spec"], deepcopy(template.spec)
            containers = {container["name"]: container for container in spec["containers"]}
            for part in parts.pop("containers", ()):
                _merge_container(containers[part["name"]], part)
            for name, value in parts.items():
                spec[name] = _merged(name, spec.get(name), value)


def _fits(template: PodTemplate, package: str) -> bool:
    try:
        images.check_allowed(package, template.images)
    except Refused:
        return False
    return True


def _merge_container(container: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        if name == "resources":
            container[name] = with_resources(container[name], value)
        elif name != "name":
            container[name] = _merged(name, container.get(name), value)


def _merged(name: str, before: Any, value: Any) -> Any:
    if isinstance(before, dict) and isinstance(value, dict):
        return before | {key: _merged(key, before.get(key), inner) for key, inner in value.items()}
    if isinstance(before, list) and name in _APPENDED:
        return [*before, *value]
    if isinstance(before, list) and (key := _KEYS.get(name)):
        return list({one[key]: one for one in (*before, *value)}.values())
    return value
