"""What is said of the functions' Services, of which one connects to nothing and may be left out."""

from typing import Any

from syncctl.doctor import functions
from syncctl.doctor.finding import Level
from syncctl.doctor.installation import FUNCTIONS, Installation
from tests.support.fake_knative import service


def _installation(*names: str) -> Installation:
    services = {name: _ready(name) for name in names}
    return Installation("sync-functions", "sync-tasks", services, {}, {}, {})


def _ready(name: str) -> dict[str, Any]:
    made = service(name, "sync-functions", f"http://{name}.example.test")
    made["metadata"]["generation"] = made["status"]["observedGeneration"] = 1
    made["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    template = made["spec"]["template"]
    template["metadata"] = {"annotations": {"autoscaling.knative.dev/max-scale": "2"}}
    template["spec"]["containerConcurrency"] = 3
    return made


def test_the_console_takes_no_connection_to_postgres() -> None:
    """However many ask it at once."""
    assert functions.connections(_installation("read", "console")) == 6
    assert functions.connections(_installation("read", "tasks")) == 12


def test_a_deployment_without_the_console_works() -> None:
    """Who leaves it out is reminded; a function that is missing is a failure."""
    [found] = [
        one for one in functions.services(_installation(*{*FUNCTIONS} - {"console"})) if one.check == "functions"
    ]
    assert (found.level, "console" in found.message) == (Level.WARNING, True)
    [found] = [one for one in functions.services(_installation(*{*FUNCTIONS} - {"tasks"})) if one.check == "functions"]
    assert (found.level, "tasks" in found.message) == (Level.FAILED, True)
