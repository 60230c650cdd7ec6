"""GET /tasks and GET /tasks/<taskId>: tasks and their states; GET /tasks/<taskId>/logs: the whole of a log."""

import functions_framework
from flask import Request, Response

from common import web
from common.tasks.requests import parse_task_id, parse_task_logs, parse_tasks, wait_query

ROUTE = web.route("tasks", "GET", subpaths=True, safe=True)
_LOGS = "logs"


@functions_framework.http
def tasks(request: Request) -> Response:
    """List tasks page by page, or show one with its result and last log lines, or its log."""
    return web.answer(request, ROUTE, _report)


def _report(request: web.Request) -> web.Payload | web.Text:
    # As sent: an id that ends like that has its slash percent-encoded.
    if request.names[1:] and request.names[-1] == _LOGS:
        return _logs(request, "/".join(request.names[:-1]))
    if request.subpath:
        return _one(request)
    query = parse_tasks(request.query)
    from common.tasks import query as tasks_query

    return tasks_query.list_tasks(request.settings, query, request.known_tag)


def _one(request: web.Request) -> web.Payload:
    one = parse_task_id(request.query, request.subpath)
    if patience := wait_query(request.query):
        from common.tasks import wait

        wait.until_changed(request.settings, one[0], patience)
    from common.tasks import query as tasks_query

    return tasks_query.get_task(request.settings, *one, request.known_tag)


def _logs(request: web.Request, task_id: str) -> web.Payload | web.Text:
    query = parse_task_logs(request.query, task_id, prefers_text=request.prefers_text)
    from common.tasks import task_logs

    if query.as_text:
        return task_logs.text(request.settings, query)
    return task_logs.page(request.settings, query, known=request.known_tag)
