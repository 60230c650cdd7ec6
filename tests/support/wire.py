"""Pods between their wire-shaped dicts, which tests write, and what the seam gives out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from common.cluster.objects import Pod
from common.settings import Settings


def as_pod(wire: Mapping[str, Any]) -> Pod:
    """The pod that the API server describes so."""
    return msgspec.convert(dict(wire), Pod)


def changed(pod: Pod, change: Mapping[str, Any]) -> Pod:
    """The pod with other parts; of the metadata, only with other entries."""
    wire = msgspec.to_builtins(pod)
    return as_pod({**wire, **change, "metadata": {**wire["metadata"], **change.get("metadata", {})}})


def pod_settings(**values: str) -> Settings:
    """Settings that pods can be made with."""
    least = {"database_url": "postgresql://h/d", "bulker_url": "http://b", "bulker_auth_token": "t"}
    return Settings.load({f"SYNCCTL_{name.upper()}": value for name, value in (least | values).items()})
