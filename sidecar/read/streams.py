"""The streams of a run: the catalog's streams, and those that the connector speaks of without being asked."""

from collections.abc import Callable, Iterable

from common.protocol.catalogs import Catalog, ConfiguredStream, Stream, StreamId
from sidecar.bulker.client import Bulker
from sidecar.read.stream import SEND_BYTES, StreamWriter

_UNKNOWN_STREAMS, _UNKNOWN_NAME = 100, 1000
"""How many streams that nobody selected are told apart, and how many characters their names may have."""
_OTHERS = StreamId("(other streams)")
_GATHERED_BYTES = 16 * 1024 * 1024
"""What all streams together may gather before they send."""
_LEAST_SEND_BYTES = 8 * 1024


class Streams:
    """Finds a stream's writer; `unknown` is told the name of a stream that the catalog does not select."""

    def __init__(
        self,
        catalog: Catalog,
        prefix: str,
        *,
        resumes: Callable[[ConfiguredStream], bool],
        bulker: Bulker,
        redact: Callable[[str], str],
        unknown: Callable[[str], None],
    ) -> None:
        room = _GATHERED_BYTES // max(len(catalog.streams), 1)
        send_bytes = max(min(SEND_BYTES, room), _LEAST_SEND_BYTES)
        self._streams = {
            stream.id: StreamWriter(
                stream,
                stream.table(prefix),
                resumes=resumes(stream),
                bulker=bulker,
                redact=redact,
                send_bytes=send_bytes,
            )
            for stream in catalog.streams
        }
        self.known = list(self._streams.values())
        self._by_name = _unique_names(self.known)
        self._unselected: dict[StreamId, StreamWriter] = {}
        self._tell = unknown

    @property
    def reported(self) -> list[StreamWriter]:
        """The catalog's streams, then those that it lacks and that sent records or failed."""
        return [*self.known, *(writer for writer in list(self._unselected.values()) if writer.emitted or writer.error)]

    @property
    def all(self) -> list[StreamWriter]:
        """Every stream that there was word of."""
        return [*self.known, *self._unselected.values()]

    def find(self, stream: StreamId) -> StreamWriter:
        """The stream's writer. A descriptor without its namespace still finds the only stream of that name."""
        if stream.namespace == "":
            stream = StreamId(stream.name)
        writer = self._streams.get(stream) or self._unselected.get(stream)
        if writer is None and stream.namespace is None:
            writer = self._by_name.get(stream.name)
        return writer or self._add(stream)

    def is_ambiguous(self, writer: StreamWriter) -> bool:
        """Whether a stranger's name, given without a namespace, is that of streams which the catalog selects."""
        return (
            not writer.selected and writer.id.namespace is None and any(o.id.name == writer.id.name for o in self.known)
        )

    def _add(self, stream: StreamId) -> StreamWriter:
        # One whose key is another stream's would hide that one's accounting.
        taken = any(writer.id.key == stream.key for writer in self.all)
        if taken or len(self._unselected) >= _UNKNOWN_STREAMS or len(stream.key) > _UNKNOWN_NAME:
            stream = _OTHERS
        if stream not in self._unselected:
            self._unselected[stream] = StreamWriter(
                ConfiguredStream(Stream(stream.name, stream.namespace)), "", resumes=False, bulker=None
            )
            self._tell(stream.key)
        return self._unselected[stream]


def _unique_names(streams: Iterable[StreamWriter]) -> dict[str, StreamWriter]:
    found: dict[str, StreamWriter] = {}
    twice: set[str] = set()
    for writer in streams:
        if writer.id.name in found:
            twice.add(writer.id.name)
        found[writer.id.name] = writer
    return {name: writer for name, writer in found.items() if name not in twice}
