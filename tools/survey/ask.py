"""Asks one connector through the embedded edition, as a user of it would."""

import json
import sys
import tempfile
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, structs

from common.errors import SyncError
from common.failures import FailureKind
from common.images import Image
from embedded import files, settings
from embedded.connectors import pythons, uv
from embedded.connectors.connector import Environment
from embedded.edition import Edition
from syncctl.api.client import Deployment
from syncctl.api.models import CheckResult, Started, Task
from syncctl.api.poll import poll
from syncctl.exit_codes import TaskState
from tools.survey.answers import Answer, Verdict

PATIENCE_SECONDS = 300
"""For an answer to `spec` or `check`: a connector that tries to reach a host has given up by then."""
EMPTY = Raw(b"{}")
_OWN_WORDS = frozenset({FailureKind.CONFIG_ERROR, FailureKind.SOURCE_ERROR, FailureKind.TRANSIENT_ERROR})
"""Failures in which the connector has spoken itself, by a TRACE; that is an answer."""
_LONGEST = 240


class Surveyor:
    """Asks connectors, one after the other; their environments are removed again, as forty would fill a disk."""

    def __init__(self, edition: Edition, deployment: Deployment) -> None:
        self._edition, self._deployment = edition, deployment
        self._variables = uv.uv_variables(settings.environment())

    def ask(self, name: str) -> Answer:
        """Return what a connector's newest release answers."""
        answer = Answer(name)
        try:
            answer = structs.replace(answer, version=self._newest(name))
            answer = self._install(answer)
            answer = self._spec(answer)
            return self._check(answer)
        except _Step as step:
            return step.answer
        finally:
            if answer.version:
                files.remove(_home(answer))

    def _newest(self, name: str) -> str:
        """Return the newest release, whichever Python it asks for: `Connectors` looks for one that fits."""
        package = f"airbyte-{name}"
        with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
            wanted.write(package)
            wanted.flush()
            options = ["--no-deps", "--no-header", "--no-annotate", "--quiet"]
            options += ["--python", sys.executable, "--python-version", pythons.newest()]
            code, output = uv.run(["pip", "compile", *options, wanted.name], self._variables, 0)
        _, equals, version = output.strip().partition("==")
        if code or not equals:
            raise _Step(Answer(name, installs=Verdict.FAILED, why=_short(uv.summary(output))))
        return version

    def _install(self, answer: Answer) -> Answer:
        image = f"airbyte/{answer.name}:{answer.version}"
        began = time.monotonic()
        try:
            self._edition.prepare(image)
        except SyncError as error:
            raise _Step(structs.replace(answer, installs=Verdict.FAILED, why=_short(error.message))) from error
        home = _home(answer)
        made = msgspec.json.decode((home / "ready").read_bytes(), type=Environment)
        return structs.replace(
            answer,
            installs=Verdict.ANSWERED,
            seconds=round(time.monotonic() - began, 1),
            requires=made.requires,
            python=made.python,
            note=made.note,
            cdk=_cdk(home),
        )

    def _spec(self, answer: Answer) -> Answer:
        task = self._ended(self._deployment.spec(Image(f"airbyte/{answer.name}", answer.version)))
        if task.state != TaskState.SUCCESS or not task.has_result:
            raise _Step(structs.replace(answer, spec=Verdict.FAILED, why=_short(task.reason or task.state)))
        return structs.replace(answer, spec=Verdict.ANSWERED, fields=_fields(json.loads(bytes(task.result))))

    def _check(self, answer: Answer) -> Answer:
        task = self._ended(self._deployment.check(Image(f"airbyte/{answer.name}", answer.version), EMPTY))
        failure = task.failure.kind if task.failure else ""
        if task.has_result:
            result = msgspec.json.decode(task.result, type=CheckResult)
            checked = ": ".join(filter(None, [result.status, result.message]))
        elif failure in _OWN_WORDS:
            checked = ": ".join(filter(None, [failure, task.reason]))
        else:
            why = _short(": ".join(filter(None, [failure or task.state, task.reason])))
            raise _Step(structs.replace(answer, check=Verdict.FAILED, why=why))
        return structs.replace(answer, check=Verdict.ANSWERED, checked=_short(checked))

    def _ended(self, started: Started) -> Task:
        deadline = time.monotonic() + PATIENCE_SECONDS
        for task in poll(self._deployment, started.task_id):
            if time.monotonic() > deadline:
                self._deployment.cancel(task)
                deadline = float("inf")
        return task


class _Step(Exception):
    """A step that failed, with what is known by then."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.why)
        self.answer = answer


def _home(answer: Answer) -> Path:
    return settings.connectors_folder() / f"airbyte-{answer.name}-{answer.version}"


def _cdk(home: Path) -> str:
    """Return the version of Airbyte's CDK in an environment; "" without one."""
    folders = [str(folder) for folder in home.glob("lib/python*/site-packages")]
    return next((found.version for found in distributions(name="airbyte-cdk", path=folders)), "")


def _fields(specification: Any) -> int:
    """Return how many fields the configuration has at its top."""
    return len(specification.get("connectionSpecification", {}).get("properties", {}))


def _short(text: str) -> str:
    """Return a text as one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
