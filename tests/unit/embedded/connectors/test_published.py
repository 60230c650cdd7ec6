"""Which connectors may be installed as packages."""

import pytest

from common.errors import Refused, SettingsError
from embedded.connectors import published
from embedded.connectors.install import NAME
from syncctl.commands.demo import CONNECTORS


def test_every_known_name_can_be_an_image() -> None:
    """And the demo needs no question."""
    assert len(published.known()) > 200
    assert all(NAME.fullmatch(f"airbyte/{name}") for name in published.known())
    for image in CONNECTORS:
        published.check(image.removeprefix("airbyte/").partition(":")[0], [], "")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        (" , ", ()),
        ("airbyte/source-mine", ("source-mine",)),
        (" airbyte-source-mine , source-other ", ("source-mine", "source-other")),
        ("*", ("*",)),
    ],
)
def test_names_are_taken_in_each_spelling(text: str, names: tuple[str, ...]) -> None:
    """Of the image, of the package, and alone."""
    assert published.parse(text) == names


@pytest.mark.parametrize("text", ["airbyte/source-mine:1.0", "source-*", "me/source-mine", "source-a;b", "SOURCE-A"])
def test_other_texts_are_refused(text: str) -> None:
    """Each is shown."""
    with pytest.raises(
        SettingsError, match=r"SYNCCTL_CONNECTOR_PACKAGES: expected names of connectors.*; found"
    ) as caught:
        published.parse(f"source-good,{text}")
    assert text.removeprefix("airbyte/") in str(caught.value)


@pytest.mark.parametrize("allowed", [("source-mine",), ("*",)])
def test_an_allowed_name_may_be_installed(allowed: tuple[str, ...]) -> None:
    """By name, or all."""
    published.check("source-mine", allowed, "")


@pytest.mark.parametrize("name", ["source-mine", "source-fakr", "faker", "source-faker-strict"])
def test_a_name_that_is_not_known_is_refused(name: str) -> None:
    """With what to do."""
    with pytest.raises(Refused, match=rf"airbyte-{name}, .* SYNCCTL_CONNECTOR_PACKAGES=airbyte/{name}; or do this"):
        published.check(name, ["source-other"], "do this")
