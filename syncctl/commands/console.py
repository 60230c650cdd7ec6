"""`syncctl console`: the console in a browser, signed in.

The token reaches the browser by a file that only this account can read: other users see the arguments of a process, and
a browser gets its address as one.
"""

import os
import subprocess
import sys
import tempfile
import webbrowser
from html import escape
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer
from msgspec import Raw

from syncctl.api.client import FUNCTION
from syncctl.commands.options import DEFAULT_URL, AsJson, Token, Url
from syncctl.commands.session import session
from syncctl.display.console import Output
from syncctl.exit_codes import ExitCode
from syncctl.settings import is_local, saved_token, token_file, without_password

Print = Annotated[bool, typer.Option("--print", help="Open nothing: print the address, and where the token is.")]

KEPT_SECONDS = 60
"""Until the file that has the token is removed: a browser may take a while to start."""
_REMOVE = "import shutil, sys, time; time.sleep(float(sys.argv[1])); shutil.rmtree(sys.argv[2], ignore_errors=True)"
_TEXT_BROWSERS = frozenset({"www-browser", "links", "elinks", "lynx", "w3m"})
"""They run no scripts."""
_NO_TOKEN = "none"  # noqa: S105 - for deployments that require no token: the console asks for one all the same
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>sync-functions</title>
<p>The console: <a href="{link}">{address}</a></p>
</html>
"""


def console(
    print_: Print = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    as_json: AsJson = False,
) -> None:
    """Open the console in a browser, signed in.

    The console is the deployment's own page: what runs, what has failed and why, logs, and everything that can be done
    about it. It is at the deployment's address; on this machine at that of `syncctl serve`. On a cluster it needs one
    address for all functions, as a gateway has it.

    The token is handed to the browser by a file that only you can read and that is removed a minute later. It is in no
    process's arguments, and the console keeps it in its tab alone.

    Where no browser opens, as on a server, the address is printed, and where the token is: open the one yourself, and
    paste the other. --print does that at once.

    Examples:

      syncctl console
      syncctl console --print
      SYNCCTL_URL=https://sync.example.com SYNCCTL_TOKEN="$(cat token)" syncctl console
    """
    if FUNCTION in url:
        raise typer.BadParameter(
            f"The console needs one address for all functions, and this one has {FUNCTION}. Deploy a gateway "
            "(docs/how-to/use-the-console.md), and name its address.",
            param_hint="--url",
        )
    with session(url, token, as_json=as_json) as (deployment, output):
        if not print_:
            deployment.tasks({"limit": "1"})  # else the browser would show what is wrong, and less clearly
        address = f"{without_password(url).rstrip('/')}/"
        opened = not print_ and _open(address, token or saved_token(url))
        if as_json:
            kept = str(token_file()) if _is_saved(url, token) else None
            output.json(Raw(msgspec.json.encode({"url": address, "opened": opened, "tokenFile": kept})))
        elif opened:
            output.note(f"Opened {address} in a browser. If it shows no page: `syncctl console --print`.")
        else:
            _explain(output, address, where=_where(url, token), asked=print_)
    if not (opened or print_):
        raise typer.Exit(ExitCode.FAILED)


def _is_saved(url: str, token: str) -> bool:
    return bool(saved_token(url)) and token in {"", saved_token(url)}


def _where(url: str, token: str) -> str:
    if _is_saved(url, token):
        return f"in the file {token_file()}"
    if token:
        return "the one of --token or SYNCCTL_TOKEN; on a cluster, the Secret sync-secrets has all of them"
    return "one of the deployment's SYNCCTL_AUTH_TOKENS; if it requires none, any word"


def _explain(output: Output, address: str, *, where: str, asked: bool) -> None:
    if not asked:
        output.note("No browser can be opened here. Open this address yourself, and sign in with the token:")
    output.print(f"Console: {address}")
    output.print(f"Token: {where}")
    if is_local(address) and not asked:
        port = address.rstrip("/").rpartition(":")[2]
        output.note(f"From another machine, first: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE")


def _open(address: str, token: str) -> bool:
    """Open a browser that goes on to the console; tell whether there is one that can."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if getattr(browser, "name", "") in _TEXT_BROWSERS:
        return False
    folder = Path(tempfile.mkdtemp(prefix="syncctl-console-"))  # of mode 0700
    try:
        return browser.open(_write(folder, address, token).as_uri())
    finally:
        _remove_later(folder)


def _write(folder: Path, address: str, token: str) -> Path:
    link = escape(f"{address}#token={quote(token or _NO_TOKEN, safe='')}")
    path = folder / "console.html"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(_PAGE.format(link=link, address=escape(address)))
    return path


def _remove_later(folder: Path) -> None:
    """Remove the file once a browser has read it, without letting the user wait for that."""
    subprocess.Popen(
        [sys.executable, "-I", "-c", _REMOVE, str(KEPT_SECONDS), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
