"""A sync's saved states: what is one stream's, with it and without it."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from common.errors import BadRequest, Refused
from common.protocol import saved
from common.protocol.states import StateKind

STREAMS = {"plants": b'{"n":1}', "garden.beds": b'{"n":9223372036854775808}'}
PLANTS = {"stream_descriptor": {"name": "plants"}, "stream_state": {"n": 1}, "extra": 7}
BEDS = {"stream_descriptor": {"name": "beds", "namespace": "garden"}, "stream_state": {"n": 2}}


def _global(*parts: dict[str, Any], **more: Any) -> dict[str, bytes]:
    return {"_GLOBAL_STATE": json.dumps({"shared_state": {"lsn": 1}, "stream_states": list(parts), **more}).encode()}


LEGACY = {"_LEGACY_STATE": b'{"plants":{"n":1}}'}


def _content(states: dict[str, bytes]) -> Any:
    return json.loads(states["_GLOBAL_STATE"])


def test_kinds() -> None:
    assert saved.kind_of({}) is None
    assert saved.kind_of(STREAMS) is StateKind.STREAM
    assert saved.kind_of(_global()) is StateKind.GLOBAL
    assert saved.kind_of(LEGACY) is StateKind.LEGACY


def test_a_stream_s_state_is_its_own_or_its_part() -> None:
    """The state of all streams has a key, too; of a LEGACY one nothing is known of its streams."""
    assert saved.state_of(STREAMS, "garden.beds") == b'{"n":9223372036854775808}'
    assert saved.state_of(STREAMS, "beds") is None
    both = _global(PLANTS, BEDS)
    assert json.loads(saved.state_of(both, "garden.beds") or b"") == {"n": 2}
    assert saved.state_of(both, "_GLOBAL_STATE") == both["_GLOBAL_STATE"]
    assert saved.state_of(both, "weeds") is None
    assert saved.state_of(LEGACY, "plants") is None
    assert saved.streams_of(both) == {"plants", "garden.beds"} == saved.streams_of(STREAMS)
    assert saved.streams_of(LEGACY) == set()


def test_a_source_that_leaves_the_namespace_out_means_the_same_stream() -> None:
    assert json.loads(saved.state_of(_global(PLANTS, BEDS), "garden.plants") or b"") == {"n": 1}
    left = saved.without(_global(PLANTS, BEDS), ["garden.plants"])
    assert _content(left)["stream_states"] == [BEDS]


def test_without_some_streams_the_others_keep_their_states() -> None:
    """Whatever else is in a GLOBAL state stays as it came, without its last part nothing."""
    assert saved.without(STREAMS, ["plants", "weeds"]) == {"garden.beds": STREAMS["garden.beds"]}
    assert saved.without(STREAMS, list(STREAMS)) == {}
    left = saved.without(_global(PLANTS, BEDS, more=[1.50]), ["garden.beds"])
    assert _content(left) == {"shared_state": {"lsn": 1}, "stream_states": [PLANTS], "more": [1.5]}
    assert saved.without(_global(PLANTS, BEDS), ["weeds"]) == _global(PLANTS, BEDS)
    assert saved.without(_global(PLANTS, BEDS), ["plants", "garden.beds"]) == {}
    assert saved.without(_global(PLANTS), ["_GLOBAL_STATE"]) == {}
    assert saved.without({}, ["plants"]) == {}


@pytest.mark.parametrize("states", [LEGACY, _global(), {"_GLOBAL_STATE": b'{"shared_state":1}'}])
def test_a_state_that_does_not_tell_streams_apart_is_changed_as_a_whole(states: dict[str, bytes]) -> None:
    [key] = states
    with pytest.raises(Refused, match=rf"plants: .* {key}"):
        saved.without(states, ["plants"])
    with pytest.raises(Refused, match=rf"plants: .* {key}"):
        saved.with_state(states, "plants", b"{}")
    assert saved.without(states, [key]) == {}


def test_a_state_is_put_where_its_stream_s_is() -> None:
    assert saved.with_state({}, "plants", b'{"n":3}') == {"plants": b'{"n":3}'}
    assert saved.with_state(STREAMS, "plants", b'{"n":3}') == {**STREAMS, "plants": b'{"n":3}'}
    changed = saved.with_state(_global(PLANTS, BEDS), "garden.beds", b'{"n":9223372036854775808}')
    assert b"9223372036854775808" in changed["_GLOBAL_STATE"]
    assert [part["stream_descriptor"]["name"] for part in _content(changed)["stream_states"]] == ["plants", "beds"]
    added = saved.with_state(_global(BEDS), "weeds", b'{"n":3}')
    assert _content(added)["stream_states"][1] == {"stream_descriptor": {"name": "weeds"}, "stream_state": {"n": 3}}
    with pytest.raises(Refused, match="dot in its name"):
        saved.with_state(_global(BEDS), "garden.weeds", b"{}")


def test_a_state_of_all_streams_takes_the_place_of_all() -> None:
    assert saved.with_state(STREAMS, "_LEGACY_STATE", b'{"a":1}') == {"_LEGACY_STATE": b'{"a":1}'}


def _messages(*messages: Any) -> dict[str, bytes]:
    return saved.of_messages(msgspec.json.decode(json.dumps(messages), type=list[Raw]))


def test_messages_are_read_as_connectors_are_given_them() -> None:
    streams = _messages({"type": "STREAM", "stream": PLANTS}, {"type": "STREAM", "stream": BEDS})
    assert {key: json.loads(state) for key, state in streams.items()} == {"plants": {"n": 1}, "garden.beds": {"n": 2}}
    assert list(_messages({"type": "GLOBAL", "global": {"shared_state": {"a": 1}}})) == ["_GLOBAL_STATE"]
    assert _messages({"data": {"a": 1}}) == {"_LEGACY_STATE": b'{"a": 1}'}
    assert _messages() == {}


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"type": "STREAM"}], r"\[0\].type"),
        ([1], r"\[0\]: expected a STATE message"),
        ([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}}}], r"\[0\]: expected an object"),
        ([{"type": "STREAM", "stream": PLANTS}] * 2, r"\[1\]: a second state of plants"),
        ([{"type": "STREAM", "stream": PLANTS}, {"data": {"a": 1}}], "the only one"),
        ([{"type": "GLOBAL", "global": {"stream_states": 7}}], r"\[0\]: expected shared_state"),
        ([{"type": "GLOBAL", "global": {"stream_states": [PLANTS, PLANTS]}}], "two parts of one stream"),
    ],
)
def test_messages_that_are_none_are_refused(messages: list[Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        _messages(*messages)
