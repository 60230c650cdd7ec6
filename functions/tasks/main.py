"""GET /tasks and GET /tasks/<taskId>: which tasks there are, and how they are doing."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_task_id, parse_tasks

ROUTE = web.route("tasks", "GET", below=True, only_looks=True)


@functions_framework.http
def tasks(request: Request) -> Response:
    """Lists tasks page by page, or shows one with its result and last log lines."""
    return web.answer(request, ROUTE, _report)


def _report(call: web.Call) -> web.Payload:
    if call.below:
        task_id, log_lines = parse_task_id(call.query, call.below)
        from common.tasks import query as tasks_query

        return tasks_query.get_task(call.settings, task_id, log_lines)
    query = parse_tasks(call.query)
    from common.tasks import query as tasks_query

    return tasks_query.list_tasks(call.settings, query)
