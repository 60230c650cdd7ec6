"""One deployment for all cluster tests; without a cluster they are skipped."""

from collections.abc import Iterator

import pytest

from tests.cluster import leaks, settings, stack
from tests.cluster.settings import ClusterSettings
from tests.cluster.stack import Stack
from tools.cluster.settings import KUBECONFIG


@pytest.fixture(scope="session")
def cluster() -> ClusterSettings:
    """The cluster that KUBECONFIG names."""
    found = settings.load()
    if found is None:
        pytest.skip("no cluster: `make test-cluster` starts one, or set KUBECONFIG and KNATIVE_URL to use another")
    return found


@pytest.fixture(scope="session")
def own_cluster(cluster: ClusterSettings) -> None:
    """Skips on a cluster whose processes are not ours to kill."""
    if cluster.kubeconfig != str(KUBECONFIG):
        pytest.skip("needs the cluster of `make cluster`, whose processes it may kill")


@pytest.fixture(scope="session")
def deployed(cluster: ClusterSettings) -> Iterator[Stack]:
    """The project's own files on that cluster, with images of the present code; no secret is seen in the end."""
    running = stack.deploy(cluster)
    with running.client:
        yield running
        leaks.refuse(running)


@pytest.fixture(scope="session")
def connectors(cluster: ClusterSettings) -> None:
    """Images of a real connector, and of one that does what it is told."""
    stack.ensure_connectors(cluster)
