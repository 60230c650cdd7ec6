"""Which streams of a run resume from a state, so that their rows are added to their tables (contract.md D17)."""

from collections.abc import Callable

from common.protocol.catalogs import ConfiguredStream
from common.protocol.messages import is_empty
from common.protocol.resume import named_streams, resumable_streams
from sidecar.settings import SidecarSettings


def resuming(settings: SidecarSettings) -> Callable[[ConfiguredStream], bool]:
    """Return a test for streams that add to their tables: all incremental ones of a run with a state.

    A later attempt of a task that began from nothing: only those that its state names, since the others have not
    replaced their tables yet. A full refresh only if its own state tells it to continue: it sends a part of the table.
    """
    state = settings.file("state")
    if is_empty(state):
        return lambda _: False
    named = named_streams(state) if settings.from_nothing else None
    continued = resumable_streams(state)

    def resumes(stream: ConfiguredStream) -> bool:
        if stream.incremental:
            return named is None or stream.id in named
        return stream.resumable and stream.id in continued

    return resumes
