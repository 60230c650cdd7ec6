""".github/workflows/ci.yml against the Makefile and the supported Pythons."""

import re

import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from scripts import preflight
from tests.support.docs import read

_WORKFLOW = read(".github/workflows/ci.yml")


def test_every_supported_python_is_tested() -> None:
    """Those that scripts/preflight.py accepts without a note."""
    (major, oldest), (_, newest) = preflight.OLDEST, preflight.NEWEST
    matrix = yaml.safe_load(_WORKFLOW)["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [f"{major}.{minor}" for minor in range(oldest, newest + 1)]


def test_the_workflow_calls_make_targets_that_exist() -> None:
    """The same commands as a developer's."""
    [targets] = re.findall(r"- run: make ([a-z -]+) PYTHON=", _WORKFLOW)
    assert targets.split() == ["check", "test"]
    assert all(re.search(rf"^{target}:", read("Makefile"), re.MULTILINE) for target in targets.split())
