"""/syncs: declared syncs, their runs and their states."""

from collections.abc import Mapping

import functions_framework
from flask import Request, Response

from common import web

ROUTE = web.route("syncs", "GET", "PUT", "DELETE", "POST", subpaths=True, safe=True)

STATE: Mapping[web.Method, str] = {
    "GET": "common.declared.state:get_state",
    "PUT": "common.declared.state:put_state",
    "DELETE": "common.declared.state:delete_state",
}
RULES: web.Rules = {
    "": {"GET": "common.declared.query:list_syncs", "PUT": "common.declared.write:put_syncs"},
    "NAME": {
        "GET": "common.declared.query:get_sync",
        "PUT": "common.declared.write:put_sync",
        "DELETE": "common.declared.write:delete_sync",
    },
    "NAME/run": {"POST": "common.declared.run:run_sync"},
    "NAME/state": STATE,
    "NAME/state/STREAM": STATE,
    "NAME/state/undo": {"POST": "common.declared.state:undo_state"},
    "NAME/state/copy": {"POST": "common.declared.state:copy_state"},
}


@functions_framework.http
def syncs(request: Request) -> Response:
    """Do what the path and the method say; a write answers with the document as it is then."""
    return web.dispatch(request, ROUTE, RULES)
