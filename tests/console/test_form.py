"""The form of a spec, with specs written by hand: each of Airbyte's annotations, and hostile ones."""

import json
import random
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import PHONE, Watched
from tests.support.console_form import FormPage

SOURCE: dict[str, Any] = {
    "type": "object",
    "required": ["auth", "names", "token", "kind", "region"],
    "properties": {
        "region": {"type": "string", "title": "Region", "order": 3, "enum": ["eu", "us"], "examples": ["eu"]},
        "token": {"type": "string", "title": "Token", "airbyte_secret": True, "order": 2},
        "kind": {"type": "string", "const": "v2", "title": "Kind", "order": 9},
        "auth": {
            "title": "Authentication",
            "type": "object",
            "order": 0,
            "oneOf": [
                {
                    "title": "OAuth",
                    "required": ["access_token"],
                    "properties": {
                        "option_title": {"const": "OAuth Credentials", "type": "string"},
                        "access_token": {"type": "string", "title": "Access token", "airbyte_secret": True},
                        "note": {"type": "string", "title": "Note"},
                    },
                },
                {
                    "title": "Key",
                    "required": ["key"],
                    "properties": {
                        "option_title": {"enum": ["Key Credentials"], "type": "string"},
                        "key": {"type": "string", "title": "Key", "airbyte_secret": True, "multiline": True},
                        "note": {"type": "string", "title": "Note"},
                    },
                },
            ],
        },
        "names": {
            "type": "array",
            "title": "Names",
            "order": 1,
            "minItems": 1,
            "pattern_descriptor": "owner/name",
            "items": {"type": "string", "pattern": r"^[\w.-]+/[\w.-]+$"},
        },
        "start_date": {
            "type": "string",
            "title": "Start date",
            "description": 'Rows since then; see the <a href="https://example.com/docs">docs</a>.',
            "format": "date-time",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00Z$",
            "pattern_descriptor": "YYYY-MM-DDT00:00:00Z",
            "examples": ["2021-03-01T00:00:00Z"],
        },
        "day": {"type": "string", "title": "Day", "format": "date"},
        "wait": {"type": "integer", "title": "Wait", "minimum": 1, "maximum": 240, "default": 120, "always_show": True},
        "ratio": {"type": ["number", "null"], "title": "Ratio", "exclusiveMinimum": 0, "maximum": 1},
        "serial": {"type": "integer", "title": "Serial"},
        "old": {"type": "string", "title": "Old", "airbyte_hidden": True},
        "fast": {"type": "boolean", "title": "Fast", "default": True},
        "parts": {"type": "array", "title": "Parts", "items": {"type": "string", "enum": ["a", "b", "c"]}},
        "headers": {
            "type": "object",
            "title": "Headers",
            "additionalProperties": {"type": "string"},
        },
        "proxy": {
            "type": "object",
            "title": "Proxy",
            "required": ["host"],
            "properties": {
                "host": {"type": "string", "title": "Host", "format": "uri"},
                "port": {"type": "integer", "title": "Port", "default": 3128},
            },
        },
        "streams": {
            "type": "array",
            "title": "Streams",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "title": "Name"}, "secret": {"type": "string", "airbyte_secret": True}},
            },
        },
        "anything": {"title": "Anything"},
    },
}  # fmt: skip


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def test_a_form_is_filled_by_labels_alone(watched: Watched) -> None:
    """Every kind of field; what is left empty is left out, and what is typed is what is sent."""
    form = FormPage(watched, SOURCE)
    form.field("Access token").fill("t-1")
    form.field("Names 1").fill("a/b")
    form.field("Names 2").fill("c/d")
    form.field("Token").fill("t-2")
    form.field("Region").select_option("us")
    form.field("Wait").fill("60")
    form.unfold()
    form.field("Start date").fill("2026-01-01T00:00:00Z")
    form.field("Day").fill("2026-02-03")
    form.field("Ratio").fill("0.25")
    form.field("Fast").uncheck()
    form.field("c").check()
    form.field("a").check()
    form.button("Add to Headers").click()
    form.field("Name 1 of Headers").fill("X-A")
    form.field("Value 1").fill("1")
    form.button("Add Proxy").click()
    form.field("Host").fill("http://proxy")
    form.button("Add to Streams").click()
    form.group("Streams 1").get_by_label("Name", exact=True).fill("users")
    form.field("Anything").fill('{"deep": [1]}')
    assert form.page.evaluate("held.form.check(held.spec, held.value)") == {}
    assert form.config == {
        "auth": {"option_title": "OAuth Credentials", "access_token": "t-1"},
        "names": ["a/b", "c/d"],
        "token": "t-2",
        "region": "us",
        "kind": "v2",
        "wait": 60,
        "start_date": "2026-01-01T00:00:00Z",
        "day": "2026-02-03",
        "ratio": 0.25,
        "fast": False,
        "parts": ["c", "a"],
        "headers": {"X-A": "1"},
        "proxy": {"host": "http://proxy", "port": 3128},
        "streams": [{"name": "users"}],
        "anything": {"deep": [1]},
    }


