"""`syncctl mcp`."""

from typing import Annotated

import typer

from common.errors import SettingsError
from syncctl.commands.options import DEFAULT_URL, Token, Url
from syncctl.commands.session import session

Write = Annotated[
    bool, typer.Option("--write", help="Offer tools that start and end tasks, and suspend syncs; else none does.")
]


def mcp(write: Write = False, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Let an assistant look at a deployment: a server of the Model Context Protocol (MCP).

    It speaks on standard input and output. Assistants start it themselves: name this command in their settings. Without
    --write it changes nothing.

    Examples:

      syncctl mcp
      syncctl mcp --write --url https://sync.example.com
    """
    with session(url, token, as_json=False) as (deployment, _):
        try:
            from syncctl.mcp import server
        except ModuleNotFoundError as exc:
            raise SettingsError(
                f"The parts for MCP are not installed ({exc.name} is missing). Install them with "
                "`pip install 'sync-functions[mcp]'`."
            ) from exc
        server.build(deployment, write=write).run()
