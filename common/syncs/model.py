"""The document of a declared sync. The CRD, the editors' schema and the reference page are written from it.

`python -m tools.syncs` writes them; field names are Kubernetes' own where it has the thing (CronJob, Pod).
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from common.notify import MOST as MAX_NOTIFY
from common.notify import Ending, Form
from common.protocol.catalogs import SyncMode
from common.syncs import manifest
from common.syncs.types import (
    Amount,
    Cron,
    Image,
    Moment,
    Name,
    Part,
    SecretKey,
    SecretName,
    SyncId,
    Text,
    TimeZone,
    Variable,
)

API_VERSION = "sync-functions.dev/v1alpha1"
KIND = "Sync"
MAX_STREAMS = 2_000
MAX_AFTER = 20
_DAY_SECONDS = 86_400
_Free = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""A mapping whose members are the connector's matter."""


def _rule(rule: str, message: str) -> ConfigDict:
    return _rules((rule, message))


def _rules(*rules: tuple[str, str]) -> ConfigDict:
    made: list[Any] = [{"rule": rule, "message": message} for rule, message in rules]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": made})


class Write(StrEnum):
    """How rows come into the table: the protocol's destination_sync_mode."""

    APPEND = "append"
    APPEND_DEDUP = "append_dedup"
    OVERWRITE = "overwrite"


class SyncState(StrEnum):
    """The state of a sync: its last task's, unless it has none, is suspended, or cannot run as it is written."""

    NEW = "NEW"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SUSPENDED = "SUSPENDED"
    INVALID = "INVALID"


class SecretKeyRef(Part):
    name: SecretName
    """Secret in the namespace of the tasks; one of those that `SYNCCTL_SECRETS` names."""
    key: SecretKey
    """Key of that Secret."""


class ValueFrom(Part):
    secret_key_ref: SecretKeyRef
    """The Secret and its key."""


class SecretValue(Part):
    value_from: ValueFrom
    """Where the value is. The sweeper reads it when it calls the webhook."""


class Stream(Part):
    model_config = _rule(
        "!(has(self.mode) && has(self.write) && self.mode == 'incremental' && self.write == 'overwrite')",
        "expected append or append_dedup beside mode incremental",
    )

    name: Text
    """Name of the stream, as `discover` lists it."""
    namespace: Text | None = None
    """Its namespace, if it has one."""
    mode: SyncMode | None = None
    """`incremental` reads what is new, `full_refresh` everything. Default: incremental where that needs no choice."""
    write: Write | None = None
    """How rows come into the table. Default: append_dedup with a key, else append; overwrite for a full refresh."""
    cursor: Annotated[list[Text], Field(min_length=1, max_length=10)] | None = None
    """Path of the field that tells what is new. Default: the source's own."""
    key: Annotated[
        list[Annotated[list[Text], Field(min_length=1, max_length=10)]], Field(min_length=1, max_length=32)
    ] | None = None  # fmt: skip
    """Paths of the fields that identify a row. Default: the source's own."""
    table: Text | None = None
    """Name of the table; the prefix is not added. Default: the prefix, and namespace and name joined by a dot."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.mode is SyncMode.INCREMENTAL and self.write is Write.OVERWRITE:
            raise ValueError("expected write append or append_dedup beside mode incremental: overwrite loses old rows")
        return self


class Amounts(Part):
    cpu: Amount | None = None
    """Processors, such as 2 or 500m."""
    memory: Amount | None = None
    """Memory, such as 4Gi."""


class Resources(Part):
    limits: Amounts | None = None
    """The most that the connector may use."""
    requests: Amounts | None = None
    """What a node must have free."""


class Env(Part):
    model_config = _rules(
        ("has(self.value) != has(self.valueFrom)", "expected either value or valueFrom"),
        ("self.name != 'AIRBYTE_ENTRYPOINT' && !self.name.startsWith('MOUNT_')", "expected another variable"),
    )

    name: Variable
    """Name of the variable."""
    value: Annotated[str, Field(max_length=32_768)] | None = None
    """Its value."""
    value_from: ValueFrom | None = None
    """Where its value is, if it is secret."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.value is None) == (self.value_from is None):
            raise ValueError("expected either value or valueFrom")
        # What runs is the image's, and where it finds its files the pod's.
        if self.name == "AIRBYTE_ENTRYPOINT" or self.name.startswith("MOUNT_"):
            raise ValueError("expected another variable: AIRBYTE_ENTRYPOINT and MOUNT_... are the pod's own")
        return self


class Toleration(Part):
    key: Annotated[str, Field(max_length=317)] | None = None
    """Key of the taint; without it every key."""
    operator: Literal["Exists", "Equal"] | None = None
    """How the value is compared. Default: Equal."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; without it every effect."""
    toleration_seconds: int | None = None
    """How long NoExecute is tolerated."""


class Webhook(Part):
    url: SecretValue
    """The address, from a Secret: it is all that a caller needs."""
    secret: SecretValue | None = None
    """Key that signs the calls, as SYNCCTL_WEBHOOK_SECRET has it. Default: they are not signed."""
    form: Form | None = None
    """What it is sent, as SYNCCTL_WEBHOOK_FORM has it. Default: `event`."""


class Notify(Part):
    webhook: Webhook
    """What is called, by POST."""
    # Not `on`, which kubectl would read as true.
    when: Annotated[list[Ending], Field(min_length=1, max_length=4)]
    """For which ends: as SYNCCTL_WEBHOOK_WHEN has them."""


