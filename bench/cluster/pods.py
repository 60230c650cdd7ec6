"""How long finished pods stay, and what runs while nobody asks."""

import time
from statistics import median

import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from bench.cluster.watching import Watch, deleted, has_ended
from bench.results import publish
from tests.cluster import kube, stack
from tests.cluster.kube import FUNCTIONS
from tests.cluster.stack import NAMES, Stack

_SAMPLE_SECONDS = 2.0


def run_stay(running: Stack, tasks: int) -> bool:
    """Print how long it takes from the end of a pod's last container to its deletion, as a watch sees them."""
    found = []
    for _ in range(tasks):
        with Watch("pods") as pods:
            task_id = running.start("rows")["taskId"]
            changes = deleted(pods, task_id)
        found.append(changes[-1].at - next(one.at for one in changes if has_ended(one.object)))
        running.ended(task_id)
    return publish("cluster-stay", ("tasks", "median s", "worst s"), [(tasks, median(found), max(found))], [])


def run_idle(_: Stack, minutes: int) -> bool:
    """Print in how many samples each function has an instance, and how many Jobs there are, at the real schedule."""
    job = yaml.safe_load((stack.ROOT / "knative/sweeper/cronjob.yaml").read_text(encoding="utf-8"))
    with stack.every(job["spec"]["schedule"]):
        kube.wait_for("no instance", lambda: not _up(), 400)
        before = _jobs()
        end, up, jobs = time.monotonic() + 60 * minutes, list[set[str]](), set[str]()
        while time.monotonic() < end:
            up.append(_up())
            jobs |= _jobs()
            time.sleep(_SAMPLE_SECONDS)
    counts = [(name, sum(name in one for one in up)) for name in NAMES]
    rows = [(name, count, 100 * count / len(up)) for name, count in counts]
    return publish("cluster-idle", ("function", "up in samples", "%"), [*rows, ("Jobs", len(jobs - before), "")], [])


def _jobs() -> set[str]:
    return {one["metadata"]["name"] for one in kube.items("job", FUNCTIONS)}


def _up() -> set[str]:
    """Which functions have an instance."""
    found = kube.items("deployment", FUNCTIONS, "serving.knative.dev/service")
    return {one["metadata"]["labels"]["serving.knative.dev/service"] for one in found if one["status"].get("replicas")}
