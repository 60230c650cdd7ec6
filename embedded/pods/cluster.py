"""The verbs of `common.cluster.Cluster` over local processes, and files of declared syncs."""

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from common.cluster import Document, Manifest
from common.cluster.objects import Pod
from common.errors import ClusterUnavailable, Conflict, Refused, SettingsError
from common.pods.containers import PATHS
from common.syncs.validate import Rules
from embedded import files
from embedded.credentials import Credentials
from embedded.pods import logs, manifest, pod_dir, recovery
from embedded.pods.images import Images
from embedded.pods.pod_dir import Parameters, PodFolder, delete_tree, write_json
from embedded.pods.runners import Runners
from embedded.pods.secrets import SecretFiles
from embedded.pods.status import PodStatus, now
from embedded.syncs.home import SyncHome

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PASSED_ON = re.compile(r"PATH|LANG|LC_[A-Z]+|TZ")
"""What containers get of the owner's environment. HOME and TMPDIR are a container's own."""
_CLOSE_GRACE_SECONDS = 5.0


class LocalCluster:
    """A `Cluster` on this machine. One at a time per folder; `close` it to end its pods in order.

    Pods that it leaves are Failed, so that a sweep can conclude them. `environment` is that of the runners, and so of
    installations. `on_end` is called, by a thread of its own, whenever a pod has ended. `syncs` is the folder of the
    declared syncs (default: in `folder`), `rules` what they may do, `credentials` the folder of the user's own Secrets.
    """

    def __init__(
        self,
        folder: Path,
        images: Images,
        sidecar_image: str,
        environment: Mapping[str, str],
        *,
        credentials: Path | None = None,
        install_pause_seconds: float = 10.0,
        on_end: Callable[[], None] = lambda: None,
        syncs: Path | None = None,
        rules: Rules = Rules(),  # noqa: B008 - it is frozen
    ) -> None:
        self._pods, secrets = folder / "pods", folder / "secrets"
        for path in (folder, self._pods, secrets):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
        self._claim = ExitStack()
        try:
            # A second owner would end the pods of this one, as if left by a crash.
            self._claim.enter_context(files.lock(folder / "lock"))
        except BlockingIOError as exc:
            raise SettingsError(
                f"Another process runs pods in {folder} already; stop it, or choose another folder."
            ) from exc
        self._secrets = SecretFiles(secrets.resolve())
        self._pods = self._pods.resolve()
        credentials = (credentials or folder / "credentials").absolute()
        self._credentials = Credentials(credentials)
        self._parameters = Parameters(
            images=images,
            sidecar_image=sidecar_image,
            secrets=str(self._secrets.root),
            credentials=str(credentials),
            environment={"PATH": os.defpath}
            | {key: value for key, value in environment.items() if _PASSED_ON.fullmatch(key)},
            path_variables=tuple(PATHS),
            install_pause_seconds=install_pause_seconds,
        )
        self._lock = Lock()
        self._runners = Runners(environment, self._lock, self._settle, on_end)
        self._closed = False
        self._syncs = SyncHome(syncs or folder / "syncs", rules)
        recovery.repair(self._pods, self._secrets)

    def create_pod(self, pod: Manifest) -> Pod:
        """See Cluster; returns while the pod is Pending."""
        name = str(pod["metadata"]["name"])
        if not _NAME.fullmatch(name):
            raise Refused(f"{name!r} is not a name for a pod; use lower-case letters, digits, '-' and '.'.")
        with self._lock:
            if self._closed:
                raise ClusterUnavailable("The embedded edition is stopping; start the task again when it is up.")
            folder = self._make_folder(name, pod)
            self._runners.start(name, folder)
        created = folder.read()
        if created is None:
            raise ClusterUnavailable(f"The pod {name} was deleted while it was being created.")
        return created

    def create_secret(self, secret: Manifest) -> None:
        """See Cluster. A Secret whose owner is gone is not kept: a garbage collector would delete it."""
        owners = secret["metadata"].get("ownerReferences") or ()
        with self._lock:
            if not owners or any(self._exists(owner["name"], owner["uid"]) for owner in owners):
                try:
                    self._secrets.create(secret)
                except OSError as exc:
                    raise ClusterUnavailable(f"The task's Secret could not be written: {exc.strerror}.") from exc

    def read_secret(self, name: str) -> dict[str, bytes] | None:
        """See Cluster; tasks' own, and the user's."""
        return self._secrets.read(name) or self._credentials.values(name)

    def get_pod(self, name: str) -> Pod | None:
        """See Cluster."""
        return PodFolder(self._pods / name).read() if _NAME.fullmatch(name) else None

    def list_pods(self) -> Iterator[Pod]:
        """See Cluster."""
        return (pod for folder in pod_dir.pods(self._pods) if (pod := folder.read()) is not None and pod.is_ours)

    def delete_pod(self, name: str, uid: str, grace_seconds: int) -> None:
        """See Cluster. A second call can only shorten the grace period."""
        with self._lock:
            pod = self.get_pod(name)
            if pod is None or pod.uid != uid:
                return
            folder = PodFolder(self._pods / name)
            whole = json.loads(folder.pod.read_bytes())
            whole["metadata"].setdefault("deletionTimestamp", now())
            whole["metadata"]["deletionGracePeriodSeconds"] = grace_seconds
            write_json(folder.pod, whole)
            if not self._runners.end(name, grace_seconds):
                self._remove(folder, uid)

    def read_log(self, name: str, container: str, tail_lines: int) -> bytes:
        """See Cluster; init containers too."""
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(container):
            return b""
        return logs.tail(PodFolder(self._pods / name).log(container), tail_lines)

    def list_syncs(self) -> list[Document]:
        """See Cluster."""
        return self._syncs.list_syncs()

    def get_sync(self, name: str) -> Document | None:
        """See Cluster."""
        return self._syncs.get_sync(name)

    def put_sync(self, document: Manifest, resource_version: str) -> Document:
        """See Cluster."""
        return self._syncs.put_sync(document, resource_version)

    def delete_sync(self, name: str, resource_version: str = "") -> bool:
        """See Cluster."""
        return self._syncs.delete_sync(name, resource_version)

    def set_sync_status(self, name: str, status: Manifest) -> None:
        """See Cluster."""
        self._syncs.set_sync_status(name, status)

    def close(self, grace_seconds: float = _CLOSE_GRACE_SECONDS) -> None:
        """End all pods (SIGTERM, then SIGKILL after the grace period) and wait for it; idempotent."""
        with self._lock:
            self._closed = True
        self._runners.close(grace_seconds)
        self._forget_payloads()
        self._claim.close()

    def _forget_payloads(self) -> None:
        """Delete the pods' own copies of what they were given, and the Secrets of those that succeeded.

        The others are for the next sweep: a read that was stopped is started again from its Secret.
        """
        unfinished: set[str] = set()
        for folder in pod_dir.pods(self._pods):
            with suppress(OSError):
                delete_tree(folder.root / "volumes")
            pod = folder.read()
            if pod is not None and not pod.is_ending and pod.status.phase != "Succeeded":
                unfinished.add(pod.uid)
        self._secrets.remove_orphans(unfinished)

    def _exists(self, name: str, uid: str) -> bool:
        pod = self.get_pod(name)
        return pod is not None and pod.uid == uid

    def _make_folder(self, name: str, pod: Manifest) -> PodFolder:
        """Make a folder that appears under the pod's name whole, or not at all."""
        made: dict[str, Any] = json.loads(json.dumps(pod))
        made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        half = PodFolder(self._pods / f".new-{made['metadata']['uid']}")
        try:
            half.root.mkdir(mode=0o700)
            write_json(half.pod, made)
            half.write_status(PodStatus(manifest.parse(made).spec).status())
            files.write_atomic(half.parameters, msgspec.json.encode(self._parameters))
            return PodFolder(half.root.rename(self._pods / name))
        except OSError as exc:
            with suppress(FileNotFoundError):
                delete_tree(half.root)
            if not (self._pods / name).exists():
                raise ClusterUnavailable(f"The pod {name} could not be created: {exc.strerror}.") from exc
            raise Conflict(f"A pod named {name} exists already, or is still ending.") from exc

    def _settle(self, folder: PodFolder, uid: str) -> None:
        """Remove a pod whose runner has ended, if it is being deleted."""
        pod = folder.read()
        if pod is not None and pod.is_ending:
            self._remove(folder, uid)

    def _remove(self, folder: PodFolder, uid: str) -> None:
        self._secrets.remove_owned_by(uid)
        folder.remove()
