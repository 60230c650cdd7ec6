"""GET /cancel: end a task."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_cancel

ROUTE = web.route("cancel", "GET", "POST")


@functions_framework.http
def cancel(request: Request) -> Response:
    """Answer with the task's state: CANCELLED, or the one it had ended with."""
    return web.answer(request, ROUTE, _cancel)


def _cancel(request: web.Request) -> web.Payload:
    query = parse_cancel(request.query)
    from common.tasks.cancel import cancel as cancel_task

    return cancel_task(query, request.settings).answer()
