"""Options and arguments of several commands."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from common import images
from common.errors import Refused
from common.images import Image
from syncctl.completion import values
from syncctl.settings import without_password

DEFAULT_PORT = 3043
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


def parse_url(text: str) -> str:
    text = text.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.isprintable():
        raise typer.BadParameter(
            f"'{without_password(text)}' is not an address. Write it as http://HOST:PORT or https://HOST."
        )
    return text


def _image(text: str) -> Image:
    package, version = images.split(text)
    try:
        return images.parse(package, version)
    except Refused as exc:
        problem = "is not the name of an image" if version else "names no version"
        raise typer.BadParameter(
            f"'{text}' {problem}. Write NAME:VERSION in lower case, such as airbyte/source-faker:7.2.1 or "
            "registry.example.com:5000/team/source:dev, or NAME@sha256:DIGEST."
        ) from exc


Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="SYNCCTL_URL",
        parser=parse_url,
        metavar="URL",
        help="Address of the deployment; {function} in it stands for the function's name, where each has a host of its "
        "own.",
    ),
]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="SYNCCTL_TOKEN",
        metavar="TOKEN",
        show_default=False,
        help="The deployment's token; better in the variable: others can see a command line. The embedded edition's is "
        "found by itself.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON alone on standard output; messages go to standard error.")
]
_IMAGE = typer.Argument(
    metavar="IMAGE",
    parser=_image,
    autocompletion=values.images,
    show_default=False,
    help="The connector: airbyte/source-faker:7.2.1, or NAME@sha256:DIGEST.",
)
ImageArgument = Annotated[Image, _IMAGE]
ImageOrManifest = Annotated[Image | None, _IMAGE]
ManifestFile = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="A low-code connector's manifest (YAML) instead of IMAGE; '-' reads standard input. With both, IMAGE is "
        "the version of airbyte/source-declarative-manifest that runs it.",
    ),
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        show_default=False,
        help="The connector's configuration, a JSON object; '-' reads standard input. A manifest may need none.",
    ),
]
TaskId = Annotated[
    str,
    typer.Argument(
        metavar="TASK_ID",
        show_default=False,
        autocompletion=values.tasks,
        help="The task, as `syncctl tasks` lists it.",
    ),
]
