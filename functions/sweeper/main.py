"""POST /sweeper: concludes and removes what has finished; called by a CronJob, and with CloudEvents about pods."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_sweep

ROUTE = web.route("sweeper", "POST", anonymous_events=True)


@functions_framework.http
def sweeper(request: Request) -> Response:
    """Without an event sweeps everything, again and again while anything is active; an event only names a pod."""
    return web.answer(request, ROUTE, _sweep)


def _sweep(request: web.Request) -> web.Payload:
    parse_sweep(request.query)
    from common.sweep import events

    return events.sweep_on_request(request.headers, request.body, request.settings)
