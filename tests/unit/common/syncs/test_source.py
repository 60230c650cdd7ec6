"""common.syncs.source: plain data with lines, the same as a cluster reads, or a sentence at the right line."""

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from hypothesis import given
from hypothesis import strategies as st

from common.syncs import source
from common.syncs.source import MAX_BYTES, MAX_NODES, SourceError, read, shown


def value(text: str) -> Any:
    [document] = read(text.encode())
    return document.data


def test_every_value_knows_its_line() -> None:
    """Keys, list entries, values on lines of their own; of the second document, too. What is not there has its holder's."""
    first, second = read(b"\na: 1\nb:\n  - c: 2\n    d:\n      e\n  - 3\n---\n---\n\nf: {g: 4,\n  h: 5}\n")
    assert first.data == {"a": 1, "b": [{"c": 2, "d": "e"}, 3]}
    places: list[source.Path] = [(), ("a",), ("b",), ("b", 0), ("b", 0, "d"), ("b", 1), ("b", 0, "no", "such")]
    assert [first.line(path) for path in places] == [2, 2, 3, 4, 5, 7, 4]
    assert [second.line(path) for path in [(), ("f",), ("f", "h")]] == [11, 11, 12]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-29", "2026-11-29"),
        ("2026-11-29T10:00:00Z", "2026-11-29T10:00:00Z"),
        ("12:30:00", "12:30:00"),
        ("1e3", 1000),
        ("1.", 1),
        ("+7", 7),
        ("-0.5", -0.5),
        ("0.1", 0.1),
        ("~", None),
        ("True", True),
        ('"no"', "no"),
        ("'010'", "010"),
        ("none", "none"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("_1", "_1"),
        ("a_1", "a_1"),
        ("|\n  no\n  010", "no\n010"),
    ],
)
def test_values_are_what_kubectl_makes_of_them(text: str, expected: Any) -> None:
    """Dates and times are texts; a number is JSON's."""
    found = value(f"a: {text}")["a"]
    assert found == expected
    assert type(found) is type(expected)


DOUBTFUL = ["no", "Yes", "on", "OFF", "y", "N"]
ODD = [
    "010",
    "-08",
    "0o17",
    "0x1F",
    "0b1",
    "0b+1",
    "1_000",
    "1._",
    "-_010",
    "1e_3",
    ".inf",
    "-.Inf",
    ".nan",
    "1e999",
    "9223372036854775808",
    "1" * 5000,
]


@pytest.mark.parametrize("text", [*DOUBTFUL, *ODD])
@pytest.mark.fault(274)
def test_what_yaml_readers_disagree_on_is_refused(text: str) -> None:
    """kubectl reads YAML 1.1, editors 1.2: the file would mean one thing here and another there."""
    with pytest.raises(SourceError, match=r"^expected .*in quotes") as caught:
        value(f"a: 1\nb:\n  - {text}\n")
    assert (caught.value.line, caught.value.path) == (3, ("b", 0))


