"""The limit of nesting: a number, on both sides of it, whichever Python runs this."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import nesting
from common.nesting import MAX_DEPTH

ROOT = Path(__file__).parents[3]
_SHORT = b'{"a":1}\n'


def _nested(levels: int, opener: bytes = b"[", inside: bytes = b"") -> bytes:
    closer = b"]" if opener.startswith(b"[") else b"}"
    return opener * levels + (inside or (b"1" if opener.endswith(b":") else b"")) + closer * levels


def _depth(text: bytes) -> int:
    """By the book: one character after the other. A backslash hides a quote outside of strings too: that is no JSON, and
    no decoder gets past it.
    """
    depth = deepest = 0
    inside = escaped = False
    for character in text.decode("latin-1"):
        if escaped and character in '"\\':
            escaped = False
            continue
        escaped = character == "\\"
        if character == '"':
            inside = not inside
        elif not inside and character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif not inside and character in "]}":
            depth -= 1
    return deepest


@pytest.mark.parametrize("opener", [b"[", b"[ ", b'{"":', b'{ "a" : ', b'{"a":[', b'[{"\\"":'])
def test_the_limit_is_exact(opener: bytes) -> None:
    """Arrays, objects and both in turn, as tight as JSON can be and with blanks."""
    times, rest = divmod(MAX_DEPTH, sum(opener.count(one) for one in (b"[", b"{")))
    assert rest == 0
    closer = opener.replace(b"{", b"}").replace(b"[", b"]").translate(None, b'"a: \\')[::-1]
    text = opener * times + b"1" + closer * times
    assert _depth(text) == MAX_DEPTH
    assert not nesting.is_deep(text)
    nesting.check(text)
    assert nesting.is_deep(b"[" + text + b"]")
    with pytest.raises(nesting.TooDeep, match=r"^nested deeper than 1,000 levels$"):
        nesting.check(b'{"a":' + text + b"}")


@pytest.mark.parametrize(
    "text",
    [
        b"[]," * 5000 + b"[]",
        b'{"a":"' + b"[" * 5000 + b'"}',
        b'{"a":"\\"' + b"[" * 5000 + b'"}',
        b'["' + b'[","' * 5000 + b'"]',
        b'["\\\\",' + b'"[",' * 5000 + b'"\\\\\\"["]',
        b'"' + b"[" * 5000,
    ],
    ids=["side by side", "a string", "behind an escaped quote", "strings", "backslashes", "a string without its end"],
)
def test_brackets_that_nest_nothing_do_not_count(text: bytes) -> None:
    """Neither those within strings nor those that end before the next ones begin."""
    assert not nesting.is_deep(text)
    assert not nesting.is_deep(_nested(MAX_DEPTH - 1, inside=text))


@pytest.mark.parametrize("cut", [b"[" * (MAX_DEPTH + 1), b'{"a":' * (MAX_DEPTH + 1), b'["\\\\",' * (MAX_DEPTH + 1)])
def test_what_is_cut_off_is_as_deep_as_it_got(cut: bytes) -> None:
    """A decoder recurses just so, until it finds that the text ends."""
    assert nesting.is_deep(cut)
    assert not nesting.is_deep(cut[: cut.rindex(cut[:1])])


_alphabet = st.text(alphabet='[]{}"\\a,', max_size=60).map(str.encode)
_values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\ä'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[]{}"\\a'), inner, max_size=3),
    max_leaves=12,
)


@given(_alphabet | _values.map(lambda value: json.dumps(value, ensure_ascii=False).encode()), st.integers(0, 6))
@settings(max_examples=300, deadline=None)
def test_any_text_is_judged_as_by_the_book(text: bytes, less: int) -> None:
    """At the limit a level more or less is what the text itself is deep."""
    whole = _nested(MAX_DEPTH - less, inside=text)
    assert nesting.is_deep(whole) == (_depth(whole) > MAX_DEPTH)


@pytest.mark.parametrize("opener", [b"[", b'{"":', b'{"some key":'])
@pytest.mark.parametrize("beside", [b"", _SHORT * 30, _SHORT * 5000, b'{"a":"' + b"x" * 900 + b'"}\n' * 100])
@pytest.mark.parametrize("pad", [0, 3000, 9000])
def test_a_block_has_a_deep_line_or_none(opener: bytes, beside: bytes, pad: int) -> None:
    """Wherever it stands, however short it is, and whatever is beside it."""
    start = b'{"pad":"' + b"[" * pad + b'","deep":'
    for levels in (MAX_DEPTH - 1, MAX_DEPTH):
        line = start + _nested(levels, opener) + b"}\n"
        for block in (line + beside, beside + line, beside + line + beside, beside + line + line[:-1]):
            assert nesting.any_is_deep(block, block.splitlines(keepends=True)) == (levels == MAX_DEPTH)


def test_a_block_without_lines_has_no_deep_one() -> None:
    """Nor has one with blank lines alone."""
    assert not nesting.any_is_deep(b"", [])
    assert not nesting.any_is_deep(b"\n" * 3000, [b"\n"] * 3000)


@pytest.mark.parametrize("shortest", [_nested(MAX_DEPTH + 1), _nested(MAX_DEPTH, b'{"":', b"{}")])
def test_the_shortest_deep_lines_are_seen(shortest: bytes) -> None:
    """Not a byte can be spared, with the line feed and without."""
    for end in (b"", b"\n"):
        assert nesting.any_is_deep(_SHORT * 3 + shortest + end, [_SHORT, _SHORT, _SHORT, shortest + end])


_ROOM = f"""
import json, msgspec
from common import nesting
deep = b'{{"a":[' * {MAX_DEPTH // 2} + b'"x"' + b']}}' * {MAX_DEPTH // 2}
def walk(value):
    if isinstance(value, dict):
        return {{key: walk(inner) for key, inner in value.items()}}
    return [walk(inner) for inner in value] if isinstance(value, list) else value
def hang(value):
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from hang(inner)
    else:
        yield value
def use(stack):
    if stack:
        return use(stack - 1)
    value = msgspec.json.decode(deep)
    assert walk(json.loads(deep)) == walk(value) and list(hang(value)) == ["x"]
    assert msgspec.json.encode(value) == json.dumps(value, separators=(",", ":")).encode() == deep
    msgspec.json.decode(deep, type=dict[str, msgspec.Raw])
use(100)
"""


def test_there_is_room_for_all_that_is_within_the_limit() -> None:
    """For decoders and encoders, and for code of our own that takes two calls a level, behind a hundred others."""
    subprocess.run([sys.executable, "-c", _ROOM], cwd=ROOT, check=True, timeout=60)
