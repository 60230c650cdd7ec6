"""What one sync asks for its task pods, beyond the settings: the part of a declared sync that is about pods."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from common.pods.quantities import quantity

if TYPE_CHECKING:
    # Importing it costs a cold start pydantic's model of the document; only what starts declared syncs needs that.
    from common.syncs.model import Spec


_AMOUNTS = Mapping[str, str]


class Options(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A task's own wishes for its pod, wire-shaped; None and empty ones are the settings'."""

    resources: dict[str, dict[str, str]] | None = None
    """`limits` and `requests` of the source container: `cpu` and `memory`."""
    env: tuple[dict[str, Any], ...] = ()
    """Further variables of the source container: `name`, and `value` or `valueFrom`."""
    node_selector: dict[str, str] | None = None
    """In the place of SYNCCTL_KUBERNETES_NODE_SELECTOR."""
    tolerations: tuple[dict[str, Any], ...] = ()
    retries: int | None = None
    timeout_hours: float | None = None
    stall_timeout_seconds: int | None = None
    """0: without limit."""


NO_OPTIONS = Options()


def apply(spec: dict[str, Any], source: dict[str, Any], options: Options) -> None:
    """Give a pod and its source what its sync asks for, over what settings and templates do."""
    if options.resources is not None:
        source["resources"] = with_resources(source["resources"], options.resources)
    names = {variable["name"] for variable in options.env}
    source["env"] = [*(one for one in source["env"] if one["name"] not in names), *options.env]
    if options.node_selector is not None:
        spec["nodeSelector"] = dict(options.node_selector)
    if options.tolerations:
        spec["tolerations"] = [*spec.get("tolerations", ()), *options.tolerations]


def with_resources(given: Mapping[str, _AMOUNTS], asked: Mapping[str, _AMOUNTS]) -> dict[str, dict[str, str]]:
    """Return the resources that are asked for over those that are given.

    The API server refuses a request above its limit: where only one of the two is asked for, the other one yields.
    """
    limits, requests = asked.get("limits", {}), asked.get("requests", {})
    made = {"requests": {**given["requests"], **requests}, "limits": {**given["limits"], **limits}}
    for name in made["requests"].keys() & made["limits"].keys():
        if quantity(made["requests"][name]) > quantity(made["limits"][name]):
            if name not in requests:
                made["requests"][name] = made["limits"][name]
            elif name not in limits:
                made["limits"][name] = made["requests"][name]
    return made


def of_sync(spec: "Spec") -> Options:
    """Return what a declared sync asks for its pods."""
    given = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return Options(
        resources=given.get("resources"),
        env=tuple(given.get("env", ())),
        node_selector=given.get("nodeSelector"),
        tolerations=tuple(given.get("tolerations", ())),
        retries=spec.retries,
        timeout_hours=spec.timeout_hours,
        stall_timeout_seconds=spec.stall_timeout_seconds,
    )
