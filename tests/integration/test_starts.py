"""Many reads that are started at once through one instance of the function."""

from urllib.parse import urlencode

from tests.support.databases import TestDatabase
from tests.support.deployed import environment
from tests.support.fake_kubernetes import fake_kubernetes
from tests.support.functions import running
from tests.support.local_system import PACKAGE, VERSION
from tools import burst
from tools.burst import Answer

TOKEN = "right"
BODY = b'{"config":{},"catalog":{"streams":[]}}'


def started(port: int, tasks: list[str]) -> list[Answer]:
    """Each of these tasks, of a sync of its own; all at once."""

    def request(task: str) -> bytes:
        query = {"package": PACKAGE, "version": VERSION, "syncId": f"sync-{task}", "taskId": task}
        return burst.request(f"/read?{urlencode(query)}", BODY, TOKEN)

    return burst.send(port, [request(task) for task in tasks])


def test_fifty_starts_at_once_lose_and_double_nothing(database: TestDatabase) -> None:
    """Forty tasks, ten of them asked for twice: each has its rows, one pod and one Secret, and one answer."""
    tasks = [f"t{number:02}" for number in range(40)]
    asked = tasks + tasks[::4]
    with (
        fake_kubernetes() as api,
        running("read", token=TOKEN, THREADS="8", **environment(database.url, api)) as server,
    ):
        answers = started(server.port, asked)
    assert [answer.status for answer in answers] == [200] * 50
    assert [answer.body["taskId"] for answer in answers] == asked
    assert len({(answer.body["taskId"], answer.body["startedAt"]) for answer in answers}) == 40
    rows = database.rows("SELECT task_id, state, pod_name, reason FROM syncctl_task ORDER BY task_id")
    assert [(row["task_id"], row["state"], row["reason"]) for row in rows] == [(t, "PENDING", "") for t in tasks]
    names = {row["pod_name"] for row in rows}
    assert (len(names), set(api.pods), api.secrets) == (40, names, {f"{name}-config" for name in names})
    assert database.rows("SELECT task_id FROM source_task WHERE status = 'RUNNING' ORDER BY task_id") == [
        {"task_id": task} for task in tasks
    ]
