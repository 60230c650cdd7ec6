"""Image references."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import images
from common.errors import Refused

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "package",
    [
        "postgres",
        "airbyte/source-faker",
        "airbyte/source_faker",
        "airbyte/source__faker",
        "a/b/c/d---e",
        "registry.example.com/team/source",
        "registry.example.com:5000/team/source",
        "Registry.Example.com/team/source",
        "localhost/source",
        "localhost:5000/source",
        "registry:5000/source",
        "10.0.0.1:5000/source",
        "[::1]:5000/source",
        "my.image",
    ],
)
def test_names_that_docker_takes_are_accepted(package: str):
    """A name with or without a registry stays as it is."""
    assert images.parse(package, "1.2.3").package == package


@pytest.mark.parametrize(
    "package",
    [
        "",
        " ",
        "/airbyte/source-faker",
        "airbyte/source-faker/",
        "airbyte//source-faker",
        "airbyte/source-faker:1.2.3",
        f"airbyte/source-faker@{DIGEST}",
        "Airbyte/source-faker",
        "airbyte/Source-Faker",
        "airbyte/source-faker ",
        "airbyte/source-faker\n",
        "airbyte/source-faker\0",
        "airbyte/source faker",
        "airbyte/../source",
        "../source",
        "a/.hidden",
        "a/-b",
        "a/b-",
        "a/b._c",
        "a/b___c",
        "a_b.evil.example/source-faker",
        "a__b:5000/source-faker",
        "-a.example.com/source-faker",
        "localhost/",
        "$(id)",
        "a;b",
        "a`id`",
        "a/$HOME",
        "https://registry.example.com/a",
        "user@registry.example.com/a",
        "registry.example.com:port/a",
        "registry.example.com:/a",
        "registry.example.com:5000",
        "a/\u0661",
        "a/é",
        "a" * 256,
        "a" * (256 - len("docker.io/library/")),
        "0123456789abcdef" * 4,
        "a\\b",
    ],
)
@pytest.mark.fault(65)
def test_anything_else_is_refused_by_name(package: str):
    """The refusal names the field."""
    with pytest.raises(Refused, match=r"^package: "):
        images.parse(package, "1.2.3")


def test_a_refusal_does_not_repeat_what_came():
    """It may be a secret that slipped into the wrong field."""
    for package, version in (("s3cret s3cret", "1"), ("a/b", "s3cret s3cret")):
        with pytest.raises(Refused) as caught:
            images.parse(package, version)
        assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("version", ["1.2.3", "latest", "v1", "_x", "1.0.0-rc.1", "0" * 128, DIGEST])
def test_tags_and_digests_are_accepted(version: str):
    """Both forms of a version pass unchanged."""
    assert images.parse("a/b", version).version == version


@pytest.mark.parametrize(
    "version",
    ["", " ", ".1", "-1", "1.2.3\n", "1 2", "a:b", "a/b", "0" * 129, "é", "$(id)", "sha256:abc", "sha512:" + "0" * 128],
)
def test_other_versions_are_refused_by_name(version: str):
    """The refusal names the field."""
    with pytest.raises(Refused, match=r"^version: "):
        images.parse("a/b", version)


def test_a_reference_joins_tag_and_digest_differently():
    """A tag follows a colon, a digest an @."""
    assert str(images.parse("a/b", "1")) == "a/b:1"
    assert str(images.parse("a/b", DIGEST)) == f"a/b@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("airbyte/source-faker:7.2.1", ("airbyte/source-faker", "7.2.1")),
        (" source-x:dev ", ("source-x", "dev")),
        ("localhost:5000/me/source-x:1", ("localhost:5000/me/source-x", "1")),
        ("localhost:5000/me/source-x", ("localhost:5000/me/source-x", "")),
        ("me/x@sha256:abc", ("me/x", "sha256:abc")),
        ("host:5000/me/x:1.2@sha256:abc", ("host:5000/me/x", "sha256:abc")),
    ],
)
def test_a_reference_splits_at_its_version(text: str, parts: tuple[str, str]):
    """The colon behind the last slash splits; a digest wins over a tag; a registry's port is no version."""
    assert images.split(text) == parts


@pytest.mark.parametrize("text", ["", "airbyte/source-faker", "localhost:5000/x", "a:", ":1", "x@md5:1", "a/:1", "x@"])
def test_a_reference_without_a_name_or_a_version_is_refused(text: str):
    """Splitting checks nothing, parsing does."""
    with pytest.raises(Refused):
        images.parse(*images.split(text))


def test_an_image_is_named_by_its_last_part():
    """The registry and the folders are left out."""
    assert images.Image("localhost:5000/me/source-x", "1").name == "source-x"


