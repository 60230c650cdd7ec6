"""The commands in a pipe: exit codes, JSON, and what they ask a deployment for."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_deployment import TOKEN, FakeDeployment, fake_deployment, line, stream, task
from tests.support.terminal import run, running

IMAGE = "airbyte/source-faker:7.2.1"
USERS = {
    "name": "users",
    "json_schema": {"properties": {"id": {}, "name": {}}},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "default_cursor_field": ["updated_at"],
    "source_defined_primary_key": [["id"]],
}
SPEC = {
    "documentationUrl": "https://docs.example.test/[/]",
    "connectionSpecification": {
        "required": ["key"],
        "properties": {
            "key": {"type": "string", "airbyte_secret": True, "description": "An API\nkey [/]"},
            "range": {"type": "object", "properties": {"from": {"type": ["null", "integer"], "default": 3}}},
            "mode": {"oneOf": [{"title": "Fast"}, {"title": "Safe"}]},
        },
    },
}
OUTCOMES = [("SUCCESS", 0), ("FAILED", 1), ("PARTIAL", 3), ("CANCELLED", 4), ("SOMETHING_NEW", 1)]


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        yield script


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown in the user's time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config [bold].json"
    path.write_text('{"count": 5}')
    return str(path)


def test_spec_lists_the_fields(server: FakeDeployment) -> None:
    """It waits for the answer, and shows nested fields, choices, secrets and defaults."""
    server.courses["spec"] = [task("spec", "RUNNING", "spec"), task("spec", command="spec", result=SPEC)]
    done = run(server.url, "spec", IMAGE)
    assert done.code == 0, done.err
    assert [text.split()[0] for text in done.out.splitlines()] == [
        "field",
        "key",
        "range",
        "range.from",
        "mode",
        "Documentation:",
    ]
    for part in (
        "secret",
        "yes",
        "An API key [/]",
        "null, integer",
        "one of: Fast | Safe",
        "https://docs.example.test/[/]",
    ):
        assert part in done.out
    assert server.asked("/spec")[0].query == {"package": "airbyte/source-faker", "version": "7.2.1"}


def test_spec_json_is_the_spec_itself(server: FakeDeployment) -> None:
    """Scripts get the object without an envelope."""
    server.courses["spec"] = [task("spec", command="spec", result=SPEC)]
    assert json.loads(run(server.url, "spec", IMAGE, "--json").out) == SPEC


def test_a_spec_that_fails_says_why(server: FakeDeployment) -> None:
    """The reason and, if there is a log, the next command; with --json an object as well."""
    members: dict[str, Any] = {"reason": "The image cannot be pulled.", "result": None}
    server.courses["spec"] = [task("spec", "FAILED", "spec", **members)]
    assert run(server.url, "spec", IMAGE).err.endswith("ended FAILED: The image cannot be pulled.\n")
    server.courses["spec"] = [task("spec", "FAILED", "spec", logs=[line("hello")], **members)]
    done = run(server.url, "spec", IMAGE, "--json")
    assert done.code == 1
    assert "The image cannot be pulled. `syncctl logs spec` shows its log." in done.err
    assert json.loads(done.out)["ok"] is False


def test_words_of_a_connector_end_before_ours_begin(server: FakeDeployment) -> None:
    """They rarely end as a sentence does."""
    members: dict[str, Any] = {"reason": "'many' is not of type 'integer'", "result": None, "logs": [line("hello")]}
    server.courses["spec"] = [task("spec", "FAILED", "spec", **members)]
    assert "of type 'integer'. `syncctl logs spec` shows its log." in run(server.url, "spec", IMAGE).err


@pytest.mark.parametrize(
    ("state", "result", "code", "shown"),
    [
        ("SUCCESS", {"status": "SUCCEEDED", "message": None}, 0, "SUCCEEDED"),
        ("FAILED", {"status": "FAILED", "message": "bad [/] key"}, 1, "FAILED: bad [/] key"),
        ("SUCCESS", {"status": "FAILED", "message": "bad key"}, 1, "FAILED: bad key"),
        ("FAILED", {"status": "SUCCEEDED", "message": "fine"}, 1, "FAILED: it then ended with exit code 1"),
    ],
)
def test_check_exits_with_the_verdict(
    server: FakeDeployment, config: str, state: str, result: dict[str, Any], code: int, shown: str
) -> None:
    """A connector that says FAILED fails the command, whatever became of the task."""
    reason = "" if state == "SUCCESS" else "it then ended with exit code 1"
    server.courses["check"] = [task("check", state, "check", reason=reason, result=result)]
    done = run(server.url, "check", IMAGE, "--config", config)
    assert (done.code, done.out) == (code, shown + "\n")
    (request,) = server.asked("/check")
    assert json.loads(request.body) == {"config": {"count": 5}}
    assert request.query["storageKey"]


def test_check_reads_standard_input(server: FakeDeployment) -> None:
    """'-' is standard input; --json prints the connector's answer."""
    server.courses["check"] = [task("check", command="check", result={"status": "SUCCEEDED", "message": ""})]
    done = run(server.url, "check", IMAGE, "--config", "-", "--json", stdin='{"from": "a pipe"}')
    assert json.loads(done.out)["status"] == "SUCCEEDED"
    assert json.loads(server.asked("/check")[0].body) == {"config": {"from": "a pipe"}}


