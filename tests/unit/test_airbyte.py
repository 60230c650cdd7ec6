"""Catalogs, stream keys and what a resume hands back."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.airbyte import Catalog, StreamId, decode_catalog, resume_states


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


def test_a_state_of_a_stream_that_is_no_longer_selected_stays_behind() -> None:
    """It is not lost, only not handed over."""
    assert _resumed(_catalog(("plants", None, "incremental")), [("weeds", b'{"c":1}')]) is None


@given(name=st.text(min_size=1), namespace=st.none() | st.text())
def test_a_stream_s_key_is_its_name_behind_its_namespace(name: str, namespace: str | None) -> None:
    """An empty namespace is none."""
    assert StreamId(name, namespace).key == (f"{namespace}.{name}" if namespace else name)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        lambda x: json.dumps(x).encode()
    )
)
def test_a_catalog_is_a_catalog_or_an_error(raw: bytes) -> None:
    """Nothing else happens, whatever the bytes."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        assert isinstance(decode_catalog(raw), Catalog)
