"""Mask what a pod's containers wrote themselves before it enters a reason: termination messages and logs.

The sidecar masks what it reads from the connector's pipes. These texts pass it by: a connector may write its
configuration into /dev/termination-log, or through /proc/1/fd/1 into its container's log. What to mask is in the task's
Secret, in the connector's specification, and in the configuration that it may have changed.
"""

import threading
import zlib
from collections.abc import Callable

from msgspec import structs

from common import redaction
from common.cluster import Cluster
from common.cluster.objects import ContainerState, ContainerStatus, Pod, Terminated
from common.errors import SyncError
from common.pods import ends, manifest
from common.pods.containers import CREDENTIALS, SIDECAR
from common.pods.manifest import Payload
from common.protocol.commands import Command
from common.redaction import Redactor
from common.store import Database, Task, states
from common.tasks.start import MAY_PASS

WITHHELD = "withheld, as the task's Secret is gone, without which it cannot be masked"


class Masking:
    """Masks by the task's Secret; several threads may share it."""

    def __init__(self, where: Cluster, db: Database) -> None:
        self._where, self._db = where, db
        self._lock = threading.Lock()

    def pod(self, pod: Pod, task: Task | None) -> Pod:
        """Return the pod with the termination messages of all its containers masked, or withheld."""
        if not any(_has_message(status) for status in pod.statuses()):
            return pod
        redactor = self._redactor(pod.name, task)

        def mask(end: Terminated) -> str:
            if redactor is None:
                # The runtime's own words, of a container that never ran.
                return end.message if end.reason in ends.NEVER_RAN else WITHHELD
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
        credentials = [values[name].decode("utf-8", "replace") for name in CREDENTIALS if name in values]
        redactor = redaction.of_config(b"", *filter(None, credentials))
        self._learn(redactor, payload, task)
        return redactor

    def _learn(self, redactor: Redactor, payload: Payload, task: Task | None) -> None:
        config = payload.config or b""
        if task is None:
            redactor.learn(config)
            return
        image = {"package": task.package, "version": task.version}
        with self._lock:
            specification, changed = self._db.transact(
                lambda db: (db.run("specification", **image), states.changed_config(db, task))
            )
        redactor.learn(config, b"".join(row["specs"].encode() for row in specification))
        if changed is not None:
            redactor.learn(changed)


def _has_message(status: ContainerStatus) -> bool:
    return any(state.terminated and state.terminated.message for state in (status.state, status.last_state))


def _masked(status: ContainerStatus, mask: Callable[[Terminated], str]) -> ContainerStatus:
    state, last = (_with_message(state, mask) for state in (status.state, status.last_state))
    return structs.replace(status, state=state, last_state=last)


def _with_message(state: ContainerState, mask: Callable[[Terminated], str]) -> ContainerState:
    end = state.terminated
    if end is None or not end.message:
        return state
    return structs.replace(state, terminated=structs.replace(end, message=mask(end)))
