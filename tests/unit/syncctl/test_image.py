"""syncctl.image: references to connectors."""

import pytest

from syncctl.image import Image, parse_image


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("airbyte/source-faker:7.2.1", Image("airbyte/source-faker", "7.2.1")),
        (" source-x:dev ", Image("source-x", "dev")),
        ("localhost:5000/me/source-x:1", Image("localhost:5000/me/source-x", "1")),
        ("me/x@sha256:abc", Image("me/x", "sha256:abc")),
        ("host:5000/me/x:1.2@sha256:abc", Image("host:5000/me/x", "sha256:abc")),
    ],
)
def test_splits_at_the_version(text: str, image: Image) -> None:
    """The last colon behind the last slash splits; a digest wins over a tag; a registry's port is no version."""
    assert parse_image(text) == image


@pytest.mark.parametrize("text", ["", "airbyte/source-faker", "localhost:5000/x", "a:", ":1", "x@md5:1", "a/:1", "x@"])
def test_refuses_a_reference_without_a_version(text: str) -> None:
    """The message shows how a reference is written."""
    with pytest.raises(ValueError, match=r"airbyte/source-faker:7\.2\.1"):
        parse_image(text)


def test_prints_as_it_is_written() -> None:
    """An image reads as people write it."""
    assert [str(parse_image(text)) for text in ("a/b:1", "a/b@sha256:ff")] == ["a/b:1", "a/b@sha256:ff"]