def test_emptied_fields_are_left_out(watched: Watched) -> None:
    """No field leaves an empty text behind, and a group of fields can be taken back."""
    value = {"start_date": "x", "wait": 5, "parts": ["a"], "proxy": {"host": "h"}, "names": ["a/b"], "old": "kept"}
    form = FormPage(watched, SOURCE, value)
    form.unfold()
    form.field("Start date").fill("")
    form.field("Wait").fill("")
    form.field("a").uncheck()
    form.button("Remove Proxy").click()
    form.field("Names 1").fill("")
    form.field("Token").focus()
    expect(form.field("Names 2")).to_have_count(0)
    assert form.config == {"names": [], "old": "kept"}


def test_required_fields_come_first_and_by_order(watched: Watched) -> None:
    """The rest is folded, but what is always shown; hidden fields are not there."""
    form = FormPage(watched, SOURCE)
    labels = form.page.locator(".fields label:visible, .fields legend:visible, .fields summary:visible")
    shown = [text.split(" ", 2)[0] for text in labels.all_inner_texts()]
    assert shown == [
        "Authentication",
        "Access",
        "Optional",
        "Names",
        "Names",
        "Token",
        "Region",
        "Kind",
        "Wait",
        "Optional",
    ]
    form.unfold()
    expect(form.field("Day")).to_be_visible()
    expect(form.field("Old")).to_have_count(0)


def test_groups_are_sections_in_the_specs_order(watched: Watched) -> None:
    """Fields without a group come first; a group that is not listed loses none."""
    schema = _object(
        a={"type": "string", "title": "A", "group": "two"},
        b={"type": "string", "title": "B", "group": "one"},
        c={"type": "string", "title": "C", "group": "unknown"},
    ) | {"groups": [{"id": "one", "title": "First"}, {"id": "two"}, 5]}
    form = FormPage(watched, schema)
    assert form.page.locator(".fields label, .fields h3").all_inner_texts() == ["C", "First", "B", "two", "A"]
    expect(form.page.get_by_role("region", name="First").get_by_label("B", exact=True)).to_be_visible()


@pytest.mark.fault(711)
def test_problems_are_told_at_their_fields(watched: Watched) -> None:
    """A summary with links, the focus on the first wrong field, and a message at each that says what is expected."""
    form = FormPage(watched, SOURCE)
    form.check()
    expect(form.field("Access token")).to_be_focused()
    form.expect_problem("Access token", "This field is required.")
    form.expect_problem(form.group("Names"), "Expected at least one item. For example: owner/name")
    form.expect_problem("Region", "Choose one.")
    summary = form.page.get_by_role("region", name="4 fields need a change:")
    summary.get_by_role("link", name="Region").click()
    expect(form.field("Region")).to_be_focused()
    form.field("Names 1").fill("nonsense")
    form.expect_problem("Names 1", "Expected: owner/name")
    expect(form.field("Names 1")).to_have_attribute("aria-invalid", "true")
    form.field("Names 1").fill("a/b")
    form.expect_problem("Names 1", "")


