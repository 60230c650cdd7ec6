"""One read, step by step: from rows of Postgres, from the kubelet's events, and from the pod as a watch shows it.

A pod's own times are whole seconds, so statuses and events count when a watch brings them. Each step ends with its mark
and begins with the mark before; the middle of all reads is printed, and drawn as one bar per step.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from statistics import median
from typing import Any
from uuid import uuid4

from bench.cluster.watching import Change, Watch, deleted, has_ended
from bench.results import publish, publish_steps
from tests.cluster import stack
from tests.cluster.stack import TEST, TEST_VERSION, Stack

STEPS = {
    "created": "the request through the ingress, the task's row, Secret and pod",
    "scheduled": "the scheduler chooses a node",
    "prepared": "volumes and sandbox, until the kubelet comes to the first container",
    "sidecar": "the sidecar starts",
    "source": "the source starts",
    "first": "pipes, interpreter and connector, until its first message",
    "last": "rows, until its last message",
    "verdict": "the connector's end, Bulker's answer, states and outcome",
    "ended": "both containers end, and the kubelet reports it",
    "swept": "event, sweeper, deletion",
    "gone": "the kubelet takes the pod away",
}
"""Each mark, and what lies between the mark before and it."""
_BODY = {"config": {"do": "rows", "count": 1000, "every": 1000, "pause": 0}, "catalog": stack.catalog("plants")}


def run(running: Stack, tasks: int) -> bool:
    """Print and draw the middle of so many reads; one before them only warms up."""
    found = [marks(running) for _ in range(tasks + 1)][1:]
    rows: list[tuple[str, str, float, float, float]] = []
    before = 0.0
    for name, step in STEPS.items():
        times = [one[name] for one in found]
        rows.append((name, step, median(times) - before, median(times), max(times)))
        before = median(times)
    publish_steps("cluster-timeline", [(name, at - seconds, at) for name, _, seconds, at, _ in rows])
    return publish("cluster-timeline", ("mark", "the step before it", "step s", "at s", "worst at s"), rows, [])


def marks(running: Stack) -> dict[str, float]:
    """Run one read of 1,000 rows; return at which second after its request each mark was reached."""
    names = {"tableNamePrefix": f"test_{uuid4().hex[:8]}_", **stack.ids()}
    with Watch("pods") as pods, Watch("events") as events:
        began = time.time()
        answer = running.call("read", "POST", _BODY, package=TEST, version=TEST_VERSION, **names)
        assert answer.status_code == 200, answer.text
        changes = deleted(pods, names["taskId"])
        pod = changes[0].object["metadata"]["uid"]
        told = [one for one in events.changes if one.object["involvedObject"].get("uid") == pod]
    found = _of_rows(running, names["taskId"]) | _of_pod(changes) | _of_events(told)
    return {name: found[name] - began for name in STEPS}


def _of_rows(running: Stack, task_id: str) -> dict[str, float]:
    row = running.own_task(task_id)
    stream = row["streams"]["plants"]
    times = (stream["startedAt"], stream["endedAt"], row["finished_at"])
    names = ("first", "last", "verdict")
    return {name: datetime.fromisoformat(at).timestamp() for name, at in zip(names, times, strict=True)}


def _of_pod(changes: list[Change]) -> dict[str, float]:
    first = {
        "created": lambda _: True,
        "scheduled": lambda pod: bool(pod["spec"].get("nodeName")),
        "ended": has_ended,
        "swept": lambda pod: "deletionTimestamp" in pod["metadata"],
    }
    return {name: _first(changes, holds) for name, holds in first.items()} | {"gone": changes[-1].at}


def _of_events(told: list[Change]) -> dict[str, float]:
    def of(reason: str, container: str) -> Callable[[dict[str, Any]], bool]:
        part = f"spec.containers{{{container}}}"
        return lambda event: event["reason"] == reason and event["involvedObject"].get("fieldPath") == part

    first = {
        "prepared": of("Pulled", "sidecar"),
        "sidecar": of("Started", "sidecar"),
        "source": of("Started", "source"),
    }
    return {name: _first(told, holds) for name, holds in first.items()}


def _first(changes: Iterable[Change], holds: Callable[[dict[str, Any]], bool]) -> float:
    return next(change.at for change in changes if holds(change.object))
