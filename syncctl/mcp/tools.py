"""The tools: each asks a deployment for one thing, or lets it do one. Their docstrings are for the model."""

from uuid import uuid4

from msgspec import Raw

from common import images
from common.errors import SyncError
from common.images import Image
from syncctl.api.client import Deployment
from syncctl.api.models import Task
from syncctl.api.states import SyncStates
from syncctl.api.syncs import DeclaredSyncs
from syncctl.mcp import answers

_MOST_TASKS, _MOST_LINES, _PAGE = 50, 200, 100


class Looking:
    """Changes nothing, and starts nothing. Methods raise SyncError."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._syncs = DeclaredSyncs(deployment)

    def list_syncs(self) -> str:
        """List the declared syncs: image, schedule, state, last success and next run."""
        return answers.as_text([answers.sync(one) for one in self._syncs.list_all()])

    def get_sync(self, name: str) -> str:
        """Show one declared sync: what it reads and when, its streams, and when their states were saved."""
        return answers.as_text(answers.sync_in_full(self._syncs.view(name)))

    def list_tasks(self, sync: str = "", state: str = "", command: str = "", limit: int = 10) -> str:
        """List tasks, newest first. A read is one run of a sync.

        sync: only those of this sync's id. state: PENDING, RUNNING, SUCCESS, PARTIAL, FAILED or CANCELLED. command:
        spec, check, discover or read. limit: at most 50.
        """
        given = {"syncId": sync, "status": state.upper(), "command": command.lower()}
        query = {name: value for name, value in given.items() if value}
        page = self._deployment.tasks(query | {"limit": str(max(1, min(limit, _MOST_TASKS)))})
        return answers.as_text([answers.task(self._deployment.decode(raw)) for raw in page.tasks])

    def get_task(self, task_id: str) -> str:
        """Show one task: its state, why it failed and what to do, its attempts, and its streams' rows."""
        return answers.as_text(answers.task_in_full(self._deployment.task(task_id, 1)))

    def get_logs(self, task_id: str, lines: int = 50, before: str = "", level: str = "", contains: str = "") -> str:
        """Show the last lines of a task's log, at most 200.

        before: the cursor of an earlier answer, for older ones. level: the least one, such as WARN. contains: only
        lines with this text.
        """
        given = {"before": before or "end", "level": level.upper(), "q": contains}
        query = {name: value for name, value in given.items() if value}
        page = self._deployment.logs(task_id, query | {"limit": str(max(1, min(lines, _MOST_LINES)))})
        return answers.log(task_id, page)

    def get_states(self, sync: str) -> str:
        """Show the saved states of a sync: from where its next read goes on, stream by stream."""
        return answers.as_text(answers.states(SyncStates(self._deployment, sync).get()))

    def get_spec(self, image: str) -> str:
        """Show which configuration a connector takes (image: NAME:VERSION), if it has been asked before."""
        wanted = _image(image)
        page = self._deployment.tasks({"command": "spec", "status": "SUCCESS", "limit": str(_PAGE)})
        tasks = (self._deployment.decode(raw) for raw in page.tasks)
        found = next((one for one in tasks if one.image == str(wanted)), None)
        if found is None:
            raise SyncError(
                f"{wanted} has not been asked for its spec lately. `syncctl spec {wanted}` asks it, and so does the "
                "tool start_spec, where the server was started with --write."
            )
        return answers.as_text(_result(self._deployment.task(found.task_id, 1)))


class Doing:
    """Starts and ends tasks, and changes whether a sync runs by itself. Methods raise SyncError."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._syncs = DeclaredSyncs(deployment)

    def run_sync(self, name: str, streams: list[str] | None = None) -> str:
        """Run a declared sync now; streams: only these. It resumes from its saved states, and answers with the task."""
        return self._run(name, streams or [], full=False)

    def run_full_sync(self, name: str, streams: list[str] | None = None) -> str:
        """Run a declared sync from nothing: it reads everything again, and replaces its tables; streams: only these."""
        return self._run(name, streams or [], full=True)

    def cancel_task(self, task_id: str) -> str:
        """End a task. Rows that the warehouse has acknowledged stay, and a later run resumes behind them."""
        note = self._deployment.cancel(self._deployment.task(task_id, 1))
        return answers.as_text(answers.task(self._deployment.task(task_id, 1)) | ({"note": note} if note else {}))

    def suspend_sync(self, name: str) -> str:
        """Let a declared sync start nothing by itself. A run that goes on is not ended."""
        return answers.as_text({"name": name, "result": self._syncs.suspend(name, suspend=True).result})

    def resume_sync(self, name: str) -> str:
        """Let a suspended sync start by itself again."""
        return answers.as_text({"name": name, "result": self._syncs.suspend(name, suspend=False).result})

    def start_spec(self, image: str) -> str:
        """Start a connector's image (NAME:VERSION) to ask for its spec; get_task and then get_spec show the answer."""
        return answers.as_text({"taskId": self._deployment.spec(_image(image)).task_id})

    def _run(self, name: str, streams: list[str], *, full: bool) -> str:
        started = self._syncs.run(name, str(uuid4()), streams, full_sync=full)
        return answers.as_text({"taskId": started.task_id})


def _image(text: str) -> Image:
    package, version = images.split(text)
    return images.parse(package, version)


def _result(task: Task) -> Raw:
    return task.result if task.has_result else Raw(b"null")
