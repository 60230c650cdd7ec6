"""Events of real tasks reach what a SinkBinding names, and wait for it while it is away."""

import json
from collections.abc import Iterator

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.cluster import kube
from tests.cluster.kube import BACKING, FUNCTIONS
from tests.cluster.stack import Stack, every
from tests.support.docs import ROOT

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(900)]

_NAME = "event-sink"
_METADATA = {"name": _NAME, "namespace": BACKING, "labels": {"app": _NAME}}
_CODE = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print(json.dumps({k.lower(): v for k, v in self.headers.items() if k.lower().startswith("ce-")}), flush=True)
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


def _start_sink() -> None:
    """A pod that prints the attributes of each event, with the image of the functions, which has a Python."""
    sweeper = kube.get("ksvc", "sweeper", FUNCTIONS)
    assert sweeper is not None
    image = sweeper["spec"]["template"]["spec"]["containers"][0]["image"]
    security = {
        "runAsNonRoot": True, "runAsUser": 65532, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = {
        "name": "sink", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["python3", "-c", _CODE],
        "ports": [{"containerPort": 8080}], "securityContext": security,
    }  # fmt: skip
    kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": _METADATA, "spec": {"containers": [container]}})
    kube.kubectl("wait", "--for=condition=Ready", f"pod/{_NAME}", "-n", BACKING, "--timeout=90s")


def _stop_sink() -> None:
    kube.kubectl("delete", "pod", _NAME, "-n", BACKING, "--grace-period=1", "--ignore-not-found")


def _ids(task_id: str) -> list[str]:
    """Of a task's events that the sink has got since it runs, without its progress."""
    lines = kube.observe("logs", _NAME, "-n", BACKING).splitlines()
    found = [json.loads(line) for line in lines]
    assert {one["ce-deployment"] for one in found} <= {"main"}
    return [one["ce-id"] for one in found if one["ce-id"].startswith(task_id) and "progressed" not in one["ce-id"]]


@pytest.fixture
def sink(deployed: Stack) -> Iterator[None]:
    """The SinkBinding of knative/examples, to a service in the place of the broker."""
    text = (ROOT / "knative/examples/sinkbinding.yaml").read_text(encoding="utf-8")
    [binding] = [one for one in yaml.safe_load_all(text) if one["kind"] == "SinkBinding"]
    binding["metadata"]["namespace"] = FUNCTIONS
    binding["spec"]["sink"]["ref"] = {"apiVersion": "v1", "kind": "Service", "name": _NAME, "namespace": BACKING}
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": _METADATA}
    _start_sink()
    kube.apply(service | {"spec": {"selector": {"app": _NAME}, "ports": ports}}, binding)
    name = binding["metadata"]["name"]
    try:
        kube.kubectl("wait", "--for=condition=Ready", f"sinkbinding/{name}", "-n", FUNCTIONS, "--timeout=90s")
        kube.wait_for("the sweeper has K_SINK", lambda: "K_SINK" in json.dumps(kube.get("ksvc", "sweeper", FUNCTIONS)))
        kube.kubectl("wait", "--for=condition=Ready", "ksvc/sweeper", "-n", FUNCTIONS, "--timeout=180s")
        yield
    finally:
        kube.kubectl("delete", "sinkbinding", name, "-n", FUNCTIONS, "--ignore-not-found")
        kube.kubectl("delete", "service", _NAME, "-n", BACKING, "--ignore-not-found")
        _stop_sink()
        # Knative takes it out again; the tests that follow find a sweeper that is ready.
        kube.wait_for(
            "the sweeper has no K_SINK", lambda: "K_SINK" not in json.dumps(kube.get("ksvc", "sweeper", FUNCTIONS))
        )
        kube.kubectl("wait", "--for=condition=Ready", "ksvc/sweeper", "-n", FUNCTIONS, "--timeout=180s")


@pytest.mark.fault(501)
def test_events_reach_a_sink_binding_s_sink(deployed: Stack, sink: None) -> None:
    """Of a read while the sink is there, at once; of one that ended while it was away, once it is back."""
    first = deployed.start("rows")["taskId"]
    expected = ["started", "succeeded"]
    kube.wait_for("its events", lambda: _ids(first) == [f"{first}/1/{kind}" for kind in expected], 180)
    _stop_sink()
    second = deployed.start("rows")["taskId"]
    assert deployed.ended(second, 150)["status"] == "SUCCESS"
    tried = f"SELECT 1 AS found FROM syncctl.syncctl_delivery d JOIN syncctl.syncctl_event e ON e.id = d.event WHERE d.attempts > 0 AND e.task_id = '{second}'"
    kube.wait_for("an attempt while it is away", lambda: deployed.rows(tried), 360)
    with every("* * * * *"):
        _start_sink()
        kube.wait_for("its events", lambda: _ids(second) == [f"{second}/1/{kind}" for kind in expected], 420, 2)
    assert _ids(first) == []  # none comes twice
    assert deployed.rows("SELECT event_id FROM syncctl.syncctl_event WHERE spread") == []
