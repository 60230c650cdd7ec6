"""POST /check: whether a connector can work with a configuration."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_check

ROUTE = web.route("check", "POST")


@functions_framework.http
def check(request: Request) -> Response:
    """Start the task and answer with its taskId; the result appears in the tables, and under /tasks."""
    return web.start(request, ROUTE, parse_check)
