"""Mask what a pod's containers wrote themselves before it enters a reason: termination messages and logs.

The sidecar masks what it reads from the connector's pipes. These texts pass it by: a connector may write its
configuration into /dev/termination-log, or through /proc/1/fd/1 into its container's log. What to mask is in the task's
Secret, in the connector's specification, and in the configuration that it may have changed.
"""

import threading
import zlib
from collections.abc import Callable
from functools import partial

from msgspec import structs

from common import redaction
from common.cluster import Cluster
from common.cluster.objects import ContainerState, ContainerStatus, Pod, Terminated
from common.errors import SyncError
from common.failures import SECRET_MISSING_EXIT
from common.pods import ends, manifest, references
from common.pods.containers import CREDENTIALS, ENCRYPTION_KEY, INIT, SIDECAR
from common.pods.manifest import Payload
from common.protocol.commands import Command
from common.redaction import Redactor
from common.store import Database, Task, states
from common.store.encryption import KeyMissing, Keys
from common.tasks.start import MAY_PASS

_MASKED = (*CREDENTIALS, ENCRYPTION_KEY)
WITHHELD = "withheld, as the task's Secret is gone, without which it cannot be masked"
WITHHELD_VALUES = "withheld, as it may hold values of Secrets, which only the task's pod knows"


class Masking:
    """Masks by the task's Secret; several threads may share it."""

    def __init__(self, where: Cluster, db: Database, keys: Keys) -> None:
        self._where, self._db, self._keys = where, db, keys
        self._lock = threading.Lock()

    def pod(self, pod: Pod, task: Task | None) -> Pod:
        """Return the pod with the termination messages of all its containers masked, or withheld."""
        if not any(_has_message(status) for status in pod.statuses()):
            return pod
        resolves = references.ANNOTATION in pod.metadata.annotations
        redactor = None if resolves else self._redactor(pod.name, task)
        withheld = WITHHELD_VALUES if resolves else WITHHELD

        def mask(container: str, end: Terminated) -> str:
            if redactor is None:
                # The runtime's own words, of a container that never ran; and those of init, which name what is missing.
                known = end.reason in ends.NEVER_RAN or (container == INIT and end.exit_code == SECRET_MISSING_EXIT)
                return end.message if known else withheld
            return redactor.redact_cut(end.message)

        status = structs.replace(
            pod.status,
            init_container_statuses=tuple(_masked(one, mask) for one in pod.status.init_container_statuses),
            container_statuses=tuple(_masked(one, mask) for one in pod.status.container_statuses),
        )
        return structs.replace(pod, status=status)

    def log(self, pod_name: str, task: Task, container: str, text: str) -> str:
        """Return the end of a container's log masked; "" if it cannot be. The sidecar masks its own."""
        if container == SIDECAR or not text:
            return text
        pod = self._where.get_pod(pod_name)
        if pod is None or references.ANNOTATION in pod.metadata.annotations:
            return ""
        redactor = self._redactor(pod_name, task)
        return redactor.redact_cut(text) if redactor else ""

    def _redactor(self, pod_name: str, task: Task | None) -> Redactor | None:
        """Return what masks a pod's texts; None if that is not known any more. Raise an error that may pass."""
        try:
            values = self._where.read_secret(manifest.secret_name(pod_name))
            payload = manifest.payload_of_secret(values or {})
        except SyncError as error:
            if isinstance(error, MAY_PASS):
                raise
            return None
        except (OSError, EOFError, zlib.error):  # another controller's Secret
            return None
        if values is None or (payload.config is None and not (task and task.command is Command.SPEC)):
            return None
        credentials = [values[name].decode("utf-8", "replace") for name in _MASKED if name in values]
        redactor = redaction.of_config(b"", *filter(None, credentials))
        try:
            self._learn(redactor, payload, task)
        except KeyMissing:  # its secrets are not known here
            return None
        return redactor

    def _learn(self, redactor: Redactor, payload: Payload, task: Task | None) -> None:
        config = payload.config or b""
        if task is None:
            redactor.learn(config)
            return
        image = {"package": task.package, "version": task.version}
        with self._lock:
            specification, changed = self._db.transact(
                lambda db: (db.run("specification", **image), states.changed_config(db, task, self._keys))
            )
        redactor.learn(config, b"".join(row["specs"].encode() for row in specification))
        if changed is not None:
            redactor.learn(changed)


def _has_message(status: ContainerStatus) -> bool:
    return any(state.terminated and state.terminated.message for state in (status.state, status.last_state))


def _masked(status: ContainerStatus, mask: Callable[[str, Terminated], str]) -> ContainerStatus:
    state, last = (_with_message(state, partial(mask, status.name)) for state in (status.state, status.last_state))
    return structs.replace(status, state=state, last_state=last)


def _with_message(state: ContainerState, mask: Callable[[Terminated], str]) -> ContainerState:
    end = state.terminated
    if end is None or not end.message:
        return state
    return structs.replace(state, terminated=structs.replace(end, message=mask(end)))
