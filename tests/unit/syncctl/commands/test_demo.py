"""syncctl.commands.demo: its counts, port, home and last words."""

from pathlib import Path
from typing import NoReturn

import pytest

from common.errors import SyncError
from syncctl.commands import demo
from syncctl.commands.demo import StreamCounts, count_table
from tests.support.terminal import run, running


@pytest.mark.parametrize(
    ("emitted", "stored", "before", "counted", "agrees"),
    [
        (5, 5, 0, 5, True),
        (0, 0, 5, 5, True),
        (5, 4, 0, 4, False),
        (5, 5, 0, 4, False),
        (5, 5, 0, None, False),
        (0, 0, 5, 0, False),
        (5, 5, 5, 5, False),
    ],
)
def test_counts_agree_only_if_nothing_is_lost_or_doubled(
    emitted: int, stored: int, before: int, counted: int | None, agrees: bool
) -> None:
    """Rows emitted by the connector, acknowledged by the warehouse, and found in its table."""
    count = StreamCounts("users", emitted, stored, before, counted, "", resumes=True)
    assert count.agrees is agrees
    assert ("DIFFER" in count_table([count]).rows[0][-1]) is not agrees


@pytest.mark.parametrize(("variables", "port"), [({}, 3043), ({"SYNCCTL_HTTP_PORT": "4711"}, 4711)])
def test_the_demo_takes_another_port_if_its_first_choice_is_taken(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], port: int
) -> None:
    """Whenever that happens: the edition itself decides as it binds."""

    def edition(_home: Path, port: int, *_: object, or_any_port: bool) -> NoReturn:
        raise SyncError(f"{port} {or_any_port}")

    monkeypatch.setattr(demo, "set_up_process", lambda: None)
    monkeypatch.setattr(demo, "log_to", lambda _: None)
    monkeypatch.setattr(demo, "edition", edition)
    assert f"{port} True" in run("", "demo", env=variables).err


@pytest.mark.parametrize("home", ["/proc/nowhere", "/etc/passwd/home"])
def test_a_home_that_cannot_be_written_is_named(home: str) -> None:
    """With both ways to choose another one, and without the path of a log that is not there."""
    with running("", "demo", "--home", home) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith(f"syncctl: Cannot write to {home}/demo (")
    assert err.endswith("). Choose another folder with --home or SYNCCTL_HOME.\n")
    assert err.count("\n") == 1
