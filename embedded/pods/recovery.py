"""Repair after a crash: end processes, mark their pods as failed, delete what was to be deleted."""

import logging
from pathlib import Path

import msgspec

from embedded.pods import pod_dir, processes, status
from embedded.pods.pod_dir import Parameters, PodFolder, delete_tree
from embedded.pods.secrets import SecretFiles

_RESTARTED = "The machine's runner ended (crash or restart)."

_log = logging.getLogger(__name__)


def repair(pods: Path, secrets: SecretFiles) -> None:
    """Repair a folder that an earlier process left in whatever state.

    Pods that had ended stay as they are; the others become Failed, for a sweep to conclude and delete.
    """
    for half in pods.glob(".*"):
        delete_tree(half)
    living: set[str] = set()
    for folder in pod_dir.pods(pods):
        pod = folder.read()
        if pod is None:
            _log.warning("a pod's folder without a pod is deleted: %s", folder.root.name)
            folder.remove()
            continue
        conclude(folder, pod.uid, _RESTARTED)
        if pod.is_ending:
            folder.remove()
        else:
            living.add(pod.uid)
    secrets.remove_orphans(living)


def _runtime(folder: PodFolder) -> str:
    """Return the program that ran the pod's connector in a container, if one did."""
    try:
        return msgspec.json.decode(folder.parameters.read_bytes(), type=Parameters).images.runtime
    except (OSError, msgspec.MsgspecError):
        return ""


def conclude(folder: PodFolder, uid: str, message: str) -> None:
    """End the processes of a pod without a runner, and mark it Failed if it had not ended by itself."""
    processes.clean_up(folder, uid)
    pod = folder.read()
    if pod is not None and not pod.has_ended:
        if runtime := _runtime(folder):
            from embedded.containers.runtime import remove_of_pod

            remove_of_pod(runtime, uid)
        folder.write_status(status.lost(message, pod.status.start_time))
