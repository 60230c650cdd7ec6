"""GET /spec: which configuration a connector takes."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_spec

ROUTE = web.route("spec", "GET")


@functions_framework.http
def spec(request: Request) -> Response:
    """Start the task and answer with its taskId; the result appears in the tables, and under /tasks."""
    return web.start(request, ROUTE, parse_spec)