def test_what_discover_prints_can_be_read(server: FakeDeployment, config: str, tmp_path: Path) -> None:
    """`discover --json > FILE`, then `read --catalog FILE`."""
    server.courses["discover"] = [task("discover", command="discover", result={"streams": [USERS]})]
    found = run(server.url, "discover", IMAGE, "-c", config, "--json")
    (catalog := tmp_path / "catalog.json").write_text(found.out)
    done = run(
        server.url, "read", IMAGE, "-c", config, "--catalog", str(catalog), "--task", "mine", "--sync", "nightly"
    )
    assert done.code == 0, done.err
    assert "Started task mine of sync nightly." in done.out
    assert "syncctl logs mine --follow" in done.err
    sent = json.loads(server.asked("/read")[0].body)
    assert sent["catalog"]["streams"][0]["sync_mode"] == "incremental"
    assert "state" not in sent


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_a_task_that_is_there_already_is_not_started(
    server: FakeDeployment, config: str, tmp_path: Path, follow: tuple[str, ...]
) -> None:
    """A repeated --task says so, and how the task stands."""
    server.courses["mine"] = [task("mine", "PARTIAL", streams={"users": stream(rows=1)})]
    (catalog := tmp_path / "catalog.json").write_text(json.dumps({"streams": [USERS]}))
    done = run(server.url, "read", IMAGE, "-c", config, "--catalog", str(catalog), "--task", "mine", *follow)
    assert done.code == (3 if follow else 0)
    assert "Started" not in done.out
    assert "Task mine was there already, PARTIAL; no second one was started." in done.err


def test_what_a_task_waits_for_is_told_once_a_phase(server: FakeDeployment, config: str, tmp_path: Path) -> None:
    """The first use of a connector installs it, which takes a while: the user reads why."""
    waits = [task("check", "PENDING", "check", reason=reason) for reason in ("", "Installing.", "Installing.", "Hm.")]
    good = task("check", command="check", result={"status": "SUCCEEDED", "message": ""})
    server.courses["check"] = [*waits, good]
    done = run(server.url, "check", IMAGE, "-c", config)
    assert (done.code, done.err.splitlines()) == (0, ["Installing.", "Hm."])
    server.courses["t1"] = [task(state="PENDING"), task(state="PENDING", reason="Installing."), task()]
    (catalog := tmp_path / "catalog.json").write_text(json.dumps({"streams": [USERS]}))
    read = run(server.url, "read", IMAGE, "-c", config, "--catalog", str(catalog), "--task", "t1", "-f")
    assert "task t1 is PENDING: Installing.\n" in read.out


@pytest.mark.parametrize("image", ["Airbyte/Source:1", "a b:1", "a/b:ä", "a/b@sha256:12"])
def test_an_impossible_image_is_a_matter_of_usage(server: FakeDeployment, image: str) -> None:
    """Exit 2, in the command line's own terms, and no request is sent."""
    done = run(server.url, "spec", image, env={"COLUMNS": "1000"})
    assert (done.code, server.requests) == (2, [])
    assert "is not the name of an image. Write NAME:VERSION in lower case" in done.err


