"""What a cluster is measured for, one after another; deploys the development overlay to the cluster of KUBECONFIG.

Not among the benches that run without a name: a KUBECONFIG may name a cluster that other people use.
"""

from bench.cluster import cold, images, reads, timeline
from bench.results import left_out
from tests.cluster import settings, stack
from tests.cluster.stack import Stack

_NO_CLUSTER = "KUBECONFIG names no cluster; `make cluster` starts one"


def deployed() -> Stack | None:
    """Deploy to the cluster, with the connectors that are read; None where no cluster is named."""
    cluster = settings.load()
    if cluster is None:
        return None
    running = stack.deploy(cluster)
    stack.ensure_connectors(cluster)
    return running


def run(*, quick: bool) -> bool:
    """Measure all of it."""
    running = deployed()
    if running is None:
        return left_out("cluster", _NO_CLUSTER)
    tasks, rounds = (3, 1) if quick else (20, 5)
    met = [
        timeline.run(running, tasks),
        reads.run(running, tasks),
        cold.run(running, rounds),
        images.run(),
    ]
    return all(met)