class Spec(Part):
    model_config = _rule("has(self.image) || has(self.manifest)", "expected an image, or a manifest")

    sync_id: SyncId | None = None
    """The sync's id in tables and states, and its destination in Bulker. Default: metadata.name."""
    manifest: _Free | None = None
    """A low-code connector's manifest, which needs no image of its own."""
    image: Image = Field("", validate_default=True)
    """The connector: `airbyte/source-faker:7.2.1`, or `NAME@sha256:DIGEST`. Default with a manifest: the CDK's."""
    config: _Free = Field({})
    """The connector's configuration. `{valueFrom: {secretKeyRef: {name, key}}}` may stand for any value in it."""
    streams: Annotated[list[Stream], Field(min_length=1, max_length=MAX_STREAMS)] | None = None
    """What is read. Default: everything that the connector offers."""
    prefix: Text | None = None
    """Prefix of the tables' names."""
    schedule: Cron | None = None
    """Cron's five fields, @hourly, @daily, @weekly or @monthly. Without it the sync runs on request, and by `after`."""
    time_zone: TimeZone | None = None
    """Time zone of the schedule, such as Europe/Berlin. Default: UTC."""
    suspend: bool | None = None
    """`true` starts nothing by schedule or `after`."""
    starting_deadline_seconds: Annotated[int, Field(ge=1, le=7 * _DAY_SECONDS)] | None = None
    """How late a run may start before it is skipped. Default: 600."""
    discover_hours: Annotated[int, Field(ge=0, le=8_760)] | None = None
    """How old the list of the connector's streams may be before it is asked again. Default: 24."""
    after: Annotated[list[Name], Field(min_length=1, max_length=MAX_AFTER)] | None = None
    """Syncs whose success starts this one."""
    resources: Resources | None = None
    """Memory and processors of the connector. Default: SYNCCTL_SOURCE_MEMORY_LIMIT, and 2 processors."""
    env: Annotated[list[Env], Field(max_length=100)] | None = None
    """Variables of the connector, as a container's."""
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=50)
    ] | None = None  # fmt: skip
    """Labels of the nodes that may run it. Default: SYNCCTL_KUBERNETES_NODE_SELECTOR."""
    tolerations: Annotated[list[Toleration], Field(max_length=50)] | None = None
    """Taints of nodes that it may run on, as a pod's."""
    retries: Annotated[int, Field(ge=0, le=100)] | None = None
    """Retries after a failure that may pass. Default: SYNCCTL_TASK_RETRIES."""
    timeout_hours: Annotated[int, Field(ge=1, le=8_760)] | None = None
    """How long a run may take. Default: SYNCCTL_TASK_TIMEOUT_HOURS."""
    stall_timeout_seconds: Annotated[int, Field(ge=0, le=365 * _DAY_SECONDS)] | None = None
    """How long the connector may be silent; 0: without limit. Default: SYNCCTL_STALL_TIMEOUT_SECONDS."""
    notify: Annotated[list[Notify], Field(max_length=MAX_NOTIFY)] | None = None
    """Which webhooks are called when its runs end, besides SYNCCTL_WEBHOOK_URL."""

    @field_validator("image", mode="before")
    @classmethod
    def _image(cls, value: Any, info: ValidationInfo) -> Any:
        """Take the CDK's image for a manifest; a field that is declared later cannot be asked for."""
        if value == "" and info.data.get("manifest", {}) is None:
            raise PydanticKnownError("missing")
        return manifest.IMAGE if value == "" else value

    @property
    def connector_config(self) -> dict[str, Any]:
        """The configuration as the connector gets it, references unresolved."""
        return self.config if self.manifest is None else manifest.inject(self.config, self.manifest)


class Metadata(Part):
    # What the cluster adds to every object, as `kubectl get -o yaml` shows it, comes back by `kubectl replace`.
    model_config = ConfigDict(extra="ignore")

    name: Name
    """The sync's name, and its id unless spec.syncId is another."""
    namespace: str | None = None
    """On a cluster, that of the declared syncs."""
    labels: dict[str, str] | None = None
    """For selecting."""
    annotations: dict[str, str] | None = None
    """For tools and people."""
    resource_version: str | None = None
    """What a change is based on: a write with an older one is refused."""


class Status(Part):
    model_config = ConfigDict(extra="ignore")

    state: SyncState | None = None
    """State of the last task, or NEW, SUSPENDED, INVALID."""
    last_task: str | None = None
    """Id of the last task."""
    last_success: Moment | None = None
    """When a read last ended with SUCCESS."""
    next_run: Moment | None = None
    """When the schedule comes next."""
    message: str | None = None
    """Why the state is what it is."""


class Sync(Part):
    """A sync, declared: what is read, when, and into which tables."""

    model_config = _rule(
        "!has(self.spec.after) || !self.spec.after.exists(name, name == self.metadata.name)",
        "expected other syncs in spec.after",
    )

    api_version: Literal["sync-functions.dev/v1alpha1"]
    """Version of this document's form."""
    kind: Literal["Sync"]
    """What the document declares."""
    metadata: Metadata
    """Name and labels, as every object of Kubernetes has them."""
    spec: Spec
    """What is wanted; you write it."""
    status: Status | None = None
    """What is; written by the system, ignored in files."""
