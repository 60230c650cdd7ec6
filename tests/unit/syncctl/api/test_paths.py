"""What a name becomes in an address: never another address."""

from collections.abc import Callable, Iterator

import pytest
from msgspec import Raw

from syncctl.api.client import Deployment
from syncctl.api.errors import RequestRefused
from syncctl.api.states import SyncStates
from syncctl.api.syncs import DeclaredSyncs
from tests.support.fake_deployment import TOKEN, FakeDeployment, fake_deployment

ASKED: list[Callable[[Deployment, str], object]] = [
    lambda there, name: SyncStates(there, "shop").reset(name),
    lambda there, name: SyncStates(there, "shop").set_one(name, Raw(b"{}")),
    lambda there, name: SyncStates(there, "shop").get_one(name),
    lambda there, name: SyncStates(there, name).reset(),
    lambda there, name: DeclaredSyncs(there).delete(name),
    lambda there, name: DeclaredSyncs(there).run(name, "task"),
    lambda there, name: there.task(name),
]


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        yield script


@pytest.mark.fault(821)
@pytest.mark.parametrize("name", ["", ".", ".."])
@pytest.mark.parametrize("ask", ASKED)
def test_dots_are_refused(server: FakeDeployment, ask: Callable[[Deployment, str], object], name: str) -> None:
    """`DELETE /syncs/shop/state/..` would be sent as `DELETE /syncs/shop`."""
    with Deployment(server.url, TOKEN) as there, pytest.raises(RequestRefused, match="cannot be part of an address"):
        ask(there, name)
    assert server.requests == []


@pytest.mark.fault(826)
@pytest.mark.parametrize("stream", ["a,b", " a", "a\t", ""])
def test_a_stream_that_a_request_cannot_name_is_refused(server: FakeDeployment, stream: str) -> None:
    """`streams=a,b` are two streams, and blanks around a name are cut off."""
    with Deployment(server.url, TOKEN) as there, pytest.raises(RequestRefused, match="to run all its streams"):
        DeclaredSyncs(there).run("shop", "task", ["c", stream])
    assert server.requests == []