def test_a_wrong_field_is_unfolded(watched: Watched) -> None:
    """The link of a problem leads to a field that was folded; without a check, a field is judged once it is left."""
    form = FormPage(watched, SOURCE, {"proxy": {"host": "no"}, "start_date": "soon", "wait": 500})
    form.check()
    form.page.get_by_role("link", name="Start date").click()
    expect(form.field("Start date")).to_be_focused()
    form.expect_problem("Start date", "Expected: YYYY-MM-DDT00:00:00Z")
    form.expect_problem("Wait", "Expected a whole number from 1 to 240.")
    form.expect_problem("Host", "Expected a complete address such as https://example.com.")
    other = FormPage(watched, SOURCE)
    other.field("Wait").fill("many")
    other.expect_problem("Wait", "")
    other.field("Token").focus()
    expect(other.page.get_by_text("Expected a whole number from 1 to 240.")).to_be_visible()
    other.expect_problem("Token", "")


def test_the_variants_keep_what_was_typed(watched: Watched) -> None:
    """Changing the kind of authentication sets its discriminator, keeps what both have, and returns to what was."""
    form = FormPage(
        watched, SOURCE, {"auth": {"option_title": "OAuth Credentials", "access_token": "t", "note": "n", "x": 1}}
    )
    form.field("Authentication").select_option("Key")
    assert form.config["auth"] == {"option_title": "Key Credentials", "note": "n", "x": 1}
    form.field("Key").fill("k")
    form.field("Authentication").select_option("OAuth")
    assert form.config["auth"] == {"option_title": "OAuth Credentials", "access_token": "t", "note": "n", "x": 1}


