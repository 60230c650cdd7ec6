"""Image references as commands: what needs no install."""

import shlex
from pathlib import Path

import pytest

from common.errors import Refused, SettingsError
from common.failures import Failure, FailureKind
from embedded.connectors.install import Connectors

PINNED = "airbyte/source-faker@sha256:" + "0" * 64


def connectors(local_images: dict[str, str] | None = None, cache: Path = Path("/cache")) -> Connectors:
    return Connectors(cache, local_images or {}, {})


@pytest.mark.parametrize(
    ("image", "package", "program"),
    [
        ("airbyte/source-faker:7.2.1", "airbyte-source-faker-7.2.1", "source-faker"),
        ("docker.io/airbyte/source-faker:7.2.1", "airbyte-source-faker-7.2.1", "source-faker"),
        ("airbyte/source-faker:7.2.1@sha256:0123abcd", "airbyte-source-faker-7.2.1", "source-faker"),
        ("airbyte/source-s3:0.6.0-rc.1", "airbyte-source-s3-0.6.0-rc.1", "source-s3"),
        (
            "airbyte/source-declarative-manifest:7.39.1",
            "airbyte-cdk-7.39.1",
            "source-declarative-manifest",
        ),
        (
            "airbyte/source-declarative-manifest:6.5.2",
            "airbyte-source-declarative-manifest-6.5.2",
            "source-declarative-manifest",
        ),
    ],
)
def test_image_runs_its_packages_program(image: str, package: str, program: str) -> None:
    """An Airbyte image becomes the program of the package of the same name and version."""
    assert connectors().command(image) == f"/cache/{package}/bin/{program}"


def test_command_is_quoted_for_the_shell() -> None:
    """A cache folder with blanks and quotes gives a command of one word."""
    folder = Path("/it's a cache")
    command = connectors(cache=folder).command("airbyte/source-faker:7.2.1")
    assert shlex.split(command) == [f"{folder}/airbyte-source-faker-7.2.1/bin/source-faker"]


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ("own/thing", "run --any"),
        ("own/thing:1", "run --one"),
        ("own/thing:2", "run --any"),
        ("docker.io/own/thing:1", "run --one"),
        ("localhost:5000/thing", "run --port"),
        ("localhost:5000/thing:3", "run --port"),
        ("airbyte/source-faker:7.2.1", "run 'my faker'"),
    ],
)
def test_mapped_image_runs_its_command(image: str, command: str) -> None:
    """A mapped image runs the given command line as it stands, the tag's own before the one for all tags."""
    mapped = connectors(
        {
            "own/thing": "run --any",
            "own/thing:1": " run --one ",
            "localhost:5000/thing": "run --port",
            "airbyte/source-faker": "run 'my faker'",
        }
    )
    assert mapped.command(image) == command
    assert mapped.is_ready(image)
    mapped.install(image, pytest.fail)


@pytest.mark.parametrize(
    "image",
    [
        "jitsucom/source-firebase:0.1",
        "example.com/airbyte/source-faker:7.2.1",
        "airbyte/destination-faker:7.2.1",
        "airbyte/source-../../etc:1.0",
        "airbyte/source-a;b:1.0",
        "own/thing:2",
    ],
)
def test_other_image_says_how_to_run_it(image: str) -> None:
    """An image with no Python package is refused by name, with the way out."""
    with pytest.raises(
        Refused, match=r"map it to a command of this machine \(`syncctl serve --image IMAGE=COMMAND`"
    ) as refused:
        connectors({"own/thing:1": "run"}).command(image)
    assert image in refused.value.message


@pytest.mark.parametrize("image", ["own/thing:2", "airbyte/source-faker:latest", "airbyte/source-mine:1.0", PINNED])
def test_a_refused_image_is_given_one_piece_of_advice(image: str) -> None:
    """The kind of the failure has advice too, which is added where a refusal does not hold it."""
    with pytest.raises(Refused) as refused:
        connectors().install(image, print)
    assert Failure(FailureKind.IMAGE_NAME, refused.value.message).sentence == refused.value.message


def test_a_missing_folder_is_asked_about() -> None:
    """Only where what is left is the name of a connector, with a version."""
    with pytest.raises(Refused, match=r"Did you mean airbyte/source-faker:7\.2\.1\? To run this one, map"):
        connectors().command("source-faker:7.2.1")
    with pytest.raises(Refused) as refused:
        connectors().command("own/source-faker:7.2.1")
    assert "Did you mean" not in refused.value.message


@pytest.mark.parametrize("tag", ["", ":latest", ":dev", ":7.2.1-dev.0c8a1f", ":1.0;rm", ":7.2.*"])
def test_tag_must_be_a_version(tag: str) -> None:
    """A tag that names no version of a package is refused, whichever verb asks."""
    for verb in (connectors().command, connectors().is_ready, lambda image: connectors().install(image, print)):
        with pytest.raises(Refused, match=r"its tag must be a version such as 1\.2\.3"):
            verb(f"airbyte/source-faker{tag}")


def test_a_digest_is_no_version_of_a_package() -> None:
    """What is pinned by digest alone cannot be installed, and the refusal says why; a mapping runs it."""
    image = PINNED
    with pytest.raises(Refused, match="a digest names an image"):
        connectors().command(image)
    assert connectors({"airbyte/source-faker": "run"}).command(image) == "run"


def test_mapping_without_command_is_refused() -> None:
    """An image mapped to nothing is named when the edition starts."""
    with pytest.raises(SettingsError, match="own/thing:1"):
        connectors({"own/thing:1": "  "})


def test_nothing_is_ready_in_an_empty_cache(tmp_path: Path) -> None:
    """Looking does not install."""
    assert not connectors(cache=tmp_path).is_ready("airbyte/source-faker:7.2.1")
    assert not [*tmp_path.iterdir()]
