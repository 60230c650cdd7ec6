"""Kubernetes objects as frozen Structs: the fields of a pod that verdicts and clean-up use, and no others.

A pod has some 20 KB as the API sends it, most of it managed fields; decoding these fields alone costs a tenth.
"""

from collections.abc import Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from common.cluster.errors import OutcomeUnknown

T = TypeVar("T")

LABELS = {"jitsu.com/creator": "bulker-sync-controller"}
"""What marks our pods and Secrets (docs/reference/contract.md C2)."""


class Part(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A part of an object, under its wire names; what is empty is left out."""


class Metadata(Part, frozen=True):
    name: str
    uid: str
    creation_timestamp: str | None = None
    """RFC 3339, as all times here."""
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Resources(Part, frozen=True):
    limits: dict[str, str] = {}


class Container(Part, frozen=True):
    name: str
    image: str = ""
    resources: Resources = Resources()


class Spec(Part, frozen=True):
    node_name: str = ""
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()


class Waiting(Part, frozen=True):
    reason: str = ""
    message: str = ""


class Running(Part, frozen=True):
    started_at: str | None = None


class Terminated(Part, frozen=True):
    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None


class ContainerState(Part, frozen=True):
    """At most one of the three is set."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Part, frozen=True):
    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    """How it ended before it was restarted."""


class Condition(Part, frozen=True):
    type: str
    status: str
    """True, False or Unknown."""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class Status(Part, frozen=True):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    start_time: str | None = None
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Part, frozen=True):
    metadata: Metadata
    spec: Spec = Spec()
    status: Status = Status()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def task_id(self) -> str:
        """The task that the pod names; its row may name another pod by now."""
        return self.metadata.annotations.get("TaskID", "")

    @property
    def is_ours(self) -> bool:
        return LABELS.items() <= self.metadata.labels.items()

    @property
    def is_ending(self) -> bool:
        return bool(self.metadata.deletion_timestamp)

    @property
    def has_ended(self) -> bool:
        return self.status.phase in {"Succeeded", "Failed"}

    def container(self, name: str) -> Container | None:
        """Return the specification of a container, init containers included."""
        every = (*self.spec.init_containers, *self.spec.containers)
        return next((container for container in every if container.name == name), None)

    def states(self) -> Iterator[tuple[str, ContainerState]]:
        """Yield the states of all containers by name, init containers first."""
        for status in self.statuses():
            yield status.name, status.state

    def statuses(self) -> Iterator[ContainerStatus]:
        """Yield the statuses of all containers, init containers first."""
        yield from (*self.status.init_container_statuses, *self.status.container_statuses)

    def condition(self, kind: str, status: str) -> Condition | None:
        """Return the condition of that type, if it has that status."""
        return next((one for one in self.status.conditions if (one.type, one.status) == (kind, status)), None)


class _Secret(Struct, frozen=True):
    """A Secret's values, which the API sends in base64, as msgspec reads bytes."""

    data: dict[str, bytes] = {}


class _PageMetadata(Struct, frozen=True):
    continue_token: str = field(default="", name="continue")


class Page(Struct, frozen=True):
    """A page of a list of pods."""

    items: list[Pod] = []
    metadata: _PageMetadata = _PageMetadata()


def read_pod(data: bytes) -> Pod:
    """Decode one pod. Raise OutcomeUnknown if the bytes are not one."""
    return _decoded(_POD, data)


def read_secret(data: bytes) -> dict[str, bytes]:
    """Decode the values of a Secret. Raise OutcomeUnknown if the bytes are not one."""
    return _decoded(_SECRET, data).data


def read_page(data: bytes) -> Page:
    """Decode a page. Raise OutcomeUnknown if the bytes are not one."""
    return _decoded(_PAGE, data)


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OutcomeUnknown(
            "What answered for Kubernetes did not send a pod; check that nothing stands in between."
        ) from error


_SECRET = msgspec.json.Decoder(_Secret)
_POD, _PAGE = msgspec.json.Decoder(Pod), msgspec.json.Decoder(Page)
