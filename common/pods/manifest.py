"""A task's pod and Secret as wire-shaped dicts (contract.md C and H). Pure: the same task, the same dicts."""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from common.errors import Refused, TooLarge
from common.pods import annotations, containers, options, references, templates
from common.pods.containers import CREDENTIALS, ENCRYPTION_KEY, SIDECAR_USER
from common.pods.options import Options
from common.protocol import sizes
from common.settings import Settings
from common.store.encryption import Keys
from common.store.tasks import Task


class Payload(Struct, frozen=True):
    """What the connector is given, as compact JSON bytes; None where there is none. And how its pod is made."""

    config: bytes | None = None
    catalog: bytes | None = None
    state: bytes | None = None
    options: Options = Options()
    resolve: bool = False
    """Whether the configuration refers to Secrets, which the pod puts in their places."""


class _PodOptions(Struct, frozen=True, omit_defaults=True):
    """How the pod is made, in its Secret: the next attempt's is made in the same way."""

    options: Options = Options()
    resolve: bool = False


_OPTIONS = "options"


def pod_name(task: Task) -> str:
    """Return a DNS label that no other attempt has: readable words, then a hash of the task's identity.

    Each run of spec, check and discover has its own task id, so only a repeated read meets its own pod.
    """
    words = re.sub(r"[^a-z0-9]+", "-", task.package.rsplit("/", 1)[-1].lower()).strip("-")[:30].strip("-")
    identity = [task.command, task.package, task.version, task.sync_id, task.task_id]
    identity += [str(task.attempt)] if task.attempt > 1 else []
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:20]
    return "-".join(part for part in (words, str(task.command), digest) if part)


def secret_name(pod: str) -> str:
    """Return the name of the Secret beside a pod."""
    return f"{pod}-config"


def resume_secret_name(pod: str) -> str:
    """Return the name of the Secret that a later attempt waits for: the state to resume from."""
    return f"{pod}-resume"


def secret(task: Task, payload: Payload, settings: Settings, owner_uid: str) -> dict[str, Any]:
    """Return the task's Secret, owned by its pod, so that it is deleted with the pod."""
    name = pod_name(task)
    credentials = (settings.require_sidecar_database_url(), settings.bulker_auth_token.get_secret_value())
    values = _files(payload, "") | dict(zip(CREDENTIALS, map(str.encode, credentials), strict=True))
    if key := Keys(settings.encryption_keys).first:  # a sidecar only encrypts
        values[ENCRYPTION_KEY] = key.encode()
    if more := _pod_options(payload):
        values[_OPTIONS] = more
    return _secret(task, secret_name(name), settings, values, _reference(name, owner_uid))


def resume_secret(task: Task, payload: Payload, settings: Settings, owner_uid: str) -> dict[str, Any]:
    """Return the Secret whose files replace those of the first attempt's Secret in a later one.

    Raise TooLarge if a Secret cannot hold them.
    """
    check_size(payload)
    name = pod_name(task)
    return _secret(task, resume_secret_name(name), settings, _files(payload, ".json"), _reference(name, owner_uid))


def payload_of_secret(values: Mapping[str, bytes]) -> Payload:
    """Return the payload that `secret` put into a Secret of these values; raise TooLarge or Refused as `unpack`."""

    def part(name: str) -> bytes | None:
        return sizes.unpack(name, values[name + sizes.PACKED]) if name + sizes.PACKED in values else values.get(name)

    try:
        found = msgspec.json.decode(values.get(_OPTIONS, b"{}"), type=_PodOptions)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused("The options in the task's Secret cannot be read; start the task again.") from error
    return Payload(part("config"), part("catalog"), part("state"), found.options, found.resolve)


def _reference(name: str, uid: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}


def _secret(
    task: Task, name: str, settings: Settings, values: Mapping[str, bytes], owner: dict[str, str]
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": name,
            "namespace": settings.kubernetes_namespace,
            "labels": annotations.labels(task),
            "ownerReferences": [owner],
        },
        "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
    }


def check_size(payload: Payload) -> None:
    """Raise TooLarge, naming the largest part, if a Secret cannot hold the payload even packed, or a pod unpacked."""
    raw = {name: len(part) for name, part in _raw(payload).items()}
    total = sum(raw.values())
    packed = sum(map(len, _files(payload, "").values())) + len(_pod_options(payload))
    if total > sizes.UNPACKED_BYTES or packed > sizes.ROOM_BYTES:
        largest = max(raw, key=lambda name: raw[name])
        raise TooLarge(
            f"config, catalog and state come to {total:,} bytes ({largest} alone to {raw[largest]:,}) and do not fit "
            f"into a Kubernetes Secret of {sizes.SECRET_BYTES:,} bytes, not even compressed; {sizes.advice(largest)}."
        )


