"""`syncctl demo`: the first thing that anybody runs."""

import signal
import subprocess
import sys
from pathlib import Path

import duckdb  # noqa: TID251 - tests look past the product's own code
import psutil
import pytest

from tests.support.terminal import environment, running

# Both want the usual port and the same connector: one after the other.
pytestmark = pytest.mark.xdist_group("demo")


def test_the_demo_counts_what_it_read(tmp_path: Path) -> None:
    """A real connector's rows are emitted, acknowledged and counted, none twice; the second read resumes and brings none."""
    with running("", "demo", "--home", str(tmp_path)) as process:
        out, err = process.communicate(timeout=280)
    assert process.returncode == 0, out + err
    assert "2,100 rows emitted, stored and counted; the second read resumed and brought 0 more." in out
    assert 'the connector is given, for users: {"seed": 1' in out
    with duckdb.connect(str(tmp_path / "demo" / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.sql("SELECT count(*), count(DISTINCT id) FROM demo_users").fetchall() == [(1000, 1000)]
    assert (tmp_path / "demo" / "edition.log").stat().st_mode & 0o777 == 0o600
    assert not _left(tmp_path)
    look, serve, *_ = (line.strip() for line in out.partition("Try next:\n")[2].splitlines())
    assert "updated_at" in subprocess.run(["sh", "-c", look], check=True, capture_output=True, text=True).stdout
    assert f"SYNCCTL_HOME={tmp_path / 'demo'} " in serve


def test_another_connector_does_where_the_first_cannot_be_had(tmp_path: Path) -> None:
    """It is refused by name, the next one is read, and the second read replaces its rows."""
    first, second = "airbyte/source-faker:0.0.0", "airbyte/source-hardcoded-records:0.0.48"
    program = f"""
from syncctl.commands import demo
from syncctl.cli import app
demo.CONNECTORS = {{ {first!r}: demo.CONNECTORS["airbyte/source-faker:7.2.1"], {second!r}: demo.CONNECTORS[{second!r}] }}
app()
"""
    command = [sys.executable, "-c", program, "demo", "--home", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment(), timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "airbyte-source-faker 0.0.0 cannot be installed" in " ".join(done.stderr.split())
    assert "the second read replaced them by 3,000, since this connector cannot resume." in " ".join(
        done.stdout.split()
    )


@pytest.mark.parametrize(("number", "moment"), [(signal.SIGINT, "is RUNNING"), (signal.SIGTERM, "2. spec")])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    """In the middle of a read, or of three questions at once: one line, exit 130, no process and no traceback left."""
    with running("", "demo", "--home", str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if moment in line:
                break
        assert _left(tmp_path)
        process.send_signal(number)
        assert process.wait(60) == 130
        assert process.stderr.read().splitlines()[-1] == (
            "Interrupted; everything that the demo started has been stopped."
        )
    assert not _left(tmp_path)


def _left(home: Path) -> list[str]:
    """Processes whose command line or working directory names the home folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(home) in word for word in words) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(" ".join(words))
    return found
