"""What the test runner makes of groups of tests."""

import pytest

pytestmark = pytest.mark.xdist_group("groups")


def test_a_group_goes_to_one_worker(request: pytest.FixtureRequest) -> None:
    """Where pytest-xdist passes over groups, every worker starts an edition of its own, and says nothing."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@groups")
