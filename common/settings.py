"""The functions' settings: SYNCCTL_* variables, and syncctl.env in the folder of SYNCCTL_CONFIG_PATH.

Imported by the first request, not at start-up: pydantic costs a cold start 50 ms. pydantic-settings would cost 140 ms
more, and reads no mapping.
"""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self
from uuid import uuid4

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from common import DATABASE_SCHEMA, VERSION, setting_sources
from common.errors import SettingsError
from common.notify import Form
from common.setting_sources import CONFIG_FILE, PREFIX
from common.setting_types import (
    Certificates,
    DatabaseUrl,
    EncryptionKeys,
    HashedTokens,
    HttpUrl,
    ImagePatterns,
    Labels,
    MemoryLimit,
    PodTemplates,
    SchemaName,
    SidecarDiskLimit,
    SinkOverrides,
    SourceDiskLimit,
    Tokens,
    plain,
)
from common.webhook_types import Endings, Hosts, SigningKeys, WebhookUrl

_MULTILINE = ("kubernetes_client_config", "kubernetes_node_selector", "pod_templates", "sink_ca_certs")
_OTHER_NAMES = {
    "http_port": "PORT",
    "sink_url": "K_SINK",
    "sink_overrides": "K_CE_OVERRIDES",
    "sink_ca_certs": "K_CA_CERTS",
}
"""Second names, for settings that are not set under their own: Knative's."""
_STANDARD_NAMES = {"otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT"}
"""Names that others have given."""


class LogFormat(StrEnum):
    """The format of log lines."""

    TEXT = "text"
    JSON = "json"


_PLAIN = {
    "a valid integer.*": "a whole number",
    "a valid number.*": "a number",
    "a valid boolean.*": "true or false",
    "greater than or equal to": "a number of at least",
    "less than or equal to": "a number of at most",
    "greater than": "a number above",
}
"""Pydantic's words as an operator's."""
_EMPTY = SecretStr("")


