"""Options and arguments of several commands."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from common import images
from common.errors import Refused
from common.images import Image
from syncctl.settings import without_password

DEFAULT_PORT = 3043
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


def _url(text: str) -> str:
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
    typer.Option("--url", envvar="SYNCCTL_URL", parser=_url, metavar="URL", help="Address of the deployment."),
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
ImageArgument = Annotated[
    Image,
    typer.Argument(
        metavar="IMAGE",
        parser=_image,
        show_default=False,
        help="The connector: airbyte/source-faker:7.2.1, or NAME@sha256:DIGEST.",
    ),
]
Config = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        show_default=False,
        help="The connector's configuration, a JSON object; '-' reads standard input.",
    ),
]
TaskId = Annotated[
    str, typer.Argument(metavar="TASK_ID", show_default=False, help="The task, as `syncctl tasks` lists it.")
]
