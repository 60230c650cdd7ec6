"""POST /discover: which streams a connector offers."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_discover

ROUTE = web.route("discover", "POST")


@functions_framework.http
def discover(request: Request) -> Response:
    """Start the task and answer with its taskId; the result appears in the tables, and under /tasks."""
    return web.start(request, ROUTE, parse_discover)
