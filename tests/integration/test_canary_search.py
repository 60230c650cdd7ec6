"""The search for planted secrets (tests/support/canaries.py) finds them: what it lets pass would mean nothing else."""

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.docs import ROOT

_CONFTEST = "from tests.support.canaries import no_file_keeps_a_secret, pytest_runtest_makereport\n"
_LEAKS = """
import base64, logging, subprocess
from tests.support import canaries

def test_prints(): print(base64.b64encode(b"u:" + canaries.TOKEN.encode()))
def test_starts_what_prints(): subprocess.run(["echo", canaries.BULKER], check=True)
def test_logs(): logging.getLogger("any").debug("trying %s", canaries.CONFIG)
def test_leaves_a_file(tmp_path): (tmp_path / "pod.json").write_text(canaries.DATABASE)
def test_keeps_it_where_it_belongs(tmp_path): (tmp_path / "token").write_text(canaries.TOKEN)
"""


def test_a_test_that_leaks_is_red(tmp_path: Path) -> None:
    """Printed, by a child too, or logged: that test fails. Left in a file: the run ends with an error."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "conftest.py").write_text(_CONFTEST)
        (Path(folder) / "test_leaks.py").write_text(_LEAKS)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}  # noqa: TID251 - a child gets the tests' own
        arguments = ["-q", "-p", "no:cacheprovider", "-o", "log_level=DEBUG", "--basetemp", f"{folder}/tmp"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "3 failed, 2 passed, 1 error" in done.stdout
    assert "A secret is in test_leaves_a_file0/pod.json" in done.stdout


@pytest.mark.parametrize("text", [canaries.CONFIG, base64.b64encode(f"u:{canaries.DATABASE}".encode()).decode()])
def test_a_row_that_leaks_is_found(database: TestDatabase, text: str) -> None:
    """In any column of any table, before the database is dropped."""
    database.refuse_secrets()
    values = ", ".join(["gen_random_uuid()", "'INFO'", "'x'", ":m", "''", "''", "now()"])
    database.rows(f"INSERT INTO task_log VALUES ({values})", m=f"a {text} b")
    with pytest.raises(AssertionError, match="A secret is in the table task_log"):
        database.refuse_secrets()
    database.rows("DELETE FROM task_log")


def test_an_owner_of_a_secret_may_have_it(database: TestDatabase) -> None:
    """A configuration that a connector changed is kept as it is, in its own column, and nowhere else."""
    database.rows("INSERT INTO syncctl_changed_config VALUES ('p', 'h', :c, '{h}')", c=canaries.CONFIG)
    database.refuse_secrets()
    database.rows("UPDATE syncctl_changed_config SET given_hash = config")
    with pytest.raises(AssertionError, match="syncctl_changed_config"):
        database.refuse_secrets()
    database.rows("DELETE FROM syncctl_changed_config")
