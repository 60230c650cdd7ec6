"""Which targets the settings name."""

from typing import TYPE_CHECKING

from common.cluster import Cluster
from common.settings import Settings

if TYPE_CHECKING:
    from common.outbox.target import Target


def of(settings: Settings, where: Cluster) -> "list[Target]":
    """Return what is to hear of events: any declared sync may name webhooks, and is asked once one ends."""
    from common.outbox import webhook

    found: list[Target] = []
    if settings.sink_url:
        from common.outbox.sink import Sink

        # First: webhooks that hang must not take its turn.
        found.append(Sink(settings.sink_url, settings.sink_overrides, settings.sink_ca_certs))
    return found + webhook.targets(settings, where)
