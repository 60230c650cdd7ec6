"""Catalogs, stream keys and what a resume hands back."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.nesting import MAX_DEPTH
from common.protocol.catalogs import Catalog, StreamId, decode_catalog
from common.protocol.resume import later_states, resume_states


def _catalog(*streams: tuple[str, str | None, str]) -> Catalog:
    entries = [{"stream": {"name": name, "namespace": space}, "sync_mode": mode} for name, space, mode in streams]
    return decode_catalog(json.dumps({"streams": entries}).encode())


def _resumed(catalog: Catalog, saved: list[tuple[str, bytes]]) -> Any:
    found = resume_states(catalog, saved)
    return None if found is None else json.loads(found)


def test_stream_states_go_back_as_the_protocol_s_messages() -> None:
    """With the descriptor of the catalog's stream; digits stay."""
    catalog = _catalog(("plants", None, "incremental"), ("beds", "garden", "incremental"))
    saved = [("plants", b'{"n": 9223372036854775807}'), ("garden.beds", b'{"c":1}')]
    assert b"9223372036854775807" in (resume_states(catalog, saved) or b"")
    assert _resumed(catalog, saved) == [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "plants"}, "stream_state": {"n": 9223372036854775807}},
        },
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "beds", "namespace": "garden"}, "stream_state": {"c": 1}},
        },
    ]


@pytest.mark.parametrize(
    "saved", [b"null", b'{"__ab_full_refresh_sync_complete": true}', b'{"__ab_no_cursor_state_message":true}']
)
def test_markers_and_nulls_never_go_back(saved: bytes) -> None:
    """A connector takes them for "done" and would read nothing."""
    assert _resumed(_catalog(("plants", None, "incremental")), [("plants", saved)]) is None


@pytest.mark.parametrize("key", ["plants", "_GLOBAL_STATE", "_LEGACY_STATE"])
@pytest.mark.parametrize("levels", [900, MAX_DEPTH - 3, 5000])
def test_a_state_that_is_nested_deep_is_handed_back(key: str, levels: int) -> None:
    """What a sidecar may save, the function that starts the next run must not fail on: its stack is deeper. Nor on one
    that is deeper than that, which others wrote.
    """
    catalog = _catalog(("plants", None, "incremental"))
    state = b'{"shared_state":' + b'{"c":' * levels + b"1" + b"}" * levels + b"}"

    def hand_back(stack: int) -> bytes | None:
        return hand_back(stack - 1) if stack else resume_states(catalog, [(key, state)])

    for stack in (0, 200):
        assert state in (hand_back(stack) or b"")
    assert state in (later_states(catalog, b"[" + _message("beds", "7").encode() + b"]", [(key, state)]) or b"")


def test_a_full_refresh_gets_no_state() -> None:
    """Whatever was saved for it."""
    catalog = _catalog(("plants", None, "full_refresh"), ("beds", None, "incremental"))
    assert [
        m["stream"]["stream_descriptor"] for m in _resumed(catalog, [("plants", b'{"c":1}'), ("beds", b'{"c":2}')])
    ] == [{"name": "beds"}]


def test_whole_states_go_back_whole() -> None:
    """GLOBAL in its message, LEGACY as the bare object."""
    catalog = _catalog(("plants", None, "incremental"))
    shared = b'{"shared_state":{},"stream_states":[]}'
    assert _resumed(catalog, [("_GLOBAL_STATE", shared)]) == [{"type": "GLOBAL", "global": json.loads(shared)}]
    assert _resumed(catalog, [("_LEGACY_STATE", b'{"c":1}')]) == {"c": 1}


@pytest.mark.parametrize(
    ("key", "saved", "handed"),
    [
        ("_LEGACY_STATE", {"plants": {"__ab_full_refresh_sync_complete": True}, "beds": {"c": 1}}, {"beds": {"c": 1}}),
        ("_LEGACY_STATE", {"plants": {"__ab_no_cursor_state_message": True}}, None),
        ("_LEGACY_STATE", {"__ab_full_refresh_sync_complete": True}, None),
        ("_LEGACY_STATE", {"plants": None, "n": 5}, {"plants": None, "n": 5}),
        ("_GLOBAL_STATE", {"shared_state": {"__ab_no_cursor_state_message": True}, "stream_states": []}, None),
        ("_GLOBAL_STATE", {"shared_state": None, "stream_states": None}, None),
        (
            "_GLOBAL_STATE",
            {"shared_state": {"l": 1}, "stream_states": [5, {"stream_descriptor": {"name": "plants"}}]},
            [{"type": "GLOBAL", "global": {"shared_state": {"l": 1}, "stream_states": [5]}}],
        ),
    ],
)
@pytest.mark.fault(78)
def test_markers_never_go_back_within_a_whole_state(key: str, saved: Any, handed: Any) -> None:
    """Nor do they where another part of it cannot be read; what is no marker stays as it is."""
    catalog = _catalog(("plants", None, "incremental"))
    assert _resumed(catalog, [(key, json.dumps(saved).encode())]) == handed


def test_a_state_of_a_stream_that_is_no_longer_selected_stays_behind() -> None:
    """It is not lost, only not handed over."""
    assert _resumed(_catalog(("plants", None, "incremental")), [("weeds", b'{"c":1}')]) is None


@given(name=st.text(min_size=1), namespace=st.none() | st.text())
def test_a_stream_s_key_is_its_name_behind_its_namespace(name: str, namespace: str | None) -> None:
    """An empty namespace is none."""
    assert StreamId(name, namespace).key == (f"{namespace}.{name}" if namespace else name)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8
    ).map(lambda x: json.dumps(x).encode())
)
def test_a_catalog_is_a_catalog_or_an_error(raw: bytes) -> None:
    """Nothing else happens, whatever the bytes."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        assert isinstance(decode_catalog(raw), Catalog)


def _message(name: str, state: str) -> str:
    return f'{{"type":"STREAM","stream":{{"stream_descriptor":{{"name":"{name}"}},"stream_state":{state}}}}}'


def test_a_later_attempt_gets_the_newest_state_of_each_stream() -> None:
    """What the task has saved itself, over what it was given; a stream without a newer state keeps the old one."""
    catalog = _catalog(("a", None, "incremental"), ("b", None, "incremental"), ("c", None, "full_refresh"))
    given = f"[{_message('a', '1')},{_message('b', '2')}]".encode()
    assert later_states(catalog, given, []) == given
    assert later_states(catalog, b"{}", []) == b"{}"
    found = later_states(catalog, given, [("b", b'{"n":9007199254740993}'), ("c", b'{"n":4}')])
    assert found == ("[" + _message("a", "1") + "," + _message("b", '{"n":9007199254740993}') + "]").encode()
    assert later_states(catalog, b"{}", [("a", b"7")]) == f"[{_message('a', '7')}]".encode()


def test_a_state_of_all_streams_stands_alone() -> None:
    """It covers what was given; the two kinds are never mixed."""
    catalog = _catalog(("a", None, "incremental"))
    given = f"[{_message('a', '1')}]".encode()
    assert later_states(catalog, given, [("_LEGACY_STATE", b'{"a":2}')]) == b'{"a":2}'
    shared = b'{"shared_state":{"lsn":5},"stream_states":[]}'
    found = later_states(catalog, given, [("_GLOBAL_STATE", shared)])
    assert found == b'[{"type":"GLOBAL","global":' + shared + b"}]"
    assert later_states(catalog, b'{"a":1}', [("a", b"3")]) == f"[{_message('a', '3')}]".encode()
