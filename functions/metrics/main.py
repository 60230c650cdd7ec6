"""GET /metrics: numbers for dashboards and alerts."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.parameters import parameters

ROUTE = web.route("metrics", "GET", safe=True)


@functions_framework.http
def metrics(request: Request) -> Response:
    """Answer in the format that Accept asks for."""
    return web.answer(request, ROUTE, _report)


def _report(request: web.Request) -> web.Text:
    parameters(request.query)
    from common.metrics.text import get_metrics

    return get_metrics(request)
