"""The texts beside a task's streams, of which a row and a page of tasks hold all."""

import pytest

from common.store.stream_texts import MOST_BYTES, bounded


def _streams(count: int, text: str) -> dict[str, dict[str, object]]:
    return {f"stream-{number}": {"status": "FAILED", "emitted": number, "error": text} for number in range(count)}


def _total(streams: dict[str, dict[str, object]]) -> int:
    return sum(len(str(stream.get(name, "")).encode()) for stream in streams.values() for name in ("error", "note"))


def test_few_texts_stay_as_they_are() -> None:
    """Nothing is copied: progress is written every 3 s."""
    streams = _streams(100, "x" * 2000)
    assert bounded(streams) is streams


@pytest.mark.fault(435)
@pytest.mark.parametrize("text", ["no room " * 250, "k\u00e9in Platz \U0001f331 " * 150])
@pytest.mark.parametrize("count", [200, 2_000])
def test_all_together_fit(count: int, text: str) -> None:
    """Each keeps its beginning; what else is known of a stream stays, and a short text is whole."""
    streams = _streams(count, text) | {"short": {"error": "", "note": "rate limited"}}
    found = bounded(streams)
    assert MOST_BYTES / 2 < _total(found) <= MOST_BYTES
    assert found["short"] == streams["short"]
    for key in list(streams)[:-1]:
        error = str(found[key]["error"])
        assert error.endswith(" ...")
        assert text.startswith(error.removesuffix(" ..."))
        assert found[key] | {"error": ""} == streams[key] | {"error": ""}
    assert bounded(found) is found


def test_even_of_very_many_each_keeps_some_words() -> None:
    """Their names alone take more."""
    found = bounded(_streams(20_000, "The key is not valid for this stream. " * 10))
    assert {len(str(stream["error"])) for stream in found.values()} == {40}