def pod(task: Task, payload: Payload, settings: Settings, *, prefix: str = "") -> dict[str, Any]:
    """Return the task's pod, legal for Pod Security "restricted" (unless `source_run_as_root`).

    Raise Refused if it would refer to a Secret that the settings do not allow.
    """
    resolves = payload.config if payload.resolve else None
    references.check(resolves, payload.options.env, settings.secrets)
    made = _pod(task, payload, settings, prefix)
    templates.apply(made, settings.pod_templates, task.package)
    source = next(one for one in made["spec"]["containers"] if one["name"] == containers.SOURCE)
    options.apply(made["spec"], source, payload.options)
    references.add(made, resolves)
    return made


def _pod(task: Task, payload: Payload, settings: Settings, prefix: str) -> dict[str, Any]:
    name = pod_name(task)
    files, again, others = list(_raw(payload)), task.attempt > 1, not settings.sidecar_prepares
    hours = payload.options.timeout_hours or settings.task_timeout_hours
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": settings.kubernetes_namespace,
            "labels": annotations.labels(task),
            "annotations": annotations.build(task, prefix, payload.options),
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **({"serviceAccountName": settings.pods_service_account} if settings.pods_service_account else {}),
            **({"nodeSelector": dict(settings.kubernetes_node_selector)} if settings.kubernetes_node_selector else {}),
            "terminationGracePeriodSeconds": settings.container_grace_shutdown_seconds,
            # A backstop for a sweeper that is gone: the sweeper's own time-out comes first.
            "activeDeadlineSeconds": int(hours * 3600) + 3600,
            "securityContext": {
                "fsGroup": SIDECAR_USER,
                "seccompProfile": {"type": "RuntimeDefault"},
                **({} if settings.source_run_as_root else {"runAsNonRoot": True}),
            },
            **({"initContainers": [containers.init(settings, files, resumes=again)]} if others else {}),
            # A kubelet starts them in this order, without waiting: the sidecar makes what the source waits for.
            "containers": [
                containers.sidecar(task, settings, payload.options, prefix, files, secret_name(name)),
                containers.source(task, settings, files),
            ],
            "volumes": _volumes(name, payload, files, resumes=again),
        },
    }


def _raw(payload: Payload) -> dict[str, bytes]:
    parts = {"config": payload.config, "catalog": payload.catalog, "state": payload.state}
    return {name: part for name, part in parts.items() if part is not None}


def _pod_options(payload: Payload) -> bytes:
    found = _PodOptions(payload.options, payload.resolve)
    return b"" if found == _PodOptions() else msgspec.json.encode(found)


def _is_compressed(payload: Payload) -> bool:
    return sum(map(len, _raw(payload).values())) > sizes.ROOM_BYTES


def _files(payload: Payload, suffix: str) -> dict[str, bytes]:
    """The parts by name and suffix, compressed where they would be too large."""
    raw = _raw(payload)
    if not _is_compressed(payload):
        return {name + suffix: part for name, part in raw.items()}
    return {f"{name}{suffix}{sizes.PACKED}": sizes.pack(part) for name, part in raw.items()}


def _volumes(name: str, payload: Payload, files: list[str], *, resumes: bool) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "pipes", "emptyDir": {"sizeLimit": "16Mi"}}]
    if not files:
        return volumes
    packed = sizes.PACKED if _is_compressed(payload) else ""
    items = [{"key": key + packed, "path": f"{key}.json{packed}"} for key in files]
    secret_volume = {"secretName": secret_name(name), "items": items}
    return [
        *volumes,
        {"name": "configmap", "secret": secret_volume},
        {"name": "config", "emptyDir": {"sizeLimit": f"{sizes.UNPACKED_BYTES // 1024**2}Mi"}},
        *([{"name": "resume", "secret": {"secretName": resume_secret_name(name)}}] if resumes else []),
    ]


def request_hash(task: Task, payload: Payload, prefix: str, *, full_sync: bool, forget: Collection[str] = ()) -> str:
    """Tell a repeated request from another one with the same taskId. Not reversible."""
    parts = [task.command, task.package, task.version, task.sync_id, task.storage_key, prefix, str(full_sync)]
    parts += sorted(forget)
    digest = hashlib.sha256(json.dumps(parts).encode() + _pod_options(payload))
    for part in (payload.config, payload.catalog, payload.state):
        digest.update(b"\0" + (part if part is not None else b"\1"))
    return digest.hexdigest()