def test_variants_without_a_discriminator_are_chosen_by_title(watched: Watched) -> None:
    """Two that look alike stay as they were chosen; scalar ones and types side by side work, too."""
    plain = {"type": "object", "properties": {"x": {"type": "string", "title": "X"}}}
    schema = _object(
        one={"title": "One", "oneOf": [plain | {"title": "A"}, plain | {"title": "B"}]},
        two={"title": "Two", "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]},
        three={"title": "Three", "oneOf": [{"const": "a", "title": "Letter a"}, {"const": 2, "title": "Number two"}]},
        four={"title": "Four", "type": ["integer", "string"]},
        five={"title": "Five", "anyOf": [{"type": "string"}, {"type": "null"}]},
    )
    form = FormPage(watched, schema)
    form.field("One").select_option("B")
    form.unfold("Optional fields of B")
    form.field("X").fill("x")
    expect(form.field("One")).to_have_value("1")
    form.field("Two").select_option("List")
    form.field("Two: List 1").fill("7")
    form.field("Three").select_option("Number two")
    form.field("Four").select_option("Text")
    form.field("Four: Text").fill("9")
    form.field("Five").fill("5")
    assert form.config == {"one": {"x": "x"}, "two": [7], "three": 2, "four": "9", "five": "5"}


@pytest.mark.fault(712)
def test_secrets_are_dots_and_are_not_shown_again(watched: Watched) -> None:
    """They can be seen while typed, and neither later, nor in the JSON, nor after an edit of the JSON."""
    form = FormPage(
        watched, SOURCE, {"token": "planted-1", "auth": {"option_title": "Key Credentials", "key": "planted-2\nb"}}
    )
    token = form.field("Token")
    assert token.get_attribute("type") == "password"
    assert form.button("Show Token").is_disabled()
    token.fill("planted-3")
    form.button("Show Token").click()
    assert token.get_attribute("type") == "text"
    form.field("Region").focus()
    expect(token).to_have_attribute("type", "password")
    assert form.button("Show Token").is_disabled()
    shown = form.json.input_value()
    assert "planted" not in shown
    form.json.fill(
        shown.replace("}\n}", '},\n  "region": "eu"\n}').replace('"Key Credentials"', '"Key Credentials", "note": "n"')
    )
    assert form.config["token"] == "planted-3"
    assert form.config["auth"]["key"] == "planted-2\nb"
    assert form.config["auth"]["note"] == "n"
    assert "planted" not in form.page.locator("body").inner_html()
    assert form.page.evaluate("held.secretsNow()") == ["/token", "/auth/key"]


@pytest.mark.fault(712)
def test_secrets_follow_their_place_in_edited_json(watched: Watched) -> None:
    """The first of two streams is removed in the JSON: the second keeps its own secret."""
    form = FormPage(
        watched, SOURCE, {"streams": [{"name": "a", "secret": "planted-a"}, {"name": "b", "secret": "planted-b"}]}
    )
    shown = json.loads(form.json.input_value())
    form.json.fill(json.dumps({"streams": shown["streams"][1:]}))
    assert form.config == {"streams": [{"name": "b", "secret": "planted-b"}]}
    form.json.fill('{"token": "•••••••• (secret 9)"}')
    expect(form.page.get_by_role("alert")).to_contain_text("stands for a secret that is not here")
    assert form.config == {"streams": [{"name": "b", "secret": "planted-b"}]}


@pytest.mark.fault(713)
def test_the_json_and_the_form_keep_in_step(watched: Watched) -> None:
    """Both ways; members without a field are kept; a text that cannot be read leaves the form as it was."""
    form = FormPage(watched, SOURCE, {"unknown": {"x": [1, 2]}, "token": "planted"})
    form.field("Wait").fill("7")
    assert json.loads(form.json.input_value())["wait"] == 7
    assert json.loads(form.json.input_value())["unknown"] == {"x": [1, 2]}
    form.json.fill('{"unknown": {"x": [1, 2]}, "wait": 8}')
    expect(form.field("Wait")).to_have_value("8")
    form.json.fill('{"wait": 9,\n  "region": eu}')
    expect(form.page.get_by_role("alert")).to_contain_text(
        "Line 2, column 13: expected a value. The form is as it was before."
    )
    expect(form.field("Wait")).to_have_value("8")
    form.expect_broken(broken=True)
    form.button("Take back this text").click()
    assert json.loads(form.json.input_value()) == {"unknown": {"x": [1, 2]}, "wait": 8}
    form.expect_broken(broken=False)
    for text, where in (
        ("[]", "A configuration is a JSON object"),
        ('{"a": 1, "a": 2}', "Line 1, column 10: this name is there twice"),
        ('{"a": "b', "Line 1, column 7: this text has no closing quote"),
        ('{"a": 1} x', "Line 1, column 10: expected the end"),
        ('{"a": [1 2]}', "Line 1, column 10: expected a comma or ]"),
        ("[" * 1000, "this is nested too deeply"),
    ):
        form.json.fill(text)
        expect(form.page.get_by_role("alert")).to_contain_text(where)
    form.json.fill("{}")
    expect(form.page.get_by_role("alert")).to_have_count(0)


@pytest.mark.fault(713)
def test_the_form_goes_on_while_the_json_is_broken(watched: Watched) -> None:
    """A field that is changed meanwhile counts, also a secret behind the dots of the text."""
    form = FormPage(watched, SOURCE, {"token": "planted-1"})
    shown = form.json.input_value()
    form.json.fill(shown + "x")
    form.field("Token").fill("planted-2")
    assert form.config == {"token": "planted-2"}
    assert form.json.input_value() == shown + "x"
    form.json.fill(shown)
    assert form.config == {"token": "planted-2"}


def test_big_numbers_keep_their_digits(watched: Watched) -> None:
    """Typed, loaded and beside others; they are compared with their range exactly."""
    schema = _object(
        a={"type": "integer", "title": "A", "maximum": 9007199254740991},
        b={"type": "number", "title": "B"},
        c={"type": "integer", "title": "C"},
    )
    form = FormPage(watched, schema, '{"a": 9007199254740993, "other": 12345678901234567890}')
    expect(form.field("A")).to_have_value("9007199254740993")
    form.field("B").fill("0.12345678901234567890123")
    form.field("C").fill("-18446744073709551617")
    assert form.text == json.dumps(
        {"a": 0, "other": 1, "b": 2, "c": 3}, indent=2
    ).replace("0", "9007199254740993").replace(" 1", " 12345678901234567890").replace(" 2", " 0.12345678901234567890123").replace(" 3", " -18446744073709551617")  # fmt: skip
    form.check()
    form.expect_problem("A", "Expected a whole number of at most 9007199254740991.")
    form.expect_problem("C", "")
    form.field("C").press("End")
    form.field("C").press_sequentially("x")
    assert form.config["c"] == "-18446744073709551617x"
    form.expect_problem("C", "Expected a whole number.")


def test_a_number_is_typed_sign_by_sign(watched: Watched) -> None:
    """A number that is only half typed stays as it is."""
    form = FormPage(watched, _object(a={"type": "number", "title": "A"}))
    form.field("A").press_sequentially("-1.50e")
    expect(form.field("A")).to_have_value("-1.50e")
    form.field("A").press_sequentially("1")
    assert form.config == {"a": -15}


def test_names_and_values(watched: Watched) -> None:
    """Names are kept apart; one that is there twice or missing is told, and not sent; they follow the JSON."""
    form = FormPage(
        watched,
        _object(h={"type": "object", "title": "H", "additionalProperties": {"type": "string"}}),
        {"h": {"b": "1", "a": "2"}},
    )
    form.button("Add to H").click()
    form.field("Value 3").fill("3")
    expect(form.page.get_by_text("Give it a name")).to_be_visible()
    form.field("Name 3 of H").fill("a")
    expect(form.page.get_by_text("This name is there already")).to_be_visible()
    assert form.config == {"h": {"b": "1", "a": "2"}}
    form.field("Name 3 of H").fill("__proto__")
    assert form.text == '{\n  "h": {\n    "b": "1",\n    "a": "2",\n    "__proto__": "3"\n  }\n}'
    form.button("Remove a of H").click()
    form.json.fill('{"h": {"z": "9"}}')
    expect(form.field("Name 1 of H")).to_have_value("z")


def test_references_and_allof(watched: Watched) -> None:
    """Definitions are followed, parts of allOf are one, and what leads back to itself ends."""
    schema = {
        "definitions": {
            "url/a": {"type": "string", "title": "Address", "format": "uri"},
            "tree": {"type": "object", "required": ["left", "label"], "properties": {"label": {"type": "string", "title": "Label"}, "left": {"$ref": "#/definitions/tree", "title": "Left"}}},
            "x": {"$ref": "#/definitions/y"},
            "y": {"$ref": "#/definitions/x"},
        },
        "allOf": [
            {"type": "object", "properties": {"url": {"$ref": "#/definitions/url~1a"}}, "required": ["url"]},
            {"properties": {"tree": {"$ref": "#/definitions/tree", "title": "Tree"}, "round": {"$ref": "#/definitions/x", "title": "Round"}, "far": {"$ref": "https://example.com/s.json", "title": "Far"}}, "required": ["tree", "round", "far"]},
        ],
    }  # fmt: skip
    form = FormPage(watched, schema)
    form.field("Address").fill("https://example.com")
    form.field("Label").fill("root")
    form.button("Add Left").click()
    form.page.get_by_role("group", name="Left").first.get_by_label("Label", exact=True).fill("leaf")
    form.field("Round").fill("[1]")
    form.field("Far").fill("true")
    assert form.config == {
        "url": "https://example.com",
        "tree": {"label": "root", "left": {"label": "leaf"}},
        "round": [1],
        "far": True,
    }


HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'


@pytest.mark.fault(714)
def test_a_hostile_spec_breaks_nothing(watched: Watched) -> None:
    """Markup, script links, and names that objects have by themselves are texts like any other."""
    schema = _object(
        __proto__={"type": "string", "title": "Proto"},
        constructor={"type": "string", "title": HOSTILE, "description": f'{HOSTILE} <a href="javascript:window.hit=1">link</a> [two](data:text/html,x)', "pattern_descriptor": HOSTILE, "examples": [HOSTILE]},
        hasOwnProperty={"type": "integer", "title": "Own"},
        **{"a b/c~d\"'": {"type": "string", "title": "Odd"}, "": {"type": "string", "title": "Nameless"}, "\ud83d": {"type": "string", "title": "Half"}},
        toString={"enum": [HOSTILE, "b"], "title": "Choice"},
    ) | {"title": HOSTILE, "groups": [{"id": "x", "title": HOSTILE}]}  # fmt: skip
    form = FormPage(watched, schema)
    assert "hit" not in form.page.evaluate("Object.keys(window)")
    expect(form.page.locator(".fields a[href]")).to_have_count(0)
    expect(form.page.locator(".fields img, .fields script")).to_have_count(0)
    for label in ("Proto", HOSTILE, "Odd", "Nameless", "Half"):
        form.field(label).fill("v")
    form.field("Own").fill("1")
    form.field("Choice").select_option("b")
    form.check()
    expect(form.page.get_by_role("region", name="need")).to_have_count(0)
    assert form.config == {
        "__proto__": "v",
        "constructor": "v",
        "hasOwnProperty": 1,
        "a b/c~d\"'": "v",
        "": "v",
        "\ud83d": "v",
        "toString": "b",
    }
    assert form.page.evaluate("window.hit === undefined && ({}).v === undefined")


@pytest.mark.fault(714)
def test_wrong_types_in_a_spec_lose_no_field(watched: Watched) -> None:
    """Where the schema says nothing that can be used, the value is edited as JSON."""
    schema = {
        "title": 5,
        "required": ["a", 7, None],
        "properties": {
            "a": {"type": 9, "title": 5, "description": 7, "order": "first", "examples": 3, "pattern": {"x": 1}},
            "b": 5,
            "c": None,
            "d": {"type": "object", "properties": "x", "title": "D"},
            "e": {"type": "array", "items": [1], "title": "E"},
            "f": {"oneOf": [], "anyOf": "x", "allOf": [3, None], "title": "F"},
            "g": {"type": "string", "enum": [], "minLength": "x", "pattern": "(", "title": "G"},
            "h": {"type": "integer", "minimum": "x", "default": {"x": 1}, "title": "H"},
            "i": {"oneOf": [5, None, {"title": "Third", "type": "string"}], "title": "I"},
            "j": {"type": "string", "default": ["wrong"], "title": "J", "format": "constructor"},
        },
    }
    form = FormPage(watched, schema)
    form.unfold()
    for label, typed in (
        ("5", "1"),
        ("B", "[2]"),
        ("C", '{"x": 3}'),
        ("D", '{"y": 4}'),
        ("E", "[5]"),
        ("F", "6"),
        ("G", "g"),
        ("H", "8"),
        ("J", "j"),
    ):
        form.field(label).fill(typed)
    form.field("I").select_option("Third")
    form.field("I: Third").fill("9")
    assert form.config == {
        "a": 1,
        "b": [2],
        "c": {"x": 3},
        "d": {"y": 4},
        "e": [5],
        "f": 6,
        "g": "g",
        "h": 8,
        "i": "9",
        "j": "j",
    }
    form.check()
    expect(form.page.get_by_role("region", name="need")).to_have_count(0)
    odds: list[Any] = [None, 5, [], {"type": "object"}, {"properties": {}}, {"$ref": "#"}]
    for odd in odds:
        FormPage(watched, {"connectionSpecification": odd}).json.fill('{"x": 1}')


@pytest.mark.fault(715)
def test_values_of_another_form_are_kept(watched: Watched) -> None:
    """A list where a text belongs is edited as JSON in its place, and is not lost."""
    value = {
        "token": {"x": 1},
        "names": "a/b",
        "region": "mars",
        "proxy": [1],
        "fast": "yes",
        "wait": None,
        "auth": {"option_title": "Gone"},
        "start_date": 3,
    }
    form = FormPage(watched, SOURCE, value)
    form.unfold()
    expect(form.field("Region").locator("option:checked")).to_have_text("mars (not one of the choices)")
    expect(form.field("Names")).to_have_value('"a/b"')
    expect(form.field("Proxy")).to_have_value("[\n  1\n]")
    expect(form.field("Authentication as JSON")).to_have_value(re.compile("Gone"))
    assert form.config == value
    form.field("Proxy").fill('{"host": "http://h"}')
    expect(form.field("Host")).to_have_value("http://h")
    form.field("Names").fill("{")
    assert form.config["names"] == "a/b"
    form.check()
    form.expect_problem("Authentication", "Expected one of: OAuth, Key.")
    assert "Gone" not in form.problem("Authentication")


def test_a_value_from_a_secret_is_named(watched: Watched) -> None:
    """A reference stands for any value: it is not checked, and can be replaced."""
    reference = {"valueFrom": {"secretKeyRef": {"name": "vault", "key": "token"}}}
    form = FormPage(
        watched, _object(token={"type": "string", "title": "Token", "airbyte_secret": True}), {"token": reference}
    )
    expect(form.field("Token")).to_contain_text("From the Secret vault, key token")
    assert form.page.evaluate("[held.secretsNow(), held.form.check(held.spec, held.value)]") == [[], {}]
    form.button("Replace Token").click()
    form.field("Token").fill("t")
    assert form.config == {"token": "t"}


def test_secrets_that_are_kept_elsewhere_are_named(watched: Watched) -> None:
    """Their fields are empty, and say why."""
    form = FormPage(watched, SOURCE, {}, secrets=["/token"])
    expect(form.page.get_by_text("Its value is kept elsewhere and not shown.")).to_be_visible()
    expect(form.field("Token")).to_have_value("")


@pytest.mark.fault(716)
def test_thousands_of_fields_and_deep_nesting(watched: Watched) -> None:
    """The first are shown, the others on demand or when one is wrong; what lies too deep is edited as JSON."""
    deep: dict[str, Any] = {"type": "string", "title": "Leaf"}
    for _ in range(200):
        deep = {"type": "object", "required": ["n"], "properties": {"n": deep}, "title": "Level"}
    many = {f"f{n}": {"type": "string", "title": f"Field {n}", "pattern": "^x$"} for n in range(5000)}
    form = FormPage(
        watched, {"type": "object", "required": ["deep"], "properties": {"deep": deep, **many}}, {"f4999": "y"}
    )
    expect(form.page.locator(".fields textarea.json")).to_have_count(1)
    form.page.locator(".fields textarea.json").fill('{"n": 1}')
    assert "1" in json.dumps(form.config["deep"])
    form.unfold()
    expect(form.field("Field 59")).to_be_visible()
    expect(form.field("Field 60")).to_have_count(0)
    form.button("Show more fields (4940 left)").click()
    expect(form.field("Field 60")).to_be_visible()
    form.check()
    form.page.get_by_role("link", name="Field 4999").click()
    expect(form.field("Field 4999")).to_be_focused()


@pytest.mark.fault(716)
def test_a_pattern_cannot_stop_the_page(watched: Watched) -> None:
    """One that would take exponential time is left to the connector, and so is Python's own dialect."""
    schema = _object(
        a={"type": "string", "title": "A", "pattern": "^(a+)+$"},
        b={"type": "string", "title": "B", "pattern": "(?P<x>a)"},
        c={"type": "string", "title": "C", "pattern": "^(a|a)*$"},
    )
    form = FormPage(watched, schema, {"a": "a" * 60 + "!", "b": "zz", "c": "a" * 60 + "!"})
    form.check()
    expect(form.page.get_by_role("region", name="need")).to_have_count(0)
    form.field("A").fill("b")
    expect(form.page.get_by_role("region", name="One field needs a change:")).to_be_visible()


def test_ids_are_unique_and_labels_are_there(watched: Watched) -> None:
    """Each control has a label of its own, also in lists and nested objects; nothing is wider than a phone."""
    form = FormPage(
        watched,
        SOURCE,
        {"streams": [{"name": "a"}, {"name": "b"}], "headers": {"x": "1"}, "proxy": {}, "names": ["a/b"]},
    )
    form.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    for fold in form.page.locator("summary").all():
        fold.click()
    assert (
        form.page.evaluate(
            "(() => { const ids = [...document.querySelectorAll('.spec-form [id]')].map(one => one.id); return ids.filter((id, at) => ids.indexOf(id) !== at || /\\s/.test(id)) })()"
        )
        == []
    )
    unnamed = "[...document.querySelectorAll('.spec-form :is(input, select, textarea)')].filter(one => !one.labels?.length).length"
    assert form.page.evaluate(unnamed) == 0
    assert form.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_pasted_list_becomes_lines(watched: Watched) -> None:
    """Several lines in the clipboard are several items."""
    form = FormPage(watched, SOURCE)
    form.field("Names 1").evaluate(
        "one => { const data = new DataTransfer(); data.setData('text', 'a/b\\nc/d\\n'); one.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })) }"
    )
    assert form.config["names"] == ["a/b", "c/d"]
    form.button("Remove Names 1").click()
    assert form.config["names"] == ["c/d"]


def test_the_first_wrong_field_has_the_focus_without_counted_attempts(watched: Watched) -> None:
    """A view that only hands over problems gets it, too; but nobody who types loses the focus."""
    form = FormPage(watched, SOURCE, counts=False)
    form.check()
    expect(form.field("Access token")).to_be_focused()
    form.field("Wait").fill("0")
    form.expect_problem("Wait", "Expected a whole number from 1 to 240.")
    expect(form.field("Wait")).to_be_focused()


def test_a_default_is_told_and_counts_for_a_box(watched: Watched) -> None:
    """What the connector takes where nothing is set is seen."""
    form = FormPage(watched, SOURCE, {})
    form.unfold()
    expect(form.page.get_by_text("Default: 120")).to_be_visible()
    expect(form.field("Fast")).to_be_checked()
    form.field("Wait").fill("120")
    expect(form.page.get_by_text("Default: 120")).to_have_count(0)
    form.field("Fast").uncheck()
    assert form.config == {"wait": 120, "fast": False}


_KEYWORDS: dict[str, list[Any]] = {
    "type": [
        "string",
        "integer",
        "number",
        "boolean",
        "object",
        "array",
        "null",
        ["string", "null"],
        ["array", "object"],
    ],
    "title": ["T", 5, HOSTILE],
    "required": [["a", "b"], "a"],
    "enum": [["x", 1, None], [], "x"],
    "const": ["x", {"y": 1}],
    "default": ["x", 1, True, [], {"a": 1}, None],
    "format": ["date", "uri", "toString"],
    "$ref": ["#", "#/properties/a", "#/items", "nowhere"],
    "airbyte_secret": [True],
    "always_show": [True],
    "multiline": [True],
    "minItems": [1, "x"],
    "group": ["g", 1],
}


def _random_schema(dice: random.Random, depth: int) -> Any:
    made: dict[str, Any] = {name: dice.choice(_KEYWORDS[name]) for name in dice.sample(sorted(_KEYWORDS), 3)}
    if depth and dice.random() < 0.9:
        inner = [_random_schema(dice, depth - 1) for _ in range(3)]
        members = dict(zip(dice.sample(["a", "b", "__proto__", "constructor", "x/y"], 3), inner, strict=True))
        for name in dice.sample(["properties", "items", "oneOf", "anyOf", "allOf", "additionalProperties"], 2):
            made[name] = {"properties": members, "items": inner[0], "additionalProperties": inner[1]}.get(name, inner)
    return made if dice.random() < 0.95 else dice.choice([None, 5, "x", []])


@pytest.mark.fault(714)
def test_random_specs_are_drawn(watched: Watched) -> None:
    """Whatever a schema is, it is drawn, with all its folds open, and to look at it changes nothing."""
    form = FormPage(watched, SOURCE)
    dice = random.Random(18)
    for _ in range(60):
        spec = {
            "connectionSpecification": {"type": "object"} | {"properties": {n: _random_schema(dice, 3) for n in "abcd"}}
        }
        value = dice.choice(
            [None, {"a": "x", "b": [1], "c": {"a": 1}, "d": None}, {"a": [{"a": 1}], "b": {"__proto__": 1}, "z": 1}]
        )
        form.draw(spec, value)
        folds = form.page.locator("details.fold:not([open]) > summary")
        while folds.count():
            folds.first.click()
        expect(form.page.locator(".spec-form").locator(".field, .group").nth(3)).to_be_attached()
        assert form.page.evaluate("held.changes") == 0