class Settings(BaseModel):
    """One attribute per variable, in lower case without the prefix.

    Values are stripped: Secrets made with `echo` end in a line break, which HTTP clients refuse in a header.
    """

    _warnings: list[str] = PrivateAttr(default_factory=list)

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    database_url: DatabaseUrl | None = Field(
        None, description="Postgres, as postgresql://user:password@host:5432/database?search_path=newjitsu."
    )
    database_schema: SchemaName = Field(
        DATABASE_SCHEMA,
        description="Schema of that database for our own tables, made if missing; a console's schema push drops tables "
        "that it finds in its own. Another name begins with empty tables.",
    )
    sidecar_database_url: DatabaseUrl | None = Field(
        None, description="Postgres as task pods reach it; default: SYNCCTL_DATABASE_URL."
    )
    encryption_key: EncryptionKeys = Field(
        _EMPTY,
        description="Key that encrypts a configuration which a connector has changed, before Postgres keeps it: 32 "
        "bytes in base64, as `openssl rand -base64 32` prints them. Or several, separated by commas: the first one "
        "encrypts, the others still decrypt. Default: it is kept in the clear.",
    )
    http_port: int = Field(
        3043, ge=0, le=65535, description="Port of the one-machine edition, else $PORT. Functions use $PORT."
    )
    auth_tokens: HashedTokens = Field(
        _EMPTY,
        description="Tokens of callers, separated by commas: salt.hash with the hex SHA-512 of token + salt + secret, "
        "or plain and without a dot. Without any token everyone may call.",
    )
    raw_auth_tokens: Tokens = Field(_EMPTY, description="More tokens, separated by commas, all plain.")
    events_without_token: bool = Field(
        default=False,
        description="`true` accepts CloudEvents to the sweeper without a token, as ApiServerSource sends them: they "
        "only make it sweep a pod. For a sweeper that only the cluster can reach.",
    )
    token_secret: SecretStr = Field(
        _EMPTY, description="The secret in the hashes of SYNCCTL_AUTH_TOKENS, or several, separated by commas."
    )
    allowed_images: ImagePatterns = Field(
        "",
        description="Connectors that may run, separated by commas: `airbyte/source-*`, `registry.example.com/team/*`. "
        "A star matches anything but a slash. Default: all.",
    )
    secrets: str = Field(
        "credentials-*",
        description="Secrets that declared syncs may refer to, separated by commas; a star matches anything. A "
        "task's own is never one of them.",
    )
    bulker_url: HttpUrl = Field("http://localhost:3042", description="Bulker as task pods reach it.")
    bulker_auth_token: SecretStr = Field(_EMPTY, description="Token of task pods for Bulker.")
    bulker_any_number: bool = Field(
        default=False,
        description="`true` if that Bulker also loads numbers that neither 64 bits nor a double hold, as it does (as "
        "text) since July 2024. Else a record with such a number is refused: an older Bulker fails the whole stream.",
    )
    bulker_logs_connection_id: str = Field(
        "", description="Bulker destination that the log lines of tasks also go to, into the table task_log."
    )
    sidecar_image: str = Field(f"sync-functions/sidecar:{VERSION}", description="Image of the sidecar of task pods.")
    sidecar_prepares: bool = Field(
        default=True,
        description="`false` if that image is the original's sidecar, or one of a version before this setting: pods "
        "then get an init container that makes pipes and files, and start about a second later.",
    )
    kubernetes_client_config: str = Field(
        "local", repr=False, description="`local` for the pod's service account, else a kubeconfig's path or text."
    )
    kubernetes_context: str = Field("", description="Context in that kubeconfig; default: its current one.")
    kubernetes_namespace: str = Field("default", description="Namespace of the task pods.")
    data_plane: str = Field(
        "",
        description="Name of the place where task pods run: deployments that share tables sweep their own tasks only. "
        "Default: the namespace and a hash of the cluster's certificate authority (one machine: a name in its home "
        "folder). Change it only while no task is active.",
    )
    kubernetes_node_selector: Labels = Field(
        {}, description="Labels of the nodes that may run task pods, as JSON or YAML, such as {disk: ssd}."
    )
    pods_service_account: str = Field("", description="Service account of the task pods; default: the namespace's.")
    pod_templates: PodTemplates = Field(
        (),
        repr=False,
        description="Additions to task pods, as YAML: a list of `{images, metadata, spec}`, of which `images` are "
        "patterns as in SYNCCTL_ALLOWED_IMAGES (default: all). What would break a task pod is refused by name.",
    )
    source_memory_limit: MemoryLimit = Field(
        "2Gi", description="Memory limit of a connector, in Mi or Gi, such as 4Gi; at least 512Mi."
    )
    source_disk_limit: SourceDiskLimit = Field(
        "8Gi",
        description="Limit of what a connector may write to its node's disk, in Mi or Gi; at least 512Mi. With the "
        "sidecar's a task's pod has 9Gi, as some clusters allow no more than 10Gi.",
    )
    sidecar_disk_limit: SidecarDiskLimit = Field(
        "1Gi",
        description="The same of the sidecar, which writes its log alone: what the connector prints, until the node "
        "rotates it; at least 128Mi.",
    )
    source_run_as_root: bool = Field(
        default=False,
        description="`true` runs connectors as their image's user, root included, instead of user 1000; the namespace "
        "of the tasks must allow it.",
    )
    container_status_check_seconds: int = Field(10, ge=1, description="Pause between two sweeps while pods are active.")
    sweep_seconds: int = Field(
        280,
        ge=0,
        description="How long one call of the sweeper repeats sweeps while pods are active; less than the timeouts of "
        "its function and its caller.",
    )
    sweeper_url: HttpUrl = Field(
        "",
        description="URL of the sweeper, which calls itself there while anything is active. Default: it does not, and "
        "goes on with its caller's next call.",
    )
    sweep_token: SecretStr = Field(_EMPTY, description="One of the tokens, plain, for those calls.")
    node_timeout_seconds: int = Field(
        3600,
        ge=1,
        description="How long a task pod may wait for a node: until others end, or a node pool has grown. Only then "
        "the time to start begins.",
    )
    container_init_timeout_seconds: int = Field(
        180, ge=1, description="How long a task pod may take to start once it has a node."
    )
    sink_url: HttpUrl = Field(
        "",
        description="URL that sweeps post CloudEvents about tasks and syncs to, else $K_SINK, which a SinkBinding "
        "sets. Default: they are sent nowhere.",
    )
    sink_overrides: SinkOverrides = Field(
        {}, description='Extensions of those events, as `{"extensions": {"name": "value"}}`, else $K_CE_OVERRIDES.'
    )
    sink_ca_certs: Certificates = Field(
        "",
        repr=False,
        description="Certificates of authorities, as PEM, that the sink's own is signed by, besides those that the "
        "system knows; else $K_CA_CERTS.",
    )
    task_log_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        description="How much of task_log a task may fill, in bytes of rows. A line there tells where that ended; only "
        "errors follow it. Each attempt of a read may use half of what those before it left.",
    )
    task_timeout_hours: float = Field(48, gt=0, description="How long a task may run.")
    task_retries: int = Field(
        2,
        ge=0,
        description="Retries of a read after a failure of the platform, of Bulker or Postgres, or one that its "
        "connector calls transient; 0: none.",
    )
    task_retry_pause_seconds: float = Field(
        10, ge=0, description="Pause before the first retry; doubles with each further one."
    )
    stall_timeout_seconds: int = Field(
        3600, ge=0, description="How long a connector may be silent before its task fails; 0: without limit."
    )
    container_grace_shutdown_seconds: int = Field(
        60, ge=1, description="How long a task pod has to save its work when it is stopped."
    )
    abandoned_row_seconds: int = Field(
        3600,
        ge=0,
        description="How long a RUNNING row of source_task or source_catalog that belongs to no task here may stay "
        "untouched before a sweep fails it; 0: without limit. A controller touches the rows of its running pods every "
        "minute.",
    )
    webhook_url: WebhookUrl | None = Field(
        None,
        description="URL that is called when a sync fails or recovers: a chat system's incoming webhook, or your own. "
        "Default: none is, but those of declared syncs.",
    )
    webhook_when: Endings = Field(
        "failed,partial,recovered",
        description="What it is called for, separated by commas: `failed`; `first_failure`, those after which the sync "
        "had not failed before; `partial`; `recovered`, the first success after a failure.",
    )
    webhook_form: Form = Field(
        Form.EVENT,
        description="What it is sent: `event`, JSON with a `text` (Slack, Mattermost, your own programs); `text`, that "
        "text alone (Google Chat); `card`, it as a card (Microsoft Teams).",
    )
    webhook_secret: SigningKeys = Field(
        _EMPTY,
        description="Key that signs these calls, as `openssl rand -base64 32` prints one; or several, separated by "
        "commas: each signs. Default: they are not signed.",
    )
    webhook_allowed_hosts: Hosts = Field(
        "",
        description="Hosts that webhooks may name although they are at a loopback, link-local or metadata address, "
        "separated by commas.",
    )
    keep_days: int = Field(
        60,
        ge=0,
        le=36_500,
        description="How many days after its end sweeps remove a task, with its result and its lines in task_log; two "
        "at least. What a sync is known by stays, such as its last success. 0: never.",
    )
    keep_tasks_per_sync: int = Field(
        3_000, ge=0, le=1_000_000, description="How many tasks of a sync stay; older ones are removed likewise. 0: all."
    )
    keep_caller_tables: bool = Field(
        default=True,
        description="`false` also removes what such tasks have written into source_task, source_check and "
        "source_catalog.",
    )
    max_body_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        description="Largest request body; config, catalog and state must fit a Secret too (1 MiB, gzipped).",
    )
    otlp_endpoint: HttpUrl = Field(
        "",
        description="URL of an OpenTelemetry collector, as http://collector:4318, to which the sweeper pushes metrics: "
        "once a minute at most, to /v1/metrics. The exporter also reads OTEL_EXPORTER_OTLP_HEADERS and the like. "
        "Default: it pushes none.",
    )
    instance_id: str = Field(
        default_factory=lambda: uuid4().hex, description="Name of this process in logs; default: random."
    )
    log_format: LogFormat = Field(LogFormat.TEXT, description="`text` or `json`.")
    syncs_enabled: bool = Field(default=True, description="`false` or `0` answers every start of a task with 503.")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment (or a mapping like it); raise one SettingsError that names every problem."""
        environ = os.environ if environ is None else environ  # noqa: TID251 - the one place
        known = [variable(field) for field in cls.model_fields]
        given, unknown = setting_sources.read(environ, known)
        both = ((field, name) for field in cls.model_fields for name in (_OTHER_NAMES.get(field), variable(field)))
        names = {field: name for field, name in both if name in given}
        try:
            loaded = cls.model_validate({field: given[name] for field, name in names.items()}, context=unknown)
        except ValidationError as error:
            raise SettingsError(_explain(error, names)) from None
        if loaded.is_open and (meant := setting_sources.meant_as_tokens(given, known)):
            raise SettingsError(
                f"{meant} does not close this function: callers' tokens are in SYNCCTL_AUTH_TOKENS. Set it, or remove "
                f"{meant} to let everyone call."
            )
        return loaded

    def model_post_init(self, context: Any) -> None:
        """Note what an operator should know; `context`: names that are no setting."""
        self._warnings = [f"{name} is not a setting, and has no effect." for name in context or ()]
        if self.is_open:
            self._warnings.append(
                "No tokens are configured (SYNCCTL_AUTH_TOKENS): anyone who can reach this function may use it."
            )

    @property
    def encryption_keys(self) -> str:
        """The keys as they are set; "" without one."""
        return str(self.encryption_key.get_secret_value())

    @property
    def is_open(self) -> bool:
        """Whether everyone may call, as no token is configured."""
        return not plain(self.auth_tokens) and not plain(self.raw_auth_tokens)

    def bounds(self) -> set[str]:
        """Return what bounds callers here, in words; without it they may do anything."""
        return ({"allowed images"} if self.allowed_images else set()) | (set() if self.is_open else {"tokens"})

    def take_warnings(self) -> list[str]:
        """Return the sentences for the log, the first time; then nothing."""
        taken, self._warnings = self._warnings, []
        return taken

    @field_validator("*")
    @classmethod
    def _one_line(cls, value: Any, info: ValidationInfo) -> Any:
        if info.field_name not in _MULTILINE and not str(plain(value)).isprintable():
            raise ValueError("expected one line of printable text, found a line break or control character inside")
        return value

    def require_database_url(self) -> str:
        """Return the database's URL; raise SettingsError if none is set (functions start and are healthy without)."""
        if self.database_url is None:
            raise SettingsError(
                "SYNCCTL_DATABASE_URL is not set; set it to "
                "postgresql://user:password@host:5432/database?search_path=..."
            )
        return self.database_url.get_secret_value()

    def require_sidecar_database_url(self) -> str:
        """Return the database's URL as task pods reach it."""
        if self.sidecar_database_url is None:
            return self.require_database_url()
        return self.sidecar_database_url.get_secret_value()