@given(st.text(st.sampled_from("abAZ019.:/-_@[]$ ")) | st.text(), st.text(st.sampled_from("aZ09.-_:/ ")) | st.text())
@pytest.mark.fault(65)
def test_no_text_gets_through_that_a_shell_or_a_path_could_misread(package: str, version: str):
    """Whatever is accepted consists of harmless characters, without empty components or a tag in the name."""
    try:
        image = images.parse(package, version)
    except Refused:
        return
    assert set(str(image)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-:@[]")
    assert ".." not in image.package
    assert all(image.package.split("/"))
    assert ":" not in image.package.rsplit("/", 1)[-1]
    assert images.split(str(image)) == (image.package, image.version)


@pytest.mark.parametrize(
    ("package", "patterns"),
    [
        ("anybody/anything", ""),
        ("airbyte/source-faker", "airbyte/source-*"),
        ("airbyte/source-faker", " registry.example.com/team/* , airbyte/source-faker "),
        ("docker.io/airbyte/source-faker", "airbyte/source-*"),
        ("airbyte/source-faker", "docker.io/airbyte/*"),
        ("registry.example.com:5000/team/source", "registry.example.com:5000/team/*"),
        ("eu.example.com/source", "*.example.com/source"),
        ("airbyte/source-faker-strict", "*/source-*-strict"),
        ("postgres", "*"),
        ("postgres", "library/postgres"),
        ("docker.io/postgres", "postgres"),
        ("index.docker.io/airbyte/source-faker", "airbyte/source-*"),
        ("airbyte/source-faker", "index.docker.io/airbyte/*"),
        ("localhost/source-faker", "localhost/*"),
        ("registry:5000/source-faker", "registry:*/source-faker"),
        ("[::1]:5000/source-faker", "[::1]:5000/*"),
    ],
)
def test_images_that_fit_a_pattern_may_run(package: str, patterns: str):
    """Without patterns all may; Docker's own registry may be written or left out, on either side."""
    images.check_allowed(package, patterns)


@pytest.mark.parametrize(
    ("package", "patterns"),
    [
        ("airbyte/destination-x", "airbyte/source-*"),
        ("evil.example.com/airbyte/source-faker", "airbyte/source-*"),
        ("evil.example.com/airbyte/source-faker", "*/source-*"),
        ("evil.example.com/source-faker", "*/source-*"),
        ("localhost:5000/source-faker", "*/source-*"),
        ("airbyte/source-faker/more", "airbyte/*"),
        ("airbyte/source-faker", "airbyte/source"),
        ("myairbyte/source-faker", "airbyte/source-*"),
        ("registryxexample.com/team/a", "registry.example.com/team/*"),
        ("airbyte/source-faker", "*"),
        # Who pulls an image takes the first component for a registry if it has a dot, a colon or a capital letter.
        ("a_b.evil.example/source-faker", "*/source-faker"),
        ("a__b:5000/source-faker", "*/source-faker"),
        ("Evil/source-faker", "*/source-faker"),
        ("localhost/source-faker", "*/source-faker"),
        ("[::1]:5000/source-faker", "*/source-faker"),
        ("evil.example/postgres", "postgres"),
        ("evil/postgres", "postgres"),
        ("index.docker.io.evil.example/airbyte/source-faker", "airbyte/source-*"),
        ("evil.example/docker.io/airbyte/source-faker", "docker.io/airbyte/*"),
    ],
)
@pytest.mark.fault(231)
def test_images_that_fit_no_pattern_are_refused(package: str, patterns: str):
    """A star crosses no slash and brings no other registry in; the refusal names the image and the setting."""
    with pytest.raises(Refused, match=rf"{re.escape(package)} .*SYNCCTL_ALLOWED_IMAGES"):
        images.check_allowed(package, patterns)


@pytest.mark.parametrize(
    ("package", "complete"),
    [
        ("postgres", "docker.io/library/postgres"),
        ("my.image", "docker.io/library/my.image"),
        ("localhost", "docker.io/library/localhost"),
        ("airbyte/source-faker", "docker.io/airbyte/source-faker"),
        ("docker.io/postgres", "docker.io/library/postgres"),
        ("index.docker.io/airbyte/source-faker", "docker.io/airbyte/source-faker"),
        ("localhost/source", "localhost/source"),
        ("registry:5000/source", "registry:5000/source"),
        ("registry.example.com/team/source", "registry.example.com/team/source"),
        ("a_b.evil.example/source", "a_b.evil.example/source"),
        ("Team/source", "Team/source"),
        ("a/b.c/d", "docker.io/a/b.c/d"),
    ],
)
def test_a_name_is_completed_as_docker_does(package: str, complete: str):
    """The first component is a registry only before a slash, and only with a dot, a colon, a capital, or `localhost`."""
    assert images.normalized(package) == complete
