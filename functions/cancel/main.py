"""GET /cancel: ends a task."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_cancel

ROUTE = web.route("cancel", "GET", "POST")


@functions_framework.http
def cancel(request: Request) -> Response:
    """Answers with the task's state: CANCELLED, or what it had come to before."""
    return web.answer(request, ROUTE, _cancel)


def _cancel(request: web.Request) -> web.Payload:
    query = parse_cancel(request.query)
    from common.tasks.cancel import cancel as cancel_task

    return cancel_task(query, request.settings).answer()
