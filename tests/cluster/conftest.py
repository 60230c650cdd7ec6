"""One deployment for all cluster tests; without a cluster they are skipped."""

import logging
from collections.abc import Generator, Iterator

import pytest

from tests.cluster import evidence, leaks, settings, stack
from tests.cluster.settings import ClusterSettings
from tests.cluster.stack import Stack
from tools.cluster.settings import KUBECONFIG

# Their lines would hide what a failure says.
for _chatty in ("httpcore", "httpx"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the cluster shows at that moment, before fixtures clean up."""
    report = yield
    if report.failed and report.when == "call" and "deployed" in getattr(item, "fixturenames", ()):
        report.sections.append(("the cluster", evidence.collect()))
    return report


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
