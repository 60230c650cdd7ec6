"""`syncctl serve`: the embedded edition, until Ctrl-C."""

import shlex
import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from common.logs import set_up
from syncctl.commands.embedded import Home, Runtime, RuntimeName, edition, program, set_up_process
from syncctl.commands.options import DEFAULT_PORT
from syncctl.commands.session import exit_on_error
from syncctl.display.console import Output

if TYPE_CHECKING:
    from embedded.edition import Edition

Port = Annotated[
    int,
    typer.Option(
        "--port", envvar="SYNCCTL_HTTP_PORT", min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one."
    ),
]
OwnImages = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="IMAGE=COMMAND",
        help="Run COMMAND whenever IMAGE is asked for: a connector of your own. It runs in another folder, so name "
        "its files by their full paths. May be repeated.",
    ),
]


def serve(
    home: Home, port: Port = DEFAULT_PORT, image: OwnImages = None, runtime: Runtime = RuntimeName.PROCESSES
) -> None:
    """Run everything on this machine, without Kubernetes: functions, Postgres, warehouse, connectors.

    Connectors are installed at their first use. Data stays in the home folder. Ctrl-C stops it all;
    reads go on at the next start.

    Examples:

      syncctl serve
      syncctl serve --runtime podman
      syncctl serve --port 8080 --image 'me/source-mine:dev=python -m my_source'
    """
    images = dict(_image(text) for text in image or [])
    output = Output()
    set_up_process()
    set_up()
    with (
        exit_on_error(output, interrupted="Stopped."),
        edition(home, port, images, output.note, runtime=runtime) as running,
    ):
        _welcome(output, running)
        running.wait()
        output.note("Stopping.")


def _image(text: str) -> tuple[str, str]:
    name, equals, command = text.partition("=")
    if not (name.strip() and equals and command.strip()):
        raise typer.BadParameter(
            f"'{text}' is not IMAGE=COMMAND, such as 'me/source-mine:dev=python -m my_source'.", param_hint="--image"
        )
    return name.strip(), command.strip()


def _welcome(output: Output, running: "Edition") -> None:
    here = "syncctl" if shutil.which("syncctl") else program()
    output.print(f"Console: {running.url}/", "bold")
    output.print(f"sync-functions answers at {running.url}; Ctrl-C stops it.", "bold")
    output.print(f"Warehouse: {running.warehouse_file}", "dim")
    output.print("\nIn another terminal:")
    # The token itself would stay in a service's journal, or in a terminal's recording.
    token = shlex.quote(str(running.token_file))
    output.print(f'  export SYNCCTL_URL={running.url} SYNCCTL_TOKEN="$(cat {token})"')
    output.print(f"  {here} console")
    output.print(f"  {here} spec airbyte/source-faker:7.2.1")
    output.print(f"""  echo '{{"count": 1000}}' | {here} read airbyte/source-faker:7.2.1 --config - --follow""")
