"""A deployment in small: functions in processes of their own, before a Postgres and a stand-in for the Kubernetes API."""

from collections.abc import Iterator

import pytest

from tests.support.fake_kubernetes import FakeKubernetes, fake_kubernetes


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    """A stand-in for the Kubernetes API."""
    with fake_kubernetes() as running:
        yield running
