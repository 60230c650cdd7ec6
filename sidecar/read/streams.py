"""The lanes of a run: the catalog's streams, and those that the connector speaks of without being asked."""

from collections.abc import Callable, Iterable

from common.protocol.catalogs import Catalog, ConfiguredStream, Stream, StreamId
from sidecar.bulker.client import Bulker
from sidecar.read.stream import SEND_BYTES, Lane

_UNKNOWN_STREAMS, _UNKNOWN_NAME = 100, 1000
"""How many streams that nobody selected are told apart, and how many characters their names may have."""
_OTHERS = StreamId("(other streams)")
_GATHERED_BYTES = 16 * 1024 * 1024
"""What all lanes together may gather before they send."""
_LEAST_SEND_BYTES = 8 * 1024


class Lanes:
    """Finds a stream's lane; `unknown` is told the name of a stream that the catalog does not select."""

    def __init__(
        self,
        catalog: Catalog,
        prefix: str,
        *,
        resumes: Callable[[ConfiguredStream], bool],
        bulker: Bulker,
        hide: Callable[[str], str],
        unknown: Callable[[str], None],
    ) -> None:
        room = _GATHERED_BYTES // max(len(catalog.streams), 1)
        send_bytes = max(min(SEND_BYTES, room), _LEAST_SEND_BYTES)
        self._lanes = {
            stream.id: Lane(
                stream,
                stream.table(prefix),
                resumes=resumes(stream),
                bulker=bulker,
                hide=hide,
                send_bytes=send_bytes,
            )
            for stream in catalog.streams
        }
        self.known = list(self._lanes.values())
        self._by_name = _unique_names(self.known)
        self._strangers: dict[StreamId, Lane] = {}
        self._tell = unknown

    @property
    def reported(self) -> list[Lane]:
        """The catalog's streams, then those that it lacks and that sent records or failed."""
        return [*self.known, *(lane for lane in list(self._strangers.values()) if lane.emitted or lane.error)]

    @property
    def all(self) -> list[Lane]:
        """Every stream that there was word of."""
        return [*self.known, *self._strangers.values()]

    def find(self, stream: StreamId) -> Lane:
        """The stream's lane. A descriptor without its namespace still finds the only stream of that name."""
        if stream.namespace == "":
            stream = StreamId(stream.name)
        lane = self._lanes.get(stream) or self._strangers.get(stream)
        if lane is None and stream.namespace is None:
            lane = self._by_name.get(stream.name)
        return lane or self._add(stream)

    def may_mean_another(self, lane: Lane) -> bool:
        """Whether a stranger's name, given without a namespace, is that of streams which the catalog selects."""
        return not lane.selected and lane.id.namespace is None and any(o.id.name == lane.id.name for o in self.known)

    def _add(self, stream: StreamId) -> Lane:
        # One whose key is another stream's would hide that one's accounting.
        taken = any(lane.id.key == stream.key for lane in self.all)
        if taken or len(self._strangers) >= _UNKNOWN_STREAMS or len(stream.key) > _UNKNOWN_NAME:
            stream = _OTHERS
        if stream not in self._strangers:
            self._strangers[stream] = Lane(
                ConfiguredStream(Stream(stream.name, stream.namespace)), "", resumes=False, bulker=None
            )
            self._tell(stream.key)
        return self._strangers[stream]


def _unique_names(lanes: Iterable[Lane]) -> dict[str, Lane]:
    found: dict[str, Lane] = {}
    twice: set[str] = set()
    for lane in lanes:
        if lane.id.name in found:
            twice.add(lane.id.name)
        found[lane.id.name] = lane
    return {name: lane for name, lane in found.items() if name not in twice}