def test_discover_lists_streams(server: FakeDeployment, config: str) -> None:
    """Modes, cursor, key and the number of fields."""
    server.courses["discover"] = [task("discover", command="discover", result={"streams": [USERS]})]
    done = run(server.url, "discover", IMAGE, "-c", config)
    assert done.out.splitlines()[1].split() == ["users", "full_refresh,", "incremental", "updated_at", "id", "2"]


def test_read_discovers_first_and_names_its_sync(server: FakeDeployment, config: str) -> None:
    """Without a catalog it asks for one; without a sync the same command gets the same name, which resumes."""
    server.courses["discover"] = [task("discover", command="discover", result={"streams": [USERS]})]
    options = ("read", IMAGE, "-c", config, "--prefix", "raw_", "--full-sync", "--stream", "users", "--json")
    first, second = (json.loads(run(server.url, *options).out) for _ in range(2))
    assert first["syncId"] == second["syncId"]
    assert first["taskId"] != second["taskId"]
    query = server.asked("/read")[0].query
    assert (query["tableNamePrefix"], query["fullSync"]) == ("raw_", "true")
    assert query["syncId"].startswith("source-faker-")


def test_read_passes_a_state_on(server: FakeDeployment, config: str, tmp_path: Path) -> None:
    """A state that the user gives is passed on as it is."""
    (tmp_path / "c.json").write_text(json.dumps({"streams": [USERS]}))
    (tmp_path / "s.json").write_text('[{"type": "STREAM", "n": 1.10}]')
    files = ("--catalog", str(tmp_path / "c.json"), "--state", str(tmp_path / "s.json"))
    assert run(server.url, "read", IMAGE, "-c", config, *files).code == 0
    assert b'"state":[{"type": "STREAM", "n": 1.10}]' in server.asked("/read")[0].body


@pytest.mark.parametrize(("state", "code"), OUTCOMES)
def test_following_exits_with_the_outcome(
    server: FakeDeployment, config: str, tmp_path: Path, state: str, code: int
) -> None:
    """Each state has its exit code; one that is not known yet counts as failed."""
    (tmp_path / "c.json").write_text(json.dumps({"streams": [USERS]}))
    server.courses["t1"] = [
        task(state="PENDING"),
        task(
            state="RUNNING",
            streams={"users": stream("RUNNING", 1000, rowsPerSecond=100.0, percent=50, secondsLeft=61, seconds=1.0)},
            logs=[line("one"), line("same")],
        ),
        task(
            state="RUNNING",
            streams={"users": stream("RUNNING", 1000, rowsPerSecond=70.0, percent=50, secondsLeft=65, seconds=4.0)},
            logs=[line("one"), line("same"), line("same")],
        ),
        task(state=state, streams={"users": stream(state, 2000)}, reason="Because [/].", logs=[line("one")]),
    ]
    options = ("read", IMAGE, "-c", config, "--catalog", str(tmp_path / "c.json"), "--task", "t1", "--follow")
    done = run(server.url, *options)
    assert done.code == code, done.err
    now = "users: RUNNING, 1,000 emitted, 1,000 stored, 100.0 kB, 100 rows/s, 50 %, 1 min 1 s left\n"
    assert (done.out.count(now), done.out.count("users: RUNNING")) == (1, 1)
    assert (done.out.count("  one\n"), done.out.count("  same\n")) == (1, 2)
    assert done.out.endswith("Because [/].\n")


def test_tasks_shows_what_a_task_waits_for_and_how_far_it_is(server: FakeDeployment) -> None:
    """With its age, and each stream by its own clock."""
    waiting = {"for": "retry", "since": "2026-11-24T10:05:01.000Z", "seconds": 65, "until": "2026-11-24T10:06:30.000Z"}
    server.courses["t1"] = [task(state="PENDING", waiting=waiting)]
    assert "waits for its next attempt (1 min 5 s, until 2026-11-24" in run(server.url, "tasks", "t1").out
    streams = {
        "users": stream("RUNNING", 90, seconds=30.0, rowsPerSecond=3.0, percent=90, secondsLeft=4),
        "orders": stream("RUNNING", 100, seconds=2.0),
        "items": stream("PENDING"),
    }
    progress = {"rowsPerSecond": 3.0, "percent": 63, "secondsLeft": 245}
    server.courses["t1"] = [task(state="RUNNING", streams=streams, progress=progress)]
    shown = run(server.url, "tasks", "t1").out
    assert "63 %, 4 min 5 s left" in shown
    lines = [text.split() for text in shown.splitlines()]
    assert lines[0] == ["stream", "status", "emitted", "stored", "bytes", "took", "rows/s", "done"]
    assert lines[1][-8:] == ["30.0", "s", "3.0", "90", "%,", "4.0", "s", "left"]
    assert lines[2][-3:] == ["2.0", "s", "50"]
    assert lines[3] == ["items", "PENDING", "0", "0", "0", "bytes"]


