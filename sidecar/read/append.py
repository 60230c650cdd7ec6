"""Which streams of a run go on from a state, so that their rows are added to their tables (contract.md D17)."""

from collections.abc import Callable

from common.protocol import messages
from common.protocol.catalogs import ConfiguredStream
from common.protocol.resume import named_streams, resumable_streams
from sidecar.settings import SidecarSettings


def resuming(settings: SidecarSettings) -> Callable[[ConfiguredStream], bool]:
    """Which streams add to their tables: all incremental ones of a run with a state. But where a task began from
    nothing, those alone that a later attempt of it is given a state of: the others have not replaced their tables yet.
    A full refresh does where its caller tells it to go on in the middle: what it sends is not the whole table.
    """
    state = settings.file("state")
    if messages.is_empty(state):
        return lambda _: False
    named = named_streams(state) if settings.anew else None
    told = resumable_streams(state)

    def resumes(stream: ConfiguredStream) -> bool:
        if stream.incremental:
            return named is None or stream.id in named
        return stream.resumable and stream.id in told

    return resumes
