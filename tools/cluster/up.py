"""Builds what is missing, starts the cluster, and waits until it is ready."""

import concurrent.futures
import json

from tools.cluster import builds, daemons, identities, images, knative, network
from tools.cluster.daemons import kubectl_succeeds
from tools.cluster.down import tear_down
from tools.cluster.processes import ClusterError, lock, phase, run, wait_until
from tools.cluster.settings import LOGS, NODE, ONLY_IMAGES, PIDS, RUN, SYSCTLS


def build(*, with_knative: bool) -> None:
    """Installs the packages and builds the programs, unless that was done."""
    builds.install_packages()
    with lock("build"):
        builds.build_kubernetes()
        builds.build_addons()
        if with_knative:
            builds.build_knative()
            builds.envoy()
            knative.manifests()


def up(*, with_knative: bool) -> None:
    """Leaves a running cluster; at once where one runs."""
    build(with_knative=with_knative)
    with lock("state"):
        if not is_running():
            tear_down()
            _start(with_knative=with_knative)
        if with_knative and not knative.INSTALLED.exists():
            images.load_own(with_knative=True)
            knative.install()


def is_running() -> bool:
    """Whether every daemon lives and the API server answers: others may use the cluster, so it gets time to."""
    if not all(daemons.alive(name) for name in daemons.ALL):
        return False
    try:
        wait_until("the apiserver is ready", _apiserver_is_ready, daemons.dead, seconds=60)
    except ClusterError:
        return False
    return True


def start_again(name: str) -> None:
    """Starts a daemon of a running cluster that was killed, and waits until the API server answers."""
    daemons.start(name)
    wait_until("the apiserver is ready", _apiserver_is_ready, daemons.dead)


def _start(*, with_knative: bool) -> None:
    with phase("network and configuration"):
        for folder in (PIDS, LOGS):
            folder.mkdir(parents=True, exist_ok=True)
        RUN.chmod(0o700)
        _save_sysctls()
        network.up()
        identities.write_keys()
        identities.write_kubeconfigs()
        identities.write_configuration(images.pause_image().name)
    ONLY_IMAGES.unlink(missing_ok=True)
    for name in daemons.EARLY:
        daemons.start(name)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        loading = pool.submit(images.load_own, with_knative=with_knative)
        with phase("control plane"):
            wait_until("the apiserver is ready", _apiserver_is_ready, daemons.dead)
        loading.result()
    with phase("node"):
        for name in daemons.LATE:
            daemons.start(name)
        wait_until("the node is ready", _node_is_ready, daemons.dead)
        wait_until("pods have an account", _has_account, daemons.dead)


def _save_sysctls() -> None:
    values = {name: run("sysctl", "-n", name).strip() for name in SYSCTLS}
    (RUN / "sysctls.json").write_text(json.dumps(values))


def _apiserver_is_ready() -> bool:
    return kubectl_succeeds("get", "--raw", "/readyz")


def _node_is_ready() -> bool:
    return kubectl_succeeds("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=1s")


def _has_account() -> bool:
    return kubectl_succeeds("get", "serviceaccount", "default")