@pytest.mark.fault(608)
def test_a_deployment_that_can_hold_its_answer_is_asked_to(server: FakeDeployment) -> None:
    """From its first answer on, and from what that has shown; another one is asked again without."""
    server.revisions = True
    server.courses["t1"] = [task(state="PENDING"), task(state="RUNNING"), task(state="RUNNING"), task()]
    assert run(server.url, "wait", "t1").code == 0
    asked = [(request.query.get("since"), request.query.get("wait")) for request in server.asked("/tasks/t1")]
    assert asked[-2:] == [("2..", "20"), ("1..", "20")]
    server.revisions = False
    server.courses["t2"] = [task("t2", state="RUNNING"), task("t2", state="RUNNING"), task("t2")]
    assert run(server.url, "wait", "t2").code == 0
    assert not [request.query for request in server.asked("/tasks/t2") if request.query.keys() & {"wait", "since"}]


def test_following_as_json_is_lines_of_events(server: FakeDeployment, config: str, tmp_path: Path) -> None:
    """Every line parses; the end holds the outcome."""
    (tmp_path / "c.json").write_text(json.dumps({"streams": [USERS]}))
    busy = task(state="RUNNING", streams={"users": stream("RUNNING", 1)}, logs=[line("[/]\x1b[2J")])
    server.courses["t1"] = [busy, busy, task(state="PARTIAL", streams={"users": stream("PARTIAL", 2)})]
    files = ("-c", config, "--catalog", str(tmp_path / "c.json"))
    done = run(server.url, "read", IMAGE, *files, "--task", "t1", "-f", "--json")
    events = [json.loads(text) for text in done.out.splitlines()]
    assert [event["event"] for event in events] == ["log", "progress", "end"]
    assert events[0]["log"]["message"] == "[/]\x1b[2J"
    assert events[2]["task"]["streams"]["users"]["stored"] == 2
    assert done.code == 3


def test_tasks_lists_all_pages(server: FakeDeployment) -> None:
    """Pages are fetched until the limit; the filters go along."""
    server.courses = {f"t{number}": [task(f"t{number}", reason=f"r{number}\n[/]")] for number in range(4)}
    done = run(server.url, "tasks", "--limit", "3", "--status", "success", "--command", "read", "--sync", "nightly")
    lines = done.out.splitlines()
    assert [text.split()[0] for text in lines] == ["task", "t0", "t1", "t2"]
    assert "2026-11-24 10:05:01" in lines[1]
    assert lines[1].endswith("10.0 s  airbyte/source-faker:7.2.1  nightly  r0␊[/]")
    query = server.asked("/tasks")[2].query
    assert query == {"status": "SUCCESS", "command": "read", "syncId": "nightly", "cursor": "2", "limit": "1"}
    assert len(json.loads(run(server.url, "tasks", "--json").out)["tasks"]) == 4


def test_tasks_of_a_time_a_connector_or_a_trigger(server: FakeDeployment) -> None:
    """A time without a zone is this machine's; what is long ago is counted from now."""
    server.courses["t1"] = [task()]
    options = ("--since", "2026-11-30T02:00", "--until", "2026-11-30T03:00:00+01:00", "--package", "a/b")
    run(server.url, "tasks", *options, "--started-by", "schedule")
    query = server.asked("/tasks")[0].query
    assert (query["from"], query["to"]) == ("2026-11-30T02:00:00Z", "2026-11-30T02:00:00Z")
    assert (query["package"], query["startedBy"]) == ("a/b", "schedule")
    assert run(server.url, "tasks", "--since", "yesterday").code == 2


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["SUCCESS"], 0),
        (["SUCCESS", "PARTIAL"], 3),
        (["PARTIAL", "CANCELLED"], 4),
        (["CANCELLED", "FAILED", "SUCCESS"], 1),
    ],
)
def test_wait_exits_with_the_worst_outcome(server: FakeDeployment, states: list[str], code: int) -> None:
    """Each task is waited for, and shown."""
    names = [f"t{number}" for number in range(len(states))]
    for name, state in zip(names, states, strict=True):
        server.courses[name] = [task(name, "RUNNING"), task(name, state, reason="Because.", logs=[line("x")])]
    done = run(server.url, "wait", *names, names[0])
    assert (done.code, done.out.count("Because.")) == (code, len(states))
    shown = [json.loads(text) for text in run(server.url, "wait", *names, "--json").out.splitlines()]
    assert [(one["taskId"], one["state"], "logs" in one) for one in shown] == [
        (name, state, False) for name, state in zip(names, states, strict=True)
    ]


