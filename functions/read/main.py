"""POST /read: send a connector's rows to the warehouse."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_read

ROUTE = web.route("read", "POST")


@functions_framework.http
def read(request: Request) -> Response:
    """Start the task and answer with its taskId; the result appears in the tables, and under /tasks."""
    return web.start(request, ROUTE, parse_read)
