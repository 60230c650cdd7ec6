"""A deployment in small: functions in processes of their own, before a Postgres and a stand-in for the Kubernetes API."""

from collections.abc import Iterator

import pytest

from tests.support.kube_api import KubeApi, kube_api


@pytest.fixture
def api() -> Iterator[KubeApi]:
    """A stand-in for the Kubernetes API."""
    with kube_api() as running:
        yield running