def test_wait_gives_up_after_its_time(server: FakeDeployment) -> None:
    """The task goes on, and the message names it; a task that is not there is a refusal."""
    server.courses["t1"] = [task(state="RUNNING")]
    done = run(server.url, "wait", "t1", "--timeout", "0")
    assert (done.code, "Task t1 is still RUNNING after 0 s; it goes on." in done.err) == (1, True)
    assert run(server.url, "wait", "none").code == 5


@pytest.mark.fault(586)
def test_a_run_is_started_again_as_it_was(server: FakeDeployment) -> None:
    """The same sync and streams under a new id; of a task that is not a run, what to do instead."""
    server.courses["old"] = [task("old", "FAILED", run={"sync": "nightly", "streams": ["a", "b"], "fullSync": True})]
    done = run(server.url, "run", "--again", "old", "--task", "new")
    assert (done.code, "Started task new of sync nightly." in done.out) == (0, True), done.err
    assert "Runs sync nightly again, streams a, b from nothing (--full-sync), as task old did." in done.err
    assert server.asked("/syncs/nightly/run")[0].query == {"taskId": "new", "streams": "a,b", "fullSync": "true"}
    server.courses["other"], server.courses["check"] = [task("other", run=None)], [task("check", command="check")]
    refused = run(server.url, "run", "--again", "other")
    assert refused.code == 5
    assert f"`syncctl read {IMAGE} --config FILE --sync nightly`" in refused.err
    assert f"`syncctl check {IMAGE} --config FILE`." in run(server.url, "run", "--again", "check").err
    for usage in ((), ("nightly", "--again", "old"), ("--again", "old", "--stream", "a")):
        assert run(server.url, "run", *usage).code == 2
    assert len(server.asked("/syncs/nightly/run")) == 1


def test_a_watched_list_prints_what_changes(server: FakeDeployment) -> None:
    """In a pipe a line for each task that is new or in another state, until Ctrl-C."""
    server.courses["t1"] = [task(state="RUNNING")]
    with running(server.url, "tasks", "--watch", "--status", "RUNNING") as process:
        assert process.stdout
        assert "t1  read  RUNNING  airbyte/source-faker:7.2.1  nightly" in process.stdout.readline()
        server.courses["t1"][0] = task(state="RUNNING", attempt=2, reason="Again.")
        assert "t1  read  RUNNING  airbyte/source-faker:7.2.1  nightly  attempt 2  Again." in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    server.courses["t2"] = [task("t2", "RUNNING"), task("t2", "FAILED", streams={"a": stream("FAILED", 3)})]
    done = run(server.url, "tasks", "t2", "--watch")
    assert (done.code, "a: " in done.out or "FAILED" in done.out) == (1, True)


def test_no_tasks_is_no_error(server: FakeDeployment) -> None:
    """An empty list says how to start a first task."""
    done = run(server.url, "tasks")
    assert (done.code, done.out) == (0, "")
    assert "syncctl read" in done.err


@pytest.mark.parametrize(("state", "code"), [*OUTCOMES, ("RUNNING", 0)])
def test_one_task_and_its_log_exit_with_its_outcome(server: FakeDeployment, state: str, code: int) -> None:
    """0 too while it runs."""
    streams = {"z[/]": stream("FAILED", 5, refused=1, error="cannot open [/etc/[dim]x]")}
    server.courses["t1"] = [task(state=state, streams=streams, logs=[line("hello [/]")], reason="Why [/].")]
    shown, log = run(server.url, "tasks", "t1"), run(server.url, "logs", "t1")
    assert (shown.code, log.code) == (code, code)
    for part in ("z[/]", "cannot open [/etc/[dim]x]", "Why [/].", "hello [/]", "refused"):
        assert part in shown.out
    assert log.out == "10:05:01 INFO   airbyte/source-faker  hello [/]\n"
    assert json.loads(run(server.url, "tasks", "t1", "--json").out) == server.courses["t1"][0]