def variable(field: str) -> str:
    """Return the environment variable of a setting."""
    return _STANDARD_NAMES.get(field, PREFIX + field.upper())


def _explain(error: ValidationError, names: Mapping[str, str]) -> str:
    """Return all problems, a sentence each, by the names that were given; pydantic's texts never repeat a value."""
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        text = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        for theirs, ours in _PLAIN.items():
            text = re.sub(theirs, ours, text)
        field = str(problem["loc"][0])
        problems.append(f"{names.get(field, variable(field))}: {text}.")
    return "Settings are not usable. " + " ".join(problems)


_current: Settings | None = None
_version: tuple[int, ...] = ()
"""Of the config file that `_current` was read with; () without one."""


def use(settings: Settings | None) -> None:
    """Make `current` return these settings, as the embedded edition and tests do."""
    global _current, _version
    _current, _version = settings, ()


def current() -> Settings:
    """Return this process's settings, read again whenever the config file has changed.

    So running functions see a password that is changed in a mounted Secret.
    """
    global _current, _version
    version = setting_sources.file_version(os.environ)  # noqa: TID251 - the one place
    if _current is None or (_version and _version != version):
        loaded = Settings.load()
        if _current is not None and (gone := _current.bounds() - loaded.bounds()):
            raise SettingsError(
                f"The {min(gone)} are gone from {CONFIG_FILE} while this process runs; put them back, or start it "
                "again to go on without."
            )
        _current, _version = loaded, version
    return _current
