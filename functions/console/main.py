"""GET / and /console/...: the console: files that a browser runs, with its user's token."""

from pathlib import Path

import functions_framework
from flask import Request, Response

from common import static_files, web

ROUTE = web.route("console", "GET", subpaths=True, safe=True)
_FILES = static_files.Files(Path(__file__).parent / "static", "console", first=("main.js", "views/syncs.js"))


@functions_framework.http
def console(request: Request) -> Response:
    """Answer with the page or one of its files."""
    return web.hand_out(request, ROUTE, _FILES.answer)