def test_logs_follow_shows_each_line_once(server: FakeDeployment) -> None:
    """Equal lines, too, and those that come as the task ends, over several pages."""
    server.log_page = 2
    texts = [line(text) for text in ("a", "b", "b", "c", "c", "d")]
    server.courses["t1"] = [
        task(state="RUNNING", logs=texts[:1]),
        task(state="RUNNING", logs=texts[:3]),
        task(logs=texts),
    ]
    done = run(server.url, "logs", "t1", "--follow", "--json")
    assert [json.loads(text)["message"] for text in done.out.splitlines()] == ["a", "b", "b", "c", "c", "d"]
    assert server.asked("/tasks/t1") == []


@pytest.mark.fault(214)
@pytest.mark.parametrize(("asked", "answers"), [(7, 3), (500, 4), (10, 4), (3, 1), (2, 1)])
def test_logs_come_from_as_many_answers_as_hold_them(server: FakeDeployment, asked: int, answers: int) -> None:
    """An answer holds so many bytes: the lines before it are asked for until there are enough."""
    server.log_page = 3
    server.courses["t1"] = [task(logs=[line(f"{number}") for number in range(10)])]
    done = run(server.url, "logs", "t1", "--lines", str(asked), "--json")
    assert [int(json.loads(text)["message"]) for text in done.out.splitlines()] == [*range(10)][-asked:]
    assert len(server.asked("/tasks/t1/logs")) == answers


def test_logs_are_asked_for_what_is_wanted(server: FakeDeployment) -> None:
    """Level, text and time go along with each page; a time alone shows all since then, from the first."""
    server.log_page = 1
    server.courses["t1"] = [task(logs=[line("a"), line("b")])]
    server.courses["t2"] = [task(logs=[])]
    wanted = ("--level", "warn", "--grep", "x y", "--since", "2026-11-30T02:00")
    done = run(server.url, "logs", "t1", *wanted, "--lines", "2")
    assert (done.code, done.out.count("\n")) == (0, 2)
    asked = [request.query for request in server.asked("/tasks/t1/logs")]
    given = {"level": "WARN", "q": "x y", "since": "2026-11-30T02:00:00Z"}
    assert asked == [{"before": "end", "limit": "2"} | given, {"before": "1", "limit": "1"} | given]
    assert run(server.url, "logs", "t1", "--since", "1d").out.endswith("  b\n")
    assert [one.query["after"] for one in server.asked("/tasks/t1/logs")[2:]] == ["start", "1"]
    assert "Task t2 is SUCCESS and has no log lines." in run(server.url, "logs", "t2", "--level", "ERROR").err
    assert run(server.url, "logs", "t1", "--since", "noon").code == 2


def test_a_message_of_many_lines_cannot_forge_one(server: FakeDeployment) -> None:
    """Further lines of a message are indented."""
    server.courses["t1"] = [task(logs=[line("trace\n10:05:09 ERROR forged")])]
    assert "\n    10:05:09 ERROR forged" in run(server.url, "logs", "t1").out


def test_cancel_names_what_it_ends(server: FakeDeployment) -> None:
    """The endpoint wants package and sync too: they come from the task."""
    server.courses["t1"] = [task(state="RUNNING")]
    done = run(server.url, "cancel", "t1")
    assert done.code == 0, done.err
    assert "CANCELLED" in done.out
    assert "`syncctl logs t1` tells how much" in done.err
    assert server.asked("/cancel")[0].query == {"package": "airbyte/source-faker", "syncId": "nightly", "taskId": "t1"}


def test_a_cancel_says_where_a_pod_is_that_is_not_stopped_from_there(server: FakeDeployment) -> None:
    """In the deployment's own words, and beside what else there is to say."""
    server.courses["t1"] = [task(state="RUNNING")]
    server.cancelled = {"note": "The task's pod is in another data plane, east."}
    done = run(server.url, "cancel", "t1")
    assert done.code == 0, done.err
    assert "The task's pod is in another data plane, east." in done.err
    assert "`syncctl logs t1` tells how much" in done.err


