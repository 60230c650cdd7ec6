"""GET /tasks and GET /tasks/<taskId>: tasks and their states."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_task_id, parse_tasks

ROUTE = web.route("tasks", "GET", subpaths=True, safe=True)


@functions_framework.http
def tasks(request: Request) -> Response:
    """List tasks page by page, or show one with its result and last log lines."""
    return web.answer(request, ROUTE, _report)


def _report(request: web.Request) -> web.Payload:
    if request.subpath:
        one = parse_task_id(request.query, request.subpath)
        from common.tasks import query as tasks_query

        return tasks_query.get_task(request.settings, *one)
    query = parse_tasks(request.query)
    from common.tasks import query as tasks_query

    return tasks_query.list_tasks(request.settings, query)
