"""syncctl.display.formats: what -o prints."""

import json

import pytest
import typer
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from syncctl.display.formats import Format, Kind, parse_format, render

SYNCS = {
    "apiVersion": "v1",
    "items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "spec": {"retries": 2}, "ok": True},
        {"metadata": {"name": "b"}, "status": {"state": "FAILED"}, "spec": {"streams": [{"name": "u"}, {"name": "v"}]}},
    ],
}


def _show(text: str) -> str:
    return render(SYNCS, parse_format(text), names=["sync/a", "sync/b"], urls=["http://x/a", "http://x/b"])


def test_json_and_yaml_are_the_whole() -> None:
    """Read back, they are the same."""
    assert json.loads(_show("json")) == SYNCS
    assert yaml.safe_load(_show("yaml")) == SYNCS


def test_yaml_has_no_anchors_and_keeps_texts() -> None:
    """Other readers of YAML take `no` for false, and some refuse aliases."""
    one = {"a": "no"}
    assert render([one, one, "010"], Format(Kind.YAML), names=[], urls=[]) == "- a: 'no'\n- a: 'no'\n- '010'"


def test_names_and_urls_are_lines() -> None:
    """For a shell's loop."""
    assert (_show("name"), _show("url")) == ("sync/a\nsync/b", "http://x/a\nhttp://x/b")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{.items[*].metadata.name}", "a b"),
        (".items[*].metadata.name", "a b"),
        ("{$.items[0].metadata.name}", "a"),
        ("{.items[-1:].metadata.name}", "b"),
        ("{.items[0].ok}{.items[0].spec.retries}", "true2"),
        ("{.items[0].spec}", '{"retries":2}'),
        ("{.items[1].spec.streams[*].name}", "u v"),
        (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "x"),
        ("{.items[0].metadata.labels['app.kubernetes.io/name']}", "x"),
        ('{.items[?(@.status.state=="FAILED")].metadata.name}', "b"),
        ("{..name}", "a b u v"),
        ("{.nothing.there}", ""),
        ("names: {.items[*].metadata.name}.", "names: a b."),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.status.state}{"\\n"}{end}', "a\t\nb\tFAILED\n"),
        ("{range .items[*]}[{range .spec.streams[*]}{@.name}{' '}{end}]{end}!", "[][u v ]!"),
        ("{range .none[*]}{.x}{range .y[*]}{end}{end}rest", "rest"),
        ('{range .items[*]}{$.apiVersion}{"}"}{end}', "v1}v1}"),
    ],
)
def test_jsonpath_is_kubectls(template: str, expected: str) -> None:
    """Compared by hand with what kubectl prints."""
    assert _show(f"jsonpath={template}") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wide", "expected json, yaml, name, url or jsonpath=TEMPLATE"),
        ("json=x", "expected json"),
        ("jsonpath", "expected json"),
        ("jsonpath={.a", "a brace without its other one at character 1"),
        ("jsonpath={.a}}", "a brace without its other one at character 5"),
        ("jsonpath={range .a}", "{range} without {end}"),
        ("jsonpath={end}", "{end} without {range}"),
        ("jsonpath={.a[}", "{.a[} is not a path"),
        ('jsonpath={"\\q"}', "is not a text"),
    ],
)
def test_another_format_is_refused(text: str, message: str) -> None:
    """Before anything is asked."""
    with pytest.raises(typer.BadParameter) as caught:
        parse_format(text)
    assert message in str(caught.value)