def test_counts_from_before_a_cancel_are_called_that(server: FakeDeployment) -> None:
    """The row is final at once, and the pod saves more afterwards."""
    server.courses["t1"] = [task(state="CANCELLED", streams={"users": stream("RUNNING", 1000)})]
    assert "The counts are those before the cancel" in run(server.url, "tasks", "t1").out


def test_a_cancel_that_comes_too_late_says_so(server: FakeDeployment) -> None:
    """The task stays as it was, and the command has done what could be done."""
    server.courses["t1"] = [task(state="SUCCESS")]
    done = run(server.url, "cancel", "t1")
    assert done.code == 0, done.err
    assert "It had ended before, SUCCESS" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check", IMAGE, "--config", "missing [/].json"), "Cannot read missing [/].json"),
        (("check", "airbyte/source-faker", "--config", "-"), "names no version"),
        (("check", IMAGE, "--config", "-"), "not valid JSON"),
        (("read", IMAGE, "--config", "-", "--catalog", "-"), "Only one of"),
        (("tasks", "--url", "ftp://here"), "is not an address"),
        (("tasks", "--url", "http://[::1"), "is not an address"),
        (("tasks", "--url", "ftp://u:planted-1@here"), "'ftp://here' is not an address"),
        (("tasks", "--status", "done"), "'done'"),
        (("serve", "--image", "x"), "IMAGE=COMMAND"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_wrong_usage_exits_2(server: FakeDeployment, arguments: tuple[str, ...], says: str) -> None:
    """Usage errors have an exit code of their own, and come before any request."""
    done = run(server.url, *arguments, stdin='{"a": 1,\n}', env={"COLUMNS": "500"})
    assert done.code == 2
    assert says in " ".join(done.err.split())
    assert not done.out
    as_json = run(server.url, *arguments, "--json", stdin='{"a": 1,\n}', env={"COLUMNS": "500"})
    assert as_json.code == 2
    answer = json.loads(as_json.out)
    assert (answer["ok"], says in answer["error"] or "No such option" in answer["error"]) == (False, True)
    assert not server.requests


def test_a_json_error_names_its_line(server: FakeDeployment) -> None:
    """People edit lines, not bytes."""
    assert "line 2" in run(server.url, "check", IMAGE, "-c", "-", stdin='{"a": 1,\n}', env={"COLUMNS": "500"}).err


def test_a_file_that_is_not_utf_8_is_told(server: FakeDeployment, tmp_path: Path) -> None:
    """An editor's own encoding: a sentence, and no traceback."""
    (tmp_path / "config.json").write_bytes(b'{"name": "G\xe4rtner"}')
    done = run(server.url, "check", IMAGE, "-c", str(tmp_path / "config.json"), env={"COLUMNS": "500"})
    assert (done.code, "is not valid JSON: it is not UTF-8" in done.err) == (2, True)


@pytest.mark.parametrize("end", [b"", b"]" * 5000])
def test_a_file_that_is_nested_too_deep_is_told(server: FakeDeployment, tmp_path: Path, end: bytes) -> None:
    """The limit's own words, on every Python, whether the file is whole or not."""
    (tmp_path / "config.json").write_bytes(b"[" * 5000 + end)
    done = run(server.url, "check", IMAGE, "-c", str(tmp_path / "config.json"), env={"COLUMNS": "500"})
    assert (done.code, "is not valid JSON: nested deeper than 1,000 levels." in done.err) == (2, True)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_refusal_exits_5(server: FakeDeployment, as_json: tuple[str, ...]) -> None:
    """The deployment's own sentence, and no traceback."""
    done = run(server.url, "logs", "none", *as_json)
    assert done.code == 5
    assert f"There is no task none at {server.url}; `syncctl tasks` lists them." in done.err
    assert "Traceback" not in done.err
    if as_json:
        assert json.loads(done.out) == {"ok": False, "error": done.err.removeprefix("syncctl: ").strip()}


def test_nobody_there_exits_5() -> None:
    """An address at which nothing listens."""
    done = run("http://127.0.0.1:1", "tasks")
    assert done.code == 5
    assert "syncctl serve" in done.err


def test_the_embedded_editions_token_is_found(server: FakeDeployment, tmp_path: Path) -> None:
    """On its own machine the token that `syncctl serve` wrote down need not be copied."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    done = run(server.url, "tasks", env={"SYNCCTL_HOME": str(tmp_path), "SYNCCTL_TOKEN": ""})
    assert done.code == 0, done.err


def test_ctrl_c_stops_the_following_alone(server: FakeDeployment) -> None:
    """Exit 130, and a sentence that the task goes on."""
    server.courses["t1"] = [task(state="RUNNING", logs=[line("begun")])]
    with running(server.url, "logs", "t1", "--follow") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "begun" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert "task t1 goes on" in process.stderr.read()
    assert not server.asked("/cancel")


def test_a_closed_pipe_is_no_traceback(server: FakeDeployment) -> None:
    """`syncctl logs ... | head -1` ends quietly."""
    server.courses["t1"] = [task(state="RUNNING", logs=[line("begun")]), task(logs=[line("x" * 4000)] * 50)]
    with running(server.url, "logs", "t1", "--follow") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(30)
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("command", ["spec", "check", "discover", "read", "tasks", "logs", "cancel", "serve", "demo"])
def test_every_command_teaches_by_example(command: str) -> None:
    """--help shows at least one whole command line."""
    done = run("", command, "--help", env={"SYNCCTL_URL": "http://127.0.0.1:1"})
    assert done.code == 0
    assert f"syncctl {command}" in done.out.split("Examples:")[1]


def test_a_task_shows_what_ended_it_and_its_attempts(server: FakeDeployment) -> None:
    """Kind, origin and what to do, unless the reason says that already; earlier attempts in their order."""
    earlier = {"attempt": 1, "kind": "evicted", "origin": "platform", "message": "no disk [/]", "advice": "Again."}
    failure = {"kind": "stalled", "origin": "source", "message": "silent", "advice": "Raise the limit."}
    members: dict[str, Any] = {
        "failure": failure,
        "attempt": 2,
        "attempts": [earlier | {"endedAt": "2026-11-24T10:05:02.000Z"}],
    }
    server.courses["t1"] = [task(state="FAILED", reason="silent for 9 s", **members)]
    shown = run(server.url, "tasks", "t1").out
    assert "attempt 1 ended 2026-11-24 10:05:02 (kind of failure: evicted, origin: platform): no disk [/]\n" in shown
    assert "Kind of failure: stalled, origin: source (the connector). Raise the limit.\n" in shown
    server.courses["t1"] = [task(state="FAILED", reason="silent; raise the limit, or wait.", **members)]
    assert "Kind of failure: stalled, origin: source (the connector).\n" in run(server.url, "tasks", "t1").out


def test_following_tells_of_another_attempt(server: FakeDeployment, config: str, tmp_path: Path) -> None:
    """A line when it begins, with what ended the one before."""
    again: dict[str, Any] = {"attempt": 2, "attempts": [{"attempt": 1, "kind": "node_lost"}]}
    server.courses["t1"] = [task(state="RUNNING"), task(state="PENDING", **again), task(**again)]
    (tmp_path / "c.json").write_text(json.dumps({"streams": [USERS]}))
    files = ("-c", config, "--catalog", str(tmp_path / "c.json"))
    out = run(server.url, "read", IMAGE, *files, "--task", "t1", "-f").out
    assert "task t1 is PENDING, attempt 2 after node_lost\n" in out


def test_a_stream_that_has_failed_is_shown_while_the_read_goes_on(
    server: FakeDeployment, config: str, tmp_path: Path
) -> None:
    """Once, with its error, also if the connector has emitted none of its rows."""
    (tmp_path / "c.json").write_text(json.dumps({"streams": [USERS]}))
    streams = {"users": stream("RUNNING", 1000), "[/]": stream("FAILED", error="no access to\n[/]")}
    busy = task(state="RUNNING", streams=streams)
    server.courses["t1"] = [busy, busy, task(state="PARTIAL", streams=streams | {"users": stream(rows=2000)})]
    files = ("-c", config, "--catalog", str(tmp_path / "c.json"))
    out = run(server.url, "read", IMAGE, *files, "--task", "t1", "-f").out
    line = "[/]: FAILED, 0 emitted, 0 stored, 0 bytes: no access to␊[/]\n"
    assert out.count(line) == 1
    assert out.index(line) < out.index("users: SUCCESS")
