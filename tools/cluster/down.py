"""Stops the cluster and undoes what it changed on the machine."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.cluster import daemons, network
from tools.cluster.processes import lock, phase, run, succeeds
from tools.cluster.settings import ONLY_IMAGES, RUN, STATE


def down(*, purge: bool) -> None:
    """Leaves nothing but the loaded images; with `purge`, not even those."""
    with lock("state"), phase("down"):
        tear_down()
        if purge:
            shutil.rmtree(STATE, ignore_errors=True)


def tear_down() -> None:
    """Ends whatever this or an earlier, interrupted `up` started; keeps images."""
    for name in reversed([name for name in daemons.ALL if name != "containerd"]):
        daemons.stop(name, signal.SIGKILL)  # what they would save is thrown away
    _kill_all(_pod_processes)
    if daemons.alive("containerd") and _forget_containers():
        ONLY_IMAGES.touch()
    daemons.stop("containerd")
    _kill_all(_shim_processes)
    _unmount_all()
    network.down()
    _remove_cgroups()
    _restore_sysctls()
    for folder in (STATE / "etcd", STATE / "kubelet", STATE / "pod-logs", RUN):
        shutil.rmtree(folder, ignore_errors=True)
    if not ONLY_IMAGES.exists():
        # containerd would bring the dead containers back from its database.
        shutil.rmtree(STATE / "containerd", ignore_errors=True)
    _remove_links()


def _kill_all(find: Callable[[], set[int]], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while (pids := find()) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _pod_cgroups() -> Iterator[Path]:
    """The pods' cgroups in every hierarchy, the innermost first."""
    for hierarchy in Path("/sys/fs/cgroup").glob("*/kubepods"):
        for folder, _, _ in os.walk(hierarchy, topdown=False):
            yield Path(folder)


def _pod_processes() -> set[int]:
    pids: set[int] = set()
    for cgroup in _pod_cgroups():
        with contextlib.suppress(OSError):
            pids.update(int(pid) for pid in (cgroup / "cgroup.procs").read_text().split())
    return pids


def _shim_processes() -> set[int]:
    """containerd's shims, told by the socket of our own containerd."""
    pids: set[int] = set()
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = command_line.read_bytes().split(b"\0")
            if b"shim" in command[0] and bytes(RUN / "containerd.sock") in command:
                pids.add(int(command_line.parent.name))
    return pids


def _forget_containers() -> bool:
    """Removes the containers from containerd's database; False if one stays."""
    for _ in range(20):
        containers = run(*daemons.CTR, "containers", "list", "--quiet").split()
        if not containers:
            return True
        # Fails for a container whose dead task containerd still holds.
        succeeds(*daemons.CTR, "containers", "delete", *containers)
        time.sleep(0.2)
    return False


def _unmount_all() -> None:
    mounted = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for path in reversed(mounted):
        if STATE in path.parents or RUN in path.parents:
            run("umount", "--lazy", path)


def _remove_cgroups() -> None:
    for cgroup in _pod_cgroups():
        with contextlib.suppress(OSError):
            cgroup.rmdir()


def _remove_links() -> None:
    """The kubelet's links to the logs, and CNI's cache, lie at fixed places."""
    for link in Path("/var/log/containers").glob("*"):
        if link.is_symlink() and link.readlink().is_relative_to(STATE):
            link.unlink()
    for file in Path("/var/lib/cni/results").glob("sync-cluster-*"):
        file.unlink()


def _restore_sysctls() -> None:
    saved = RUN / "sysctls.json"
    if saved.exists():
        for name, value in json.loads(saved.read_text()).items():
            run("sysctl", "-qw", f"{name}={value}")
