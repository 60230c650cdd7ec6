"""While a task is active, one call of the sweeper goes on: after an event, and when a call's time is over."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from common.settings import Settings
from common.sweep import events
from common.sweep.calls import Calls
from common.sweep.sweep import Summary
from tests.integration.test_sweeper import EVICTED, Shown, event, name_of, shown, waiting
from tests.support.fake_bulker import wait_for
from tests.support.http_server import HttpServer
from tests.support.local_system import LocalSystem, read_task

__all__ = ["shown", "waiting"]


class Sweeper:
    """The sweeper's address: each call sweeps with these settings, as the function does, once it may."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.may, self.status = threading.Event(), 200
        self.tokens: list[str | None] = []
        self.summaries: list[Summary] = []
        self.calls = Calls()
        sweeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sweeper.tokens.append(self.headers["Authorization"])
                sweeper.may.wait(30)
                if sweeper.status == 200:
                    assert sweeper.settings
                    sweeper.summaries.append(sweeper.calls.sweep(sweeper.settings))
                self.send_response(sweeper.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = HttpServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/sweeper"


@pytest.fixture
def sweeper(waiting: LocalSystem, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweeper]:
    """It is the process's own, and the settings name it."""
    made = Sweeper()
    monkeypatch.setattr(events, "calls", made.calls)
    given = {"sweeper_url": made.url, "sweep_token": Settings.load({"SYNCCTL_SWEEP_TOKEN": "own"}).sweep_token}
    waiting.settings = made.settings = waiting.settings.model_copy(
        update={**given, "container_status_check_seconds": 0, "sweep_seconds": 60}
    )
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.may.set()
    made.server.shutdown()
    made.server.server_close()


def plain_call(place: LocalSystem) -> Any:
    """As the CronJob's."""
    return events.sweep_on_request({}, b"", place.settings)


@pytest.mark.fault(98)
def test_an_event_about_an_active_pod_starts_a_call_that_goes_on(
    waiting: LocalSystem, shown: Shown, sweeper: Sweeper
) -> None:
    """With the token, once for any number of events; it ends with the last active task, and none follows."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    assert [event(waiting, pod)["active"] for _ in range(3)] == [1, 1, 1]
    wait_for(lambda: sweeper.tokens == ["Bearer own"])
    shown.show = {pod: EVICTED}
    sweeper.may.set()
    wait_for(lambda: [one.last.active for one in sweeper.summaries][-1:] == [0])
    assert sum(one.concluded for one in sweeper.summaries) == 1
    wait_for(lambda: not sweeper.calls._calling)
    # One more for the events that came while the first was on its way, at most.
    assert len(sweeper.tokens) <= 2


def test_an_event_about_a_pod_that_has_ended_starts_none(waiting: LocalSystem, shown: Shown, sweeper: Sweeper) -> None:
    """The event itself concludes the task; so does one about a pod of nobody's."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    shown.show = {pod: EVICTED}
    assert event(waiting, pod)["concluded"] == 1
    event(waiting, "nobody")
    assert (sweeper.tokens, sweeper.calls._calling) == ([], False)


@pytest.mark.fault(98)
def test_a_call_whose_time_is_over_is_followed_by_the_next(
    waiting: LocalSystem, shown: Shown, sweeper: Sweeper
) -> None:
    """The CronJob's call too: no task waits for the CronJob while it is active."""
    waiting.start(read_task())
    sweeper.may.set()
    waiting.settings = sweeper.settings = waiting.settings.model_copy(update={"sweep_seconds": 0})
    assert plain_call(waiting)["last"]["active"] == 1
    wait_for(lambda: len(sweeper.summaries) > 2)
    shown.show = {name_of(waiting, "task-1"): EVICTED}
    wait_for(lambda: not sweeper.calls._calling)
    assert sweeper.summaries[-1].last.active == 0


def test_one_call_at_a_time_goes_on(waiting: LocalSystem, shown: Shown, sweeper: Sweeper) -> None:
    """A further one sweeps once and ends; an event during the last sweep of the first makes another call."""
    waiting.start(read_task())
    sweeper.may.set()
    event(waiting, name_of(waiting, "task-1"))
    wait_for(lambda: sweeper.calls._going)
    assert plain_call(waiting)["sweeps"] == 1
    shown.show = {name_of(waiting, "task-1"): EVICTED}
    wait_for(lambda: not sweeper.calls._calling and not sweeper.calls._going)
    sweeper.calls._going = True
    sweeper.calls.go_on(waiting.settings)
    assert (sweeper.calls._calling, sweeper.calls._again) == (False, True)


def test_a_call_that_fails_is_left_to_the_cronjob(
    waiting: LocalSystem, sweeper: Sweeper, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal, or nobody there: a warning without the token, and the next event tries again."""
    waiting.start(read_task())
    pod = name_of(waiting, "task-1")
    sweeper.may.set()
    sweeper.status = 401
    for asked in (1, 2):
        event(waiting, pod)
        wait_for(lambda asked=asked: len(sweeper.tokens) == asked and not sweeper.calls._calling)  # type: ignore[misc] # bound now
    for url in ("http://127.0.0.1:1", "http://sweeper..local"):
        waiting.settings = waiting.settings.model_copy(update={"sweeper_url": url})
        event(waiting, pod)
        wait_for(lambda: not sweeper.calls._calling)
    assert len([record for record in caplog.records if "cannot call itself" in record.message]) == 4
    assert "own" not in caplog.text.replace("its own", "")
