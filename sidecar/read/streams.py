"""The writers of a run's streams: those of the catalog, and others that the source names unasked."""

from collections import Counter
from collections.abc import Callable, Mapping

from common.failures import FailureKind
from common.protocol.catalogs import Catalog, ConfiguredStream, Stream, StreamId
from sidecar.bulker.client import Bulker
from sidecar.read.record_extras import NO_FILES
from sidecar.read.starts import Start
from sidecar.read.stream import SEND_BYTES, StreamWriter

_UNSELECTED_STREAMS, _UNSELECTED_CHARACTERS = 100, 1000
"""How many unselected streams are counted apart, and how long their names may be."""
_OTHERS = StreamId("(other streams)")
_GATHERED_BYTES = 16 * 1024 * 1024
"""What all streams together may gather before they send."""
_LEAST_SEND_BYTES = 8 * 1024
_UNCLEAR = (
    "its rows are added to the table's, and are there twice if the source began from nothing: the state that it was "
    "given does not show that"
)
_RETRY = "its rows are added to the table's, and are there twice if an earlier attempt of this read has added them too"


class Streams:
    """Find a stream's writer; `on_unselected` gets the name of each stream that the catalog does not select."""

    def __init__(
        self,
        catalog: Catalog,
        prefix: str,
        *,
        starts: Mapping[StreamId, Start],
        is_retry: bool,
        bulker: Bulker,
        redact: Callable[[str], str],
        on_unselected: Callable[[str], None],
    ) -> None:
        share = _GATHERED_BYTES // max(len(catalog.streams), 1)
        send_bytes = max(min(SEND_BYTES, share), _LEAST_SEND_BYTES)
        self._selected = {
            stream.id: StreamWriter(
                stream,
                stream.table(prefix),
                resumes=starts[stream.id] is not Start.NOTHING,
                note=_note(stream, starts[stream.id], is_retry=is_retry),
                bulker=bulker,
                redact=redact,
                send_bytes=send_bytes,
            )
            for stream in catalog.streams
        }
        self.known = list(self._selected.values())
        for stream in catalog.streams:
            if stream.with_files:
                self._selected[stream.id].refuse(f"its include_files is set, and {NO_FILES}", FailureKind.CONFIG_ERROR)
        self._names = Counter(writer.id.name for writer in self.known)
        self._by_name = {writer.id.name: writer for writer in self.known if self._names[writer.id.name] == 1}
        self._unselected: dict[StreamId, StreamWriter] = {}
        self._on_unselected = on_unselected

    @property
    def reported(self) -> list[StreamWriter]:
        """The catalog's streams, then the unselected ones that sent records or failed."""
        others = list(self._unselected.values())
        return [*self.known, *(writer for writer in others if writer.account.emitted or writer.verdict.error)]

    @property
    def all(self) -> list[StreamWriter]:
        """Every stream that the catalog or the source has named."""
        return [*self.known, *self._unselected.values()]

    @property
    def limited_until(self) -> float:
        """Until when the source waits for a quota, in Unix seconds; 0 if it does not."""
        return max((writer.account.limited_until or 0.0 for writer in self.all), default=0.0)

    def find(self, stream: StreamId) -> StreamWriter:
        """Return the stream's writer. A descriptor without its namespace still finds the only stream of that name."""
        if stream.namespace == "":
            stream = StreamId(stream.name)
        return self._unselected.get(stream) or self.selected(stream) or self._add(stream)

    def selected(self, stream: StreamId) -> StreamWriter | None:
        """Return the writer of a stream if the catalog selects it; by its name alone, as `find` does."""
        stream = StreamId(stream.name, stream.namespace or None)
        by_name = self._by_name.get(stream.name) if stream.namespace is None else None
        return self._selected.get(stream) or by_name

    def twin(self, writer: StreamWriter) -> str:
        """Return how the catalog has the name of an unselected stream; "" if the two are certainly not the same.

        They may be the same where one of them has no namespace.
        """
        if writer.selected or writer.id.name not in self._names:
            return ""
        if writer.id.namespace is None:
            return "with a namespace, which is missing"
        return "without a namespace" if StreamId(writer.id.name) in self._selected else ""

    def _add(self, stream: StreamId) -> StreamWriter:
        # The key of another stream would hide that one's accounting.
        taken = any(writer.id.key == stream.key for writer in self.all)
        if taken or len(self._unselected) >= _UNSELECTED_STREAMS or len(stream.key) > _UNSELECTED_CHARACTERS:
            stream = _OTHERS
        if stream not in self._unselected:
            configured = ConfiguredStream(Stream(stream.name, stream.namespace))
            self._unselected[stream] = StreamWriter(configured, "", resumes=False, bulker=None)
            self._on_unselected(stream.key)
        return self._unselected[stream]


def _note(stream: ConfiguredStream, start: Start, *, is_retry: bool) -> str:
    if start is Start.UNCLEAR:
        return _UNCLEAR
    return _RETRY if is_retry and stream.appends and start is Start.NOTHING and not stream.incremental else ""
