"""How long whole reads take, from the request to the verdict in Postgres, beside each connector's own time.

Everything is up and every image is there. Both clocks are one machine's; the first read of each kind only warms up.
"""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from statistics import median
from uuid import uuid4

from bench.results import Goal, publish
from tests.cluster import kube, stack
from tests.cluster.kube import FUNCTIONS
from tests.cluster.stack import FAKER, FAKER_VERSION, TEST, TEST_VERSION, Stack

_ROWS_SECONDS, _OVER_FAKER_SECONDS = 1.0, 0.7
_ALONE = """\
for part in config catalog state; do printenv "$part" > "/tmp/$part.json"; done
for round in ROUNDS; do
    begin=$(date +%s.%N)
    $AIRBYTE_ENTRYPOINT read --config /tmp/config.json --catalog /tmp/catalog.json --state /tmp/state.json \\
        > /dev/null 2>&1 || exit 1
    echo "$begin $(date +%s.%N)"
done
"""
_ROWS: dict[str, object] = {"do": "rows", "count": 1000, "every": 1000, "pause": 0}
_FAKER: dict[str, object] = {"count": 1000, "seed": 1, "records_per_slice": 1000, "always_updated": False}


def run(running: Stack, tasks: int) -> bool:
    """Print both kinds: 1,000 rows of the test connector, and the faker's 2,100."""
    rows, middle = [], {}
    for package, version, config, streams in (
        (TEST, TEST_VERSION, _ROWS, ["plants"]),
        (FAKER, FAKER_VERSION, _FAKER, ["users", "products", "purchases"]),
    ):
        body = {"config": config, "catalog": stack.catalog(*streams)}
        found = [_read(running, body, package=package, version=version) for _ in range(tasks + 1)][1:]
        own = median(_alone(f"{package}:{version}", body))
        middle[package] = median(found), median(found) - own
        rows.append((package, tasks, *middle[package], min(found), max(found), own))
    goals = [
        Goal("cluster-read-1000-rows-seconds", middle[TEST][0], _ROWS_SECONDS, at_most=True),
        Goal("cluster-read-faker-over-its-own-seconds", middle[FAKER][1], _OVER_FAKER_SECONDS, at_most=True),
    ]
    columns = ("connector", "tasks", "median s", "over its own s", "least s", "worst s", "connector alone s")
    return publish("cluster-read", columns, rows, goals)


def _read(running: Stack, body: Mapping[str, object], **image: str) -> float:
    """Seconds from the request to the verdict."""
    given = {"tableNamePrefix": f"test_{uuid4().hex[:8]}_", **stack.ids(), **image}
    began = time.time()
    answer = running.call("read", "POST", body, **given)
    assert answer.status_code == 200, answer.text
    assert running.ended(given["taskId"])["status"] == "SUCCESS"
    finished = datetime.fromisoformat(running.own_task(given["taskId"])["finished_at"])
    return finished.timestamp() - began


def _alone(image: str, body: Mapping[str, object], rounds: int = 7) -> list[float]:
    """Seconds that a connector takes by itself, into /dev/null, in a pod with a source's limits."""
    variables = {name: json.dumps(body.get(name, [])) for name in ("config", "catalog", "state")}
    container = {
        "name": "alone", "image": image, "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _ALONE.replace("ROUNDS", " ".join(map(str, range(rounds))))],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": {"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"cpu": "125m", "memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    user = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "securityContext": user, "containers": [container]}
    lines = kube.run_pod("alone", spec, FUNCTIONS, 300).splitlines()
    return [float(end) - float(begin) for begin, end in map(str.split, lines)]
