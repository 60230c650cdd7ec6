"""After all cluster tests: nothing that anybody may read holds the secret that their configurations had."""

from contextlib import suppress

from tests.cluster import kube
from tests.cluster.kube import FUNCTIONS, TASKS, CommandFailed
from tests.cluster.stack import Stack
from tests.support import canaries

_OWNER = "syncctl.syncctl_changed_config"
"""A configuration that a connector changed is kept as it is."""


def refuse(deployed: Stack) -> None:
    """Fails if the secret is in an object, an event, a container's log or a row."""
    for namespace in (FUNCTIONS, TASKS):
        objects = kube.kubectl("get", "pods,events,jobs,configmaps", "-n", namespace, "-o", "json")
        canaries.refuse(f"the objects of {namespace}", objects)
        for pod in kube.items("pod", namespace):
            for container in pod["spec"]["containers"]:
                with suppress(CommandFailed):  # it has just gone, or has not begun
                    name = pod["metadata"]["name"]
                    log = kube.kubectl("logs", name, "-n", namespace, "-c", container["name"])
                    canaries.refuse(f"the log of {name}", log)
    named = "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('newjitsu', 'syncctl')"
    for table in (row["name"] for row in deployed.rows(named)):
        if table != _OWNER:
            where = " OR ".join(f"t::text LIKE '%{one}%'" for one in canaries.spellings(canaries.MARK))
            for row in deployed.rows(f"SELECT t::text AS line FROM {table} t WHERE {where}"):
                canaries.refuse(f"the table {table}", row["line"])