@pytest.mark.parametrize("key", [*DOUBTFUL, *ODD[:11], "1", "1e3", "true", "null", "~", "<<"])
@pytest.mark.fault(274)
def test_a_key_that_may_be_no_text_is_refused(key: str) -> None:
    """`on: [failed]` is the key "true" for kubectl. In quotes it is what it says."""
    with pytest.raises(SourceError, match=r"^expected the key .* in quotes"):
        value(f"a: 1\n{key}: [failed]\n")
    assert value(f'a: 1\n"{key}": 2\n') == {"a": 1, key: 2}


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (BOMB, 1, "expected no anchors (&) and aliases (*)"),
        ("a: 1\nb: *x\n", 2, "expected no anchors (&) and aliases (*)"),
        ("a: 1\n<<: {b: 2}\n", 2, "in quotes"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "expected no tag (!)"),
        ("a: !!str 1\n", 1, "expected no tag (!)"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", 4, "expected each key once"),
        ("{a: 1,\n a: 2}", 2, "expected each key once"),
        ("a:\n\tb: 1\n", 2, "expected blanks; YAML cannot be indented with tabs"),
        ("a:\n  b: 1\n\t c: 1\n", 3, "expected blanks; YAML cannot be indented with tabs"),
        ("a: b: c\n", 1, "expected YAML: "),
        ("a: [1\nb: 2\n", 2, "expected YAML: "),
        ("a: 'x\n", 2, "expected YAML: "),
        ("a: @x\n", 1, "expected YAML: "),
        ("? [a]\n: b\n", 1, "expected a name as the key"),
        ("", 1, "expected a document; the file has none"),
        ("# nothing\n---\n", 1, "expected a document; the file has none"),
        ("a: 1\nb: \x00\n", 2, "holds the character U+0000"),
        ("a: \x1b[31m\n", 1, "holds the character U+001B"),
        ("a:\n " + "[" * 200 + "]" * 200, 2, "expected at most 100 levels"),
        ("a:\n- " + "- " * 200 + "x", 2, "expected at most 100 levels"),
        ("a: [" + "1," * MAX_NODES + "1]", 1, "expected at most 60,000 keys and values"),
        ("a: " + "x" * MAX_BYTES, 1, "expected at most 1,048,576 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.fault(275)
def test_what_cannot_be_read_is_refused_at_its_line(text: str, line: int, expected: str) -> None:
    """Before anything is built of it."""
    with pytest.raises(SourceError) as caught:
        read(text.encode())
    assert expected in str(caught.value)
    assert caught.value.line == line


@pytest.mark.parametrize("data", [b"a: 1\nb: \xff\n", "a: 1\nb: ä\n".encode("latin-1")])
@pytest.mark.fault(275)
def test_other_encodings_are_refused(data: bytes) -> None:
    """At the line of the first byte that is not UTF-8."""
    with pytest.raises(SourceError, match="expected UTF-8") as caught:
        read(data)
    assert caught.value.line == 2


def test_utf_16_is_refused() -> None:
    """Its zero bytes, or its mark."""
    for encoding in ("utf-16", "utf-16-le"):
        with pytest.raises(SourceError, match="expected"):
            read("a: 1".encode(encoding))


def test_a_mark_of_utf_8_is_no_part_of_the_text() -> None:
    """Windows editors write one."""
    assert read(b"\xef\xbb\xbfa: 1")[0].data == {"a": 1}


@pytest.mark.fault(275)
def test_a_bomb_takes_no_memory() -> None:
    """The first anchor ends it."""
    tracemalloc.start()
    try:
        with pytest.raises(SourceError):
            read(BOMB.encode())
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text", ["password: hunter2: x\n", "password: *hunter2\n", "password: !hunter2 x\n", 'p: "\\hunter2"\n']
)
def test_no_error_repeats_a_value(text: str) -> None:
    """It may be a password that lacks its quotes."""
    with pytest.raises(SourceError) as caught:
        read(text.encode())
    assert "hunter2" not in str(caught.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_and_what_yaml_writers_write_is_read(data: Any) -> None:
    """JSON is YAML; and so is what PyYAML writes, but for numbers as keys and doubtful words, which it quotes."""
    if data is not None:
        assert read(json.dumps({"a": data}, ensure_ascii=False).encode())[0].data == {"a": data}


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No other error comes out, and what is read is JSON."""
    with suppress(SourceError):
        json.dumps([document.data for document in read(text.encode())], allow_nan=False).encode()


@pytest.mark.parametrize("loader", ["SafeLoader", "CSafeLoader"])
def test_both_parsers_of_the_library_do(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in C is not in every build of it."""
    if not hasattr(yaml, loader):
        pytest.skip(f"this PyYAML has no {loader}")
    monkeypatch.setattr(source, "_LOADER", getattr(yaml, loader))
    assert value("a: [1, 'no', x: z]\n") == {"a": [1, "no", {"x": "z"}]}
    with pytest.raises(SourceError, match="cannot be indented with tabs"):
        value("a:\n\tb: 1\n")


def test_paths_are_written_as_people_do() -> None:
    """Odd keys in quotes, long ones cut."""
    assert shown(("spec", "streams", 2, "mode")) == "spec.streams[2].mode"
    assert shown(("spec", "client.id", "x" * 50)) == f"spec['client.id']['{'x' * 40}...']"
