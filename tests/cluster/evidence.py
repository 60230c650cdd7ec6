"""What a cluster shows when a test has failed: nobody can look afterwards."""

import subprocess

from tests.cluster import kube
from tests.cluster.kube import FUNCTIONS, TASKS

_LINES = 60
_COMMANDS = [
    f"get pods -n {TASKS} -o wide",
    f"get pods,jobs,apiserversource -n {FUNCTIONS}",
    f"get events -n {TASKS} --sort-by=.lastTimestamp",
    f"logs -n {FUNCTIONS} -l serving.knative.dev/service=sweeper -c user-container --tail={_LINES} --prefix",
    f"logs -n {FUNCTIONS} -l eventing.knative.dev/sourceName=pod-events --tail={_LINES} --prefix",
]


def collect() -> str:
    """Return the pods, events and last log lines of the deployment; a command that fails shows its error."""
    return "\n".join(f"$ kubectl {command}\n{_shown(command)}" for command in _COMMANDS)


def _shown(command: str) -> str:
    try:
        shown = kube.run("kubectl", "--request-timeout=20s", *command.split(), seconds=30)
    except (kube.CommandFailed, subprocess.TimeoutExpired) as error:
        return str(error)
    return "\n".join(shown.splitlines()[-_LINES:])
