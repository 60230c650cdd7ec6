"""A cluster that leads to a fake deployment, and the plugin on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncctl.kn.cli import app
from tests.support import canaries
from tests.support.fake_deployment import TOKEN, FakeDeployment, fake_deployment, line, task
from tests.support.fake_knative import FakeKnative, fake_knative
from tests.support.terminal import Ran

Run = Callable[..., Ran]


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        script.courses["t1"] = [task(logs=[line("hello")])]
        yield script


@pytest.fixture
def knative(tmp_path: Path, server: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKnative]:
    """A cluster whose functions are the fake deployment, which a proxy has to stand for: their names are not real."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with fake_knative(tmp_path) as running:
        running.deploy(url="http://{}.sync.test")
        running.secret(SYNCCTL_AUTH_TOKENS=TOKEN)
        yield running


@pytest.fixture
def run(knative: FakeKnative) -> Run:
    """Run the plugin in this process, with a kubeconfig in the variable."""

    def command(*arguments: str) -> Ran:
        environment = {"KUBECONFIG": str(knative.kubeconfig), "SYNCCTL_TOKEN": None, "TZ": "UTC"}
        done = CliRunner().invoke(app, arguments, env=environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        canaries.refuse("the plugin's output", done.stdout, done.stderr)
        return Ran(done.exit_code, done.stdout, done.stderr)

    return command
