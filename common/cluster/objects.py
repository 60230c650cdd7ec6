"""What we read of Kubernetes objects: the fields of a pod that verdicts and clean-up use, and nothing else.

A pod as the API sends it has some 20 KB, most of it managed fields; decoding only these costs a tenth.
"""

from typing import Any

import msgspec
from msgspec import Struct, field

from common.cluster.errors import OutcomeUnknown


class _Part(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Wire names; what is absent stays absent."""


class _Metadata(_Part, frozen=True):
    name: str
    uid: str
    namespace: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Resources(_Part, frozen=True):
    limits: dict[str, str] | None = None


class _Container(_Part, frozen=True):
    name: str
    image: str = ""
    resources: _Resources | None = None


class _Spec(_Part, frozen=True):
    node_name: str | None = None
    init_containers: list[_Container] | None = None
    containers: list[_Container] | None = None


class _Waiting(_Part, frozen=True):
    reason: str | None = None
    message: str | None = None


class _Running(_Part, frozen=True):
    started_at: str | None = None


class _Terminated(_Part, frozen=True):
    exit_code: int
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


class _State(_Part, frozen=True):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


class _ContainerStatus(_Part, frozen=True):
    name: str
    image: str = ""
    restart_count: int = 0
    state: _State | None = None


class _Condition(_Part, frozen=True):
    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class _Status(_Part, frozen=True):
    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    start_time: str | None = None
    conditions: list[_Condition] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    container_statuses: list[_ContainerStatus] | None = None


class Pod(_Part, frozen=True):
    """A pod, as far as we look."""

    metadata: _Metadata
    spec: _Spec | None = None
    status: _Status | None = None


class _Secret(Struct, frozen=True):
    """A Secret's values, which the API sends in base64, as msgspec reads bytes."""

    data: dict[str, bytes] = {}


class _PageMetadata(Struct, frozen=True):
    continue_token: str = field(default="", name="continue")


class Page(Struct, frozen=True):
    """A page of a list of pods."""

    items: list[Pod] = []
    metadata: _PageMetadata = _PageMetadata()


def as_dict(pod: Pod) -> dict[str, Any]:
    """Wire-shaped again, as the Protocol hands pods out."""
    return dict(msgspec.to_builtins(pod))


def read_pod(data: bytes) -> dict[str, Any]:
    """One pod; raises OutcomeUnknown where the bytes are none."""
    return as_dict(_decode_pod(data))


def read_secret(data: bytes) -> dict[str, bytes]:
    """A Secret's values; raises OutcomeUnknown where the bytes are none."""
    try:
        return _SECRET.decode(data).data
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def read_page(data: bytes) -> Page:
    """A page; raises OutcomeUnknown where the bytes are none."""
    try:
        return _PAGE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def _decode_pod(data: bytes) -> Pod:
    try:
        return _POD.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable() from error


def _unreadable() -> OutcomeUnknown:
    return OutcomeUnknown("What answered for Kubernetes did not send a pod; check that nothing stands in between.")


_SECRET = msgspec.json.Decoder(_Secret)
_POD, _PAGE = msgspec.json.Decoder(Pod), msgspec.json.Decoder(Page)
