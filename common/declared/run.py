"""POST /syncs/NAME/run."""

from typing import TYPE_CHECKING

from common import cluster
from common.declared.query import found
from common.errors import BadRequest, Refused, Unavailable
from common.request import Request
from common.runs import run
from common.runs.declared import Declared
from common.runs.due import Start, Trigger
from common.runs.look import read
from common.store.runs import Wanted
from common.tasks.parameters import flag, parameters

if TYPE_CHECKING:
    from common.tasks import answers

_MAX_ID = 180
"""Of a taskId: its discovery's is longer."""


def run_sync(request: Request) -> "answers.Started":
    """Start a sync, or some of its streams, and answer as POST /read does; a suspended one runs too."""
    [name] = request.names
    task_id, wanted = _wanted(request, name)
    if not request.settings.syncs_enabled:
        raise Unavailable("Tasks are switched off here (SYNCCTL_SYNCS_ENABLED).")
    there = cluster.connect(request.settings)
    document = found(name, there.get_sync(name))
    one = read({name: document}, request.settings)[name]
    if not isinstance(one, Declared):
        raise Refused(f"The sync {name} cannot run as it is declared: {one.why}")
    return run.begin(one, Start(task_id or run.by_hand(name), Trigger.MANUAL), wanted, request.settings).answer()


def _wanted(request: Request, name: str) -> tuple[str, Wanted]:
    given = parameters(request.query, optional=("taskId", "streams", "fullSync"))
    task_id = given.get("taskId", "")
    if len(task_id) > _MAX_ID or (task_id and any(part in {"", ".", ".."} for part in task_id.split("/"))):
        raise BadRequest(
            f"taskId: expected at most {_MAX_ID} characters, and no part between slashes that is empty, `.` or `..`."
        )
    streams = sorted({stream.strip() for stream in given.get("streams", "").split(",")} - {""})
    if "streams" in given and not streams:
        raise BadRequest("streams: expected names of streams, separated by commas; leave it out for all.")
    return task_id, Wanted(name, tuple(streams), flag("fullSync", given))
