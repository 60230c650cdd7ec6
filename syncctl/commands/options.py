"""Options that several commands share."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from common import images
from common.errors import Refused
from syncctl.image import Image, parse_image
from syncctl.settings import shown

DEFAULT_PORT = 3043
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


def _url(text: str) -> str:
    """An address that HTTP can reach."""
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.strip().isprintable():
        raise typer.BadParameter(f"'{shown(text)}' is no address. Write it as http://HOST:PORT or https://HOST.")
    return text.strip()


def _image(text: str) -> Image:
    try:
        image = parse_image(text)
        images.parse(image.package, image.version)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    except Refused as exc:
        raise typer.BadParameter(
            f"'{text}' is no name of an image. Write it in lower case as NAME:VERSION, such as "
            "airbyte/source-faker:7.2.1 or registry.example.com:5000/team/source:dev, or as NAME@sha256:..."
        ) from exc
    return image


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
    bool, typer.Option("--json", help="Print JSON alone on standard output; words go to standard error.")
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
