"""What events are sent to."""

from typing import Protocol

from common.errors import SyncError
from common.outbox.event import Event


class DeliveryFailed(SyncError):
    """A target did not take an event. `retryable`: it may do so later."""

    def __init__(self, reason: str, *, retryable: bool = True) -> None:
        super().__init__(reason)
        self.retryable = retryable


class Target(Protocol):
    """Something that is to hear of events."""

    @property
    def name(self) -> str:
        """What its deliveries are kept under, also in the next sweep: no part of an address that may be secret."""

    def wants(self, event: Event) -> bool:
        """Return whether the event is to be sent; asked once, before the first attempt."""

    def send(self, event: Event) -> None:
        """Send it, within seconds; raise DeliveryFailed, whose reason holds nothing secret. Any thread may call."""
