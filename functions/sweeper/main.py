"""POST /sweeper: conclude and remove finished tasks; called by a CronJob, and with CloudEvents about pods."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_sweep

ROUTE = web.route("sweeper", "POST", anonymous_events=True)


@functions_framework.http
def sweeper(request: Request) -> Response:
    """Sweep all pods, repeatedly while any is active, or the one that a CloudEvent names."""
    return web.answer(request, ROUTE, _sweep)


def _sweep(request: web.Request) -> web.Payload:
    parse_sweep(request.query)
    from common.sweep import events

    return events.sweep_on_request(request.headers, request.body, request.settings)
