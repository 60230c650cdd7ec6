"""The containers of a task pod: the sidecar, the connector (source), and init for others' sidecars (contract.md C)."""

from typing import Any

from common.images import Image
from common.pods import scripts
from common.pods.options import Options
from common.protocol.commands import Command
from common.settings import Settings
from common.store.tasks import Task

SOURCE, SIDECAR, INIT = "source", "sidecar", "init"
SIDECAR_USER = 65532
SOURCE_USER = 1000
PATHS = {
    "STDOUT_PIPE_FILE": "/pipes/stdout",
    "STDERR_PIPE_FILE": "/pipes/stderr",
    "EXIT_CODE_FILE": "/pipes/exit-code",
    "SOURCE_ALIVE_FILE": "/pipes/alive",
    "PIPES_FOLDER": "/pipes",
    "FILES_FOLDER": "/config",
    "CONFIG_FOLDER": "/configmap",
    "RESUME_FOLDER": "/resume",
    "REFERENCES_FOLDER": "/references",
    "RESOLVED_FILE": "/resolved/values.json",
}
"""Variables of the sidecar that hold a path below a mount; a caller's text in the others may look like one."""
_DISK = "ephemeral-storage"
"""The writable layer and the log of a container; all volumes of the pod count towards the sum of its limits."""
_SOMETIMES = {"PIPES_FOLDER", "FILES_FOLDER", "RESUME_FOLDER", "REFERENCES_FOLDER", "RESOLVED_FILE"}
_MARGIN_SECONDS = 60
"""How much longer than a pod's time to start its source waits for the pipes: a sweep, which knows more, comes first."""
CREDENTIALS = ("DATABASE_URL", "BULKER_AUTH_TOKEN")
"""Variables of the sidecar that come from the task's Secret."""
ENCRYPTION_KEY = "ENCRYPTION_KEY"
"""One more, where a key is set."""


def _mounts(files: list[str], *, payload: bool = False, resumes: bool = False) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [{"name": "pipes", "mountPath": "/pipes"}]
    if files and payload:
        mounts.append({"name": "configmap", "mountPath": "/configmap", "readOnly": True})
    if resumes:
        mounts.append({"name": "resume", "mountPath": "/resume", "readOnly": True})
    if files:
        mounts.append({"name": "config", "mountPath": "/config"})
    return mounts


def _security(user: int | None, *, read_only_root: bool) -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": read_only_root,
        **({} if user is None else {"runAsUser": user}),
    }


def _log_bytes(task: Task, settings: Settings) -> int:
    """Return this attempt's share of the task's log, which is bounded however many attempts follow."""
    return settings.task_log_bytes >> (task.attempt if task.command is Command.READ else 0)


def init(settings: Settings, files: list[str], *, resumes: bool) -> dict[str, Any]:
    """Return what makes pipes and files where the sidecar's image does not: the original's."""
    return {
        "name": INIT,
        "image": settings.sidecar_image,
        "command": ["sh", "-c", scripts.init(with_files=bool(files), resumes=resumes)],
        "volumeMounts": _mounts(files, payload=True, resumes=resumes),
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi", _DISK: "16Mi"},
            "limits": {"cpu": "1", "memory": "128Mi", _DISK: "128Mi"},
        },
        "securityContext": _security(SIDECAR_USER, read_only_root=True),
    }


def source(task: Task, settings: Settings, files: list[str]) -> dict[str, Any]:
    return {
        "name": SOURCE,
        "image": str(Image(task.package, task.version)),
        "imagePullPolicy": "IfNotPresent",
        "command": [
            "sh",
            "-c",
            scripts.source(task.command, settings.container_init_timeout_seconds + _MARGIN_SECONDS),
        ],
        "env": [
            {"name": "USE_STREAM_CAPABLE_STATE", "value": "true"},
            {"name": "AUTO_DETECT_SCHEMA", "value": "true"},
        ],
        "volumeMounts": _mounts(files),
        "resources": {
            "requests": {"cpu": "125m", "memory": "512Mi", _DISK: "512Mi"},
            "limits": {"cpu": "2", "memory": settings.source_memory_limit, _DISK: settings.source_disk_limit},
        },
        "securityContext": _security(None if settings.source_run_as_root else SOURCE_USER, read_only_root=False),
    }


def _secrets(settings: Settings) -> tuple[str, ...]:
    return (*CREDENTIALS, ENCRYPTION_KEY) if settings.encryption_keys else CREDENTIALS


def sidecar(
    task: Task, settings: Settings, options: Options, prefix: str, files: list[str], secret: str
) -> dict[str, Any]:
    stall = options.stall_timeout_seconds
    plain = {
        **{name: path for name, path in PATHS.items() if name not in _SOMETIMES},
        "PIPES_FOLDER": PATHS["PIPES_FOLDER"] if settings.sidecar_prepares else "",
        "FILES_FOLDER": PATHS["FILES_FOLDER"] if settings.sidecar_prepares and files else "",
        "DATABASE_SCHEMA": settings.database_schema,
        "BULKER_URL": settings.bulker_url,
        "BULKER_ANY_NUMBER": "true" if settings.bulker_any_number else "",
        "PACKAGE": task.package,
        "PACKAGE_VERSION": task.version,
        "COMMAND": str(task.command),
        "TABLE_NAME_PREFIX": prefix,
        "STARTED_BY": task.started_by,
        "STARTED_AT": scripts.rfc3339(task.started_at),
        "SYNC_ID": task.sync_id,
        "TASK_ID": task.task_id,
        "STORAGE_KEY": task.storage_key,
        "BULKER_LOGS_CONNECTION_ID": settings.bulker_logs_connection_id,
        "STALL_TIMEOUT_SECONDS": str(settings.stall_timeout_seconds if stall is None else stall),
        "GRACE_SECONDS": str(settings.container_grace_shutdown_seconds),
        "TASK_LOG_BYTES": str(_log_bytes(task, settings)),
        "ATTEMPT": str(task.attempt) if task.attempt > 1 else "",
        "RESUME_FOLDER": PATHS["RESUME_FOLDER"] if task.attempt > 1 else "",
    }
    return {
        "name": SIDECAR,
        "image": settings.sidecar_image,
        "env": [
            *({"name": key, "value": scripts.literal(value)} for key, value in plain.items() if value),
            *({"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for key in _secrets(settings)),
        ],
        # The Secret itself: what is in /config, the connector may have changed.
        "volumeMounts": _mounts(files, payload=True, resumes=task.attempt > 1),
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi", _DISK: "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi", _DISK: settings.sidecar_disk_limit},
        },
        "securityContext": _security(SIDECAR_USER, read_only_root=True),
    }
