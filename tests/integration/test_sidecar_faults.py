"""Whatever goes wrong: a final row, no secret anywhere, and the log never in the way of the rows."""

import base64
import contextlib
import io
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.nesting import MAX_DEPTH
from common.protocol.commands import Command
from common.redaction import Redactor
from common.store import Database, task_log
from common.store.task_log import LogLines
from sidecar.report import log_shipper
from sidecar.report.heartbeat import Heartbeat
from sidecar.report.log_shipper import LogShipper
from sidecar.settings import SidecarSettings
from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker, wait_for
from tests.support.in_process_sidecar import InProcessSidecar
from tests.support.odd_servers import answer, odd_server, read_head
from tests.support.sidecar_process import (
    SYNC,
    TASK,
    SidecarProcess,
    catalog,
    lines,
    log,
    record,
    state,
    status,
    trace_error,
)

SECRET = 'pl@nted "s3cret"/+ü'
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----"
CONFIG = {"host": "db.garden.test", "password": SECRET, "credentials": {"private_key": KEY}, "user": "gardener"}
TABLES = ("source_spec", "source_check", "source_catalog", "source_state", "source_task", "task_log", "syncctl_task", "syncctl_result")  # fmt: skip


def _everything(sidecar: SidecarProcess) -> str:
    """Everything in the database and in the container's output."""
    rows = [row for table in TABLES for row in sidecar.database.rows(f"SELECT t::text AS t FROM {table} t")]
    return "\n".join(row["t"] for row in rows) + sidecar.output.decode()


def _spellings() -> list[str]:
    return [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps({"password": SECRET}),
        repr(SECRET),
        "pl%40nted%20%22s3cret%22%2F%2B%C3%BC",
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"gardener:{SECRET}".encode()).decode(),
        *KEY.splitlines()[1:3],
        json.dumps(KEY),
        canaries.BULKER,
    ]


def _leaks(text: str) -> list[str]:
    """The lines that hold a spelling, or a tell-tale piece of one."""
    pieces = ("s3cret", "MIIEvQ", "EFAASC", canaries.BULKER, base64.b64encode(SECRET.encode()).decode()[:14])
    return [line for line in text.splitlines() if any(piece in line for piece in pieces)]


@pytest.mark.fault(70)
def test_no_secret_of_the_configuration_is_shown_anywhere(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """Log lines, noise, stderr, errors of streams and of the run, Bulker's words: in no table and no output, ever."""
    sidecar.give(catalog=catalog("plants", "beds"), config=CONFIG)
    bulker.answer = lambda bulk: (400, {"error": f"bad {SECRET}"}) if bulk.table == "beds" else None
    noise = [message for text in _spellings() for message in (log(f"1 {text}"), f"2 {text}", {"type": f"odd {text}"})]
    messages = [*noise, log(_spellings()[0], "FATAL"), trace_error(f"3 {SECRET}", "plants"), trace_error(f"4 {SECRET}")]
    with sidecar.start() as process:
        with sidecar.stderr.open("wb") as err:
            err.write("\n".join(f"5 {text}" for text in _spellings()).encode())
        with sidecar.stdout.open("wb", buffering=0) as out:
            out.write(lines([*messages, record("plants", {"id": 1}), record("beds", {"id": 1})]))
            wait_for(lambda: sidecar.ours["streams"], what="progress")
            assert _leaks(_everything(sidecar)) == []
            out.write(lines([status("plants", "COMPLETE"), status("beds", "COMPLETE")]))
        sidecar.leave(1)
        assert process.wait(60) == 0
    sidecar.sweep()
    assert sidecar.streams["plants"]["error"] == "3 ********"
    assert "bad ********" in sidecar.streams["beds"]["error"]
    assert _leaks(_everything(sidecar)) == []
    assert sum("********" in line for line in sidecar.log) > 30


def test_a_secret_at_the_cut_of_an_endless_line_is_masked(sidecar: SidecarProcess) -> None:
    """What a connector prints to stderr without a line feed is shown in pieces: none holds half of a secret."""
    sidecar.give(catalog=catalog("plants"), config={"password": "planted-0123456789"})
    with sidecar.start() as process:
        with sidecar.stdout.open("wb"), sidecar.stderr.open("wb", buffering=0) as err:
            err.write(b"x" * 100_000 + b" planted-01")
            wait_for(lambda: sidecar.log, what="the first piece")
            err.write(b"23456789 " + b"y" * 100_000)
        sidecar.leave(1)
        assert process.wait(60) == 0
    said = "".join(line.removeprefix("ERRSTD ") for line in sidecar.log)
    assert "x ******** y" in said
    assert "planted-01" not in _everything(sidecar)


@pytest.mark.parametrize("known", [True, False])
def test_what_the_specification_marks_as_secret_is_masked(sidecar: SidecarProcess, known: bool) -> None:
    """However it is called and however deep it is, once the connector was asked for it; an odd one holds nothing up."""
    fruit = {"properties": {"pear": {"airbyte_secret": True, "type": "string"}, "plum": {"airbyte_secret": False}}}
    spec = {"connectionSpecification": {"properties": {"fruit": {"oneOf": [fruit]}, "properties": [1], "odd": True}}}
    sidecar.database.rows(
        "INSERT INTO source_spec VALUES ('airbyte/source-garden', :v, :s::jsonb, now(), '')",
        v="1.4.0" if known else "1.3.9", s=json.dumps(spec),
    )  # fmt: skip
    sidecar.give(catalog=catalog("plants"), config={"fruit": {"pear": "williams", "plum": "victoria"}})
    sidecar.play([log("williams or victoria"), status("plants", "COMPLETE")])
    assert f"INFO {'********' if known else 'williams'} or victoria" in sidecar.log


def test_bulkers_words_are_masked_before_they_are_cut(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """Its long error with the token again and again: wherever it is cut, not even half of a token is left."""
    sidecar.give(catalog=catalog("plants"), config={})
    bulker.answer = lambda _: (401, {"error": "x" * 29 + f"Invalid token: {canaries.BULKER} " * 200})
    sidecar.play([record("plants", {"id": 1}), status("plants", "COMPLETE")])
    assert "Invalid token: ********" in sidecar.streams["plants"]["error"]
    assert canaries.BULKER[:10] not in _everything(sidecar)


@pytest.mark.fault(255)
def test_a_weak_secret_is_named_once_and_not_shown(sidecar: SidecarProcess) -> None:
    """The log shows which field to change."""
    sidecar.give(catalog=catalog("plants"), config={"password": "sync", "tunnel": {"pin_code": "", "token": "q9"}})
    sidecar.play([log("sync of plants begins"), record("plants", {"id": 1}), status("plants", "COMPLETE")])
    lines = [line for line in sidecar.output.decode().splitlines() if "to be hidden wherever it stands" in line]
    assert len(lines) == 1
    assert lines[0].endswith(": password, tunnel.token.")
    assert "q9" not in lines[0]
    assert "sync of plants begins" in sidecar.output.decode()


def test_words_that_are_secrets_rename_no_stream(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """A password that is the name of a stream: tables, states and rows keep the name."""
    sidecar.give(catalog=catalog("plants", incremental=True), config={"password": "plants"}, state=[{}])
    sidecar.play(
        [record("plants", {"name": "plants"}), state("plants", {"c": "plants"}), status("plants", "INCOMPLETE")]
    )
    assert list(sidecar.streams) == list(sidecar.ours["streams"]) == ["plants"]
    assert sidecar.states == {"plants": {"c": "plants"}}
    assert bulker.rows("plants") == [{"name": "plants"}]


@pytest.mark.parametrize("passed", ["SUCCEEDED", "FAILED"])
@pytest.mark.fault(70)
def test_a_checks_answer_repeats_no_secret(sidecar: SidecarProcess, passed: str) -> None:
    """Neither its description nor its result, in whatever member or spelling."""
    sidecar.give(config=CONFIG)
    found = {"status": passed, "message": f"login as gardener with {SECRET} failed", "more": {"list": _spellings()}}
    sidecar.play([{"type": "CONNECTION_STATUS", "connectionStatus": found}], COMMAND="check", STORAGE_KEY="k")
    [row] = sidecar.database.rows("SELECT * FROM source_check")
    assert row["status"] == ("SUCCESS" if passed == "SUCCEEDED" else "FAILED")
    assert row["description"] == "login as gardener with ******** failed"
    [kept] = sidecar.database.rows("SELECT result::text AS result FROM syncctl_result")
    assert json.loads(kept["result"])["message"] == row["description"]
    assert _leaks(_everything(sidecar)) == []


def test_a_catalog_keeps_its_names_and_repeats_no_secret(sidecar: SidecarProcess) -> None:
    """A secret in a text of the catalog is masked; a column that is named like a password is not."""
    sidecar.give(config={"password": "orders", "api_key": "s3cret-key-0001"})
    found = {"streams": [{"name": "orders", "json_schema": {"description": "with s3cret-key-0001"}}]}
    sidecar.play([{"type": "CATALOG", "catalog": found}], COMMAND="discover", STORAGE_KEY="k")
    [row] = sidecar.database.rows("SELECT catalog FROM source_catalog")
    assert row["catalog"] == {"streams": [{"name": "orders", "json_schema": {"description": "with ********"}}]}


def test_a_result_is_kept_letter_for_letter(sidecar: SidecarProcess) -> None:
    """Where nothing is to be hidden: spacing, digits and order as the connector wrote them."""
    spec = b'{ "connectionSpecification": {"b": 1.10, "a": 9223372036854775808} }'
    sidecar.play([b'{"type":"SPEC","spec":' + spec + b"}"], COMMAND="spec")
    [kept] = sidecar.database.rows("SELECT result::text AS result FROM syncctl_result")
    assert kept["result"].encode() == spec


@pytest.mark.parametrize(
    "spec",
    [
        b'{"title":"caf\xe9"}',
        rb'{"title":"half a pair \ud83d"}',
        rb'{"title":"a\u0000b"}',
        b'{"maximum":1E400000}',
        b'{"n":' + b"1" * 4301 + b"}",
        b'{"a":' * (MAX_DEPTH - 1) + b"1" + b"}" * (MAX_DEPTH - 1),
        b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH,
    ],
    ids=["Latin-1", "half a pair", "NUL", "1E400000", "4301 digits", "deep", "too deep"],
)
@pytest.mark.parametrize("command", ["spec", "discover"])
@pytest.mark.fault(46)
def test_a_result_that_postgres_cannot_hold_still_ends_in_a_row(
    sidecar: SidecarProcess, spec: bytes, command: str
) -> None:
    """Kept with replacements, or FAILED with the reason; never left RUNNING."""
    sidecar.database.rows("UPDATE syncctl_task SET command = :c", c=command)
    sidecar.give(config={})
    kind, name = (b"SPEC", b"spec") if command == "spec" else (b"CATALOG", b"catalog")
    assert sidecar.play([b'{"type":"%s","%s":%s}' % (kind, name, spec)], COMMAND=command, STORAGE_KEY="k") == 0, (
        sidecar.output
    )
    assert sidecar.ours["state"] in {"SUCCESS", "FAILED"}
    if sidecar.ours["state"] == "FAILED":
        assert sidecar.ours["reason"].startswith(("what the connector answered cannot be stored", "The connector's"))
    else:
        [row] = sidecar.database.rows("SELECT result::text AS result FROM syncctl_result")
        assert json.loads(row["result"], parse_int=str)


@pytest.mark.parametrize("broken", ["catalog", "pipe", "catalog text", "config"])
def test_a_fault_of_ours_ends_in_a_final_row(sidecar: SidecarProcess, bulker: FakeBulker, broken: str) -> None:
    """Whatever is raised inside: the row is final and says it in one sentence, without a traceback."""
    sidecar.give(catalog=catalog("plants"), config={"password": SECRET})
    if broken == "pipe":
        sidecar.stdout.unlink()
    elif broken == "catalog text":
        sidecar.give(catalog=b'{"streams":[{"stream":{"name":\xff}}]}')
    else:
        (sidecar.folder / "config" / f"{broken}.json").unlink()
        (sidecar.folder / "config" / f"{broken}.json").mkdir()
    with sidecar.start() as process:
        code = process.wait(60)
    assert code == 0
    assert (sidecar.task["status"], sidecar.ours["state"]) == ("FAILED", "FAILED")
    assert ("cannot be read" in sidecar.ours["reason"]) == (broken != "pipe")
    assert "Traceback" not in sidecar.ours["reason"] + sidecar.task["description"]
    assert _leaks(_everything(sidecar)) == []


def test_names_may_be_anything(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """Dots, quotes, blanks, line breaks, other scripts, the same name in two namespaces, no name at all."""
    names: list[tuple[str, str | None]] = [
        ("a.b", None), ("a", "b.c"), ('quo"te\\', None), ("x y&z=?#%", "n s"), ("日本\n語", None), ("same", "one"),
        ("same", "two"), ("", None), ("'; DROP TABLE plants; --", None), ("a" * 300, None), ("nul\0", None),
    ]  # fmt: skip
    configured = catalog(*[name for name, _ in names])
    messages: list[Any] = []
    for entry, (name, namespace) in zip(configured["streams"], names, strict=True):
        entry["stream"]["namespace"] = namespace
        messages += [record(name, {"id": 1}, namespace), status(name, "COMPLETE", namespace)]
    sidecar.give(catalog=configured, config={})
    assert sidecar.play(messages, TABLE_NAME_PREFIX="p_") == 0, sidecar.output
    assert sidecar.task["status"] == "SUCCESS", sidecar.task
    keys = [f"{namespace}.{name}" if namespace else name for name, namespace in names]
    assert {bulk.table for bulk in bulker.requests} == {f"p_{key}" for key in keys}
    assert list(sidecar.streams) == keys


def test_a_descriptor_may_lack_its_namespace_where_it_is_clear(tmp_path: Path, bulker: FakeBulker) -> None:
    """The only stream of that name is meant, in records, states and statuses; with two of them it is nobody's."""
    one = catalog("plants", incremental=True)
    one["streams"][0]["stream"]["namespace"] = "garden"
    reading = InProcessSidecar(tmp_path, bulker.url, one, state=[{}])
    reading.feed(record("plants", {"id": 1}), state("plants", {"c": 1}), status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert reading.states == {"garden.plants": {"c": 1}}
    two = catalog("plants", "plants")
    for entry, namespace in zip(two["streams"], ("garden", "park"), strict=True):
        entry["stream"]["namespace"] = namespace
    reading = InProcessSidecar(tmp_path, bulker.url, two)
    reading.feed(
        record("plants", {"id": 1}), status("plants", "COMPLETE", "garden"), status("plants", "COMPLETE", "park")
    )
    assert reading.end().state == "PARTIAL"
    assert "does not select" in reading.streams["plants"]["error"]


def test_a_thousand_streams_in_one_catalog(tmp_path: Path, bulker: FakeBulker) -> None:
    """Interleaved, in bounded memory, with few connections at a time; each has its own account."""
    names = [f"stream_{number}" for number in range(1000)]
    reading = InProcessSidecar(tmp_path, bulker.url, catalog(*names))
    for number in range(3):
        reading.feed(*[record(name, {"id": number}) for name in names])
    reading.feed(*[message for name in names for message in (state(name, {"c": 3}, 3.0), status(name, "COMPLETE"))])
    assert reading.end().state == "SUCCESS"
    assert (len(bulker.requests), len(reading.saves)) == (1000, 1000)
    assert {stream["stored"] for stream in reading.streams.values()} == {3}
    assert sum(writer._send_bytes for writer in reading.read._streams.known) <= 17_000_000


def test_strange_streams_are_counted_but_not_without_end(tmp_path: Path, bulker: FakeBulker) -> None:
    """A connector that makes names up: a hundred of them have an account, the others share one; no row is unsaid."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    reading.feed(*[record(f"weed_{number}", {"id": number}) for number in range(500)])
    reading.feed(record("plants", {"id": 1}), status("plants", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    assert len(reading.streams) == 102
    assert reading.streams["(other streams)"]["emitted"] == 400
    assert sum(stream["emitted"] for stream in reading.streams.values()) == 501


_REFUSALS: list[tuple[str, Any, str]] = [
    ("no data", b'{"type":"RECORD","record":{"stream":"plants"}}', "it has no data"),
    ("null", b'{"type":"RECORD","record":{"stream":"plants","data":null}}', "not a JSON object"),
    ("array", b'{"type":"RECORD","record":{"stream":"plants","data":[{}]}}', "not a JSON object"),
    ("text", b'{"type":"RECORD","record":{"stream":"plants","data":"{}"}}', "not a JSON object"),
    ("UTF-8", b'{"type":"RECORD","record":{"stream":"plants","data":{"n":"\xe9"}}}', "not valid UTF-8"),
    (
        "surrogate in UTF-8",
        b'{"type":"RECORD","record":{"stream":"plants","data":{"n":"\xed\xa0\x80"}}}',
        "not valid UTF-8",
    ),
    ("NUL", b'{"type":"RECORD","record":{"stream":"plants","data":{"n":"\x00"}}}', "not valid JSON"),
    ("NaN", b'{"type":"RECORD","record":{"stream":"plants","data":{"n":NaN}}}', "NaN is not JSON"),
    ("long", record("plants", {"n": "x" * 1_100_000}), "bytes, and Bulker takes 1,048,575"),
    ("very long", record("plants", {"n": "x" * 3_000_000}), "bytes, more than Bulker takes"),
]


@pytest.mark.parametrize(("odd", "why"), [pytest.param(odd, why, id=name) for name, odd, why in _REFUSALS])
@pytest.mark.parametrize("around", [1, 5000])
@pytest.mark.fault(45)
def test_a_record_that_cannot_be_sent_is_named_and_alone(
    tmp_path: Path, bulker: FakeBulker, odd: Any, why: str, around: int
) -> None:
    """By stream, number and reason; short neighbours and many of them are all stored, and the counts add up."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    before = [record("plants", {"id": number}) for number in range(around)]
    reading.feed(*before, odd, record("plants", {"id": around, "name": "x" * 500}), status("plants", "COMPLETE"))
    assert reading.end().state == "PARTIAL"
    told = reading.streams["plants"]
    assert told["error"].startswith(f"record {around + 1} of stream plants was refused: ")
    assert why in told["error"]
    assert (told["emitted"], told["stored"], told["refused"]) == (around + 2, around + 1, 1)
    assert [row["id"] for row in bulker.rows("plants")] == list(range(around + 1))


def _shipper(
    database_url: str,
    bulker_url: str = "",
    redactor: Redactor | None = None,
    progress: Callable[[], dict[str, Any] | None] = lambda: None,
    **more: Any,
) -> LogShipper:
    given: dict[str, Any] = {
        "command": Command.READ, "package": "p", "package_version": "1", "database_url": database_url, "sync_id": SYNC,
        "task_id": TASK, "bulker_url": bulker_url, "bulker_auth_token": "bulker-token-1",
    }  # fmt: skip
    settings = SidecarSettings(**given | more)
    return LogShipper(settings, redactor or Redactor([]), Heartbeat(settings.task, progress, lambda: None))


def _logged(database: TestDatabase) -> list[str]:
    return [row["message"] for row in database.rows("SELECT message FROM task_log ORDER BY timestamp, id")]


def test_a_hundred_thousand_lines_neither_block_nor_grow(database: TestDatabase, capfd: Any) -> None:
    """The newest wait, within a bound; the number of dropped lines stands in their place, exactly; all are printed."""
    busy = _shipper(database.url)
    for number in range(100_000):
        busy.log("INFO", f"line {number} 100%s")
        assert busy._held <= log_shipper._HOLD_BYTES
    busy.start()
    busy.close(60)
    got = _logged(database)
    dropped = 100_000 - len(got[1:])
    assert 0 < dropped < 90_000
    assert got[0] == f"{dropped:,} log lines were dropped: Postgres was away, too slow for them, or refused them."
    assert got[1:] == [f"line {number} 100%s" for number in range(dropped, 100_000)]
    assert capfd.readouterr().out.splitlines() == [f"INFO : line {number} 100%s" for number in range(100_000)]
    assert busy._held == 0


def test_lines_that_came_together_are_held_by_the_hundred_thousand(database: TestDatabase) -> None:
    """What a fast connector says in half a second is all kept."""
    busy = _shipper(database.url)
    for first in range(0, 100_000, 1000):
        busy.log_all(["INFO"] * 1000, [f"line {number}" for number in range(first, first + 1000)], "p")
    busy.start()
    busy.close(60)
    assert _logged(database) == [f"line {number}" for number in range(100_000)]


def test_long_lines_are_bounded_too(database: TestDatabase) -> None:
    """In a line, and in all that wait; a secret at the cut is hidden, not cut."""
    busy = _shipper(database.url, redactor=Redactor(["planted-secret"]))
    for _ in range(600):
        busy.log("INFO", "x" * 31_990 + "planted-secret" + "y" * 10_000)
        assert busy._held <= log_shipper._HOLD_BYTES
    busy.start()
    busy.close(60)
    got = _logged(database)
    assert 0 < (dropped := 600 - len(got[1:])) < 400
    assert got[0] == f"{dropped:,} log lines were dropped: Postgres was away, too slow for them, or refused them."
    assert got[-1] == "x" * 31_990 + "********yy ... (41,998 characters)"
    assert busy._held == 0


@given(
    st.lists(st.text("abc \n*\x7f", max_size=12), min_size=1, max_size=6),
    st.lists(st.text("abc \n\x7f", min_size=4, max_size=9)),
)
def test_lines_that_came_together_are_masked_as_each_alone(texts: list[str], secrets: list[str]) -> None:
    """Searching them together neither misses a secret nor finds one across two of them."""
    busy = _shipper("postgresql://nowhere/none", redactor=Redactor(secrets))
    busy.log_all(["INFO"] * len(texts), texts, "p")
    with contextlib.redirect_stdout(io.StringIO()):
        busy._print()
    [(_, printed)] = busy._printed
    assert [line.message for line in printed] == [busy.redact(text).replace("\x7f", "\u2421") for text in texts]


def test_lines_are_stored_as_they_were_said_whatever_is_in_them(database: TestDatabase, capfd: Any) -> None:
    """Of one level or of several; what looks like the seam between two of them, or like JSON's, is none."""
    odd = [
        'a"b',
        '","',
        "back\\slash",
        "\\u007f",
        "two\nlines",
        "\\",
        "tab\tbell\a",
        "\U0001f331 ü",
        "",
        "n\0l",
        "d\x7fl",
    ]
    busy = _shipper(database.url)
    busy.log_all(["INFO"] * len(odd), odd, "p")
    busy.log_all(["INFO", "DEBUG", "INFO"], ["one", "two", "three"], "p")
    busy.log_all(["WARN"], ["alone"], "jitsu")
    busy.start()
    busy.close(60)
    shown = [text.replace("\0", "\u2400").replace("\x7f", "\u2421") for text in odd]
    expected = [("INFO", "p", text) for text in shown] + [("INFO", "p", "one"), ("DEBUG", "p", "two")]
    expected += [("INFO", "p", "three"), ("WARN", "jitsu", "alone")]
    rows = database.rows("SELECT level, logger, message FROM task_log ORDER BY timestamp, id")
    assert [(row["level"], row["logger"], row["message"]) for row in rows] == expected
    escapes: dict[str, str | int | None] = {"\n": r"\n", "\t": r"\t", "\a": r"\x07", "\u2400": r"\x00"}
    printed = "".join(f"{level} : {text.translate(str.maketrans(escapes))}\n" for level, _, text in expected)
    assert capfd.readouterr().out == printed


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x7f")), min_size=1))
def test_joined_lines_come_apart_as_they_were(texts: list[str]) -> None:
    """In the document for Postgres, and by halves where it refuses one."""
    levels = [("INFO", "WARN")[len(text) % 2] for text in texts]
    lines = LogLines.of("p", datetime.now(UTC), levels, "\x7f".join(texts))
    [stored] = json.loads(task_log.document([lines], task_log.first_id()))
    assert (stored["messages"], stored["levels"] * (len(texts) if len(set(levels)) == 1 else 1)) == (texts, levels)
    parts = lines.halves()
    assert [(line.level, line.message) for part in parts for line in part] == list(zip(levels, texts, strict=True))
    assert len(parts) == (1 if len(texts) == 1 else 2)


def test_lines_whose_commit_is_not_heard_of_are_written_once(database: TestDatabase) -> None:
    """Whoever writes them again, because nobody knows, writes them with the same ids."""
    busy = _shipper(database.url)
    said = LogLines("p", datetime.now(UTC), "INFO\x7fINFO\x7fWARN", "one\x7ftwo\x7fthree")
    lines = task_log.document([said], task_log.first_id())
    with Database(database.url) as db:
        for _ in range(2):
            db.transact(lambda db: task_log.add(db, busy._task, lines))
    assert _logged(database) == ["one", "two", "three"]


def test_lines_are_printed_while_postgres_is_away(capfd: Any) -> None:
    """The pod's own log is then the only place to look."""
    busy = _shipper("postgresql://u:p@127.0.0.1:9/none")
    busy.start()
    busy.log("INFO", "still said")
    said = ""

    def printed() -> bool:
        nonlocal said
        said += capfd.readouterr().out
        return "INFO : still said" in said

    wait_for(printed, what="the line")
    assert busy._held or busy._batches
    busy.close(0)


def test_last_words_are_printed_while_postgres_does_not_answer(capfd: Any) -> None:
    """The thread that would print them waits for it until the end."""
    over, asked = threading.Event(), threading.Event()

    def silent(_: Any) -> None:
        asked.set()
        over.wait(60)

    with odd_server(silent) as url:
        busy = _shipper(url.replace("http://", "postgresql://u:p@") + "/none?sslmode=disable")
        busy.start()
        assert asked.wait(60)
        busy.log("ERROR", "the reason")
        busy.close(0)
        said = capfd.readouterr().out
        assert busy.is_alive()
        over.set()
    assert said == "ERROR : the reason\n"


def test_a_line_that_postgres_refuses_does_not_stop_the_others(database: TestDatabase) -> None:
    """The caller's table may have rules of its own."""
    database.rows("ALTER TABLE task_log ADD CHECK (message <> 'poison')")
    busy = _shipper(database.url)
    busy.log("INFO", "poison")
    busy.start()
    wait_for(lambda: not busy._held, what="the first batch")
    busy.log("INFO", "harmless \0 line")
    busy.close(60)
    assert sorted(_logged(database)) == [
        "1 log lines were dropped: Postgres was away, too slow for them, or refused them.",
        "harmless ␀ line",
    ]


def test_lines_around_one_that_postgres_refuses_stay_in_order(database: TestDatabase) -> None:
    """They have one timestamp, and are written by halves."""
    database.rows("ALTER TABLE task_log ADD CHECK (message <> 'poison')")
    busy = _shipper(database.url)
    texts = [f"line {number}" for number in range(9)]
    busy.log_all(["INFO"] * 10, ["poison", *texts], "p")
    busy.start()
    busy.close(60)
    assert [text for text in _logged(database) if "dropped" not in text] == texts


def test_where_postgres_refuses_our_own_lines_none_is_told_without_end(database: TestDatabase) -> None:
    """The notice of dropped lines is refused too, without another notice."""
    database.rows("ALTER TABLE task_log ADD CHECK (logger <> 'jitsu')")
    busy = _shipper(database.url)
    busy.start()
    busy.log("INFO", "ours")
    busy.log_all(["INFO"], ["theirs"], "p")
    busy.close(10)
    assert not busy.is_alive()
    assert _logged(database) == ["theirs"]


def test_the_log_shipper_outlives_whatever_happens_to_it(database: TestDatabase) -> None:
    """An exception in the accounting must not end the log."""
    calls: list[int] = []

    def progress() -> dict[str, Any]:
        calls.append(1)
        raise RuntimeError("dictionary changed size during iteration")

    busy = _shipper(database.url, progress=progress)
    busy.start()
    wait_for(lambda: calls, what="a report")
    busy.log("INFO", "still here")
    busy.close(60)
    assert _logged(database) == ["still here"]


def test_log_lines_go_to_bulker_too_where_wanted(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """One event a line, masked, with the ids of sync and task."""
    sidecar.give(catalog=catalog("plants"), config={"password": "planted-1"})
    messages = [log("one"), log("two planted-1"), record("plants", {"id": 1}), status("plants", "COMPLETE")]
    sidecar.play(messages, BULKER_LOGS_CONNECTION_ID="logs")
    assert sidecar.task["status"] == "SUCCESS"
    posted = [(event["level"], event["logger"], event["message"]) for event in bulker.posts]
    assert ("INFO", "airbyte/source-garden", "two ********") in posted
    assert {(event["sync_id"], event["task_id"]) for event in bulker.posts} == {(SYNC, TASK)}
    assert all(event["timestamp"] for event in bulker.posts)


def _refuses(connection: Any) -> None:
    read_head(connection)
    connection.sendall(answer(401, b"{}"))


@pytest.mark.parametrize("fault", ["hangs", "refuses", "is not there"])
def test_a_log_endpoint_that_fails_holds_nothing_up(database: TestDatabase, fault: str) -> None:
    """Lines reach Postgres as ever, and the end is not waited for."""
    over = threading.Event()
    handler: Callable[[Any], Any] = _refuses if fault == "refuses" else lambda _: over.wait(60)
    with odd_server(handler) as url:
        address = "http://127.0.0.1:9" if fault == "is not there" else url
        busy = _shipper(database.url, address, bulker_logs_connection_id="logs")
        busy.start()
        for number in range(2000):
            busy.log("INFO", f"line {number}")
        wait_for(lambda: len(_logged(database)) == 2000, what="all lines in Postgres")
        busy.close(30)
        assert not busy.is_alive()
        over.set()


def test_log_lines_do_not_part_the_rows(tmp_path: Path, bulker: FakeBulker) -> None:
    """Forty thousand lines between the rows: one request, all rows, in order."""
    reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
    for number in range(2000):
        reading.feed(record("plants", {"id": number}), *[log("chatter") for _ in range(20)])
    reading.feed(status("plants", "COMPLETE"))
    assert reading.end().state == "SUCCESS"
    assert [len(bulk.lines) for bulk in bulker.requests] == [2000]


def test_log_lines_do_not_wait_for_bulker(sidecar: SidecarProcess, bulker: FakeBulker) -> None:
    """Lines before the end of a stream are there while a slow warehouse still takes its rows."""
    sidecar.give(catalog=catalog("plants"))
    seen: list[str] = []

    def slow(_: Any) -> None:
        wait_for(lambda: "INFO nearly done" in sidecar.log, what="the line")
        seen.extend(sidecar.log)

    bulker.answer = slow
    sidecar.play([record("plants", {"id": 1}), log("nearly done"), status("plants", "COMPLETE")])
    assert seen == ["INFO nearly done"]
    assert sidecar.task["status"] == "SUCCESS"


def test_a_changed_configuration_is_told_where_it_was_changed(sidecar: SidecarProcess) -> None:
    """Behind the connector's lines before it."""
    sidecar.give(catalog=catalog("plants"), config={"token": "old-token-1"})
    control = {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": {"token": "new-token-2"}}}
    messages = [log("renewing"), {"type": "CONTROL", "control": control}, log("renewed")]
    sidecar.play([*messages, record("plants", {"id": 1}), status("plants", "COMPLETE")])
    told = "INFO The connector changed its configuration: the next task with this one gets it."
    assert sidecar.log == ["INFO renewing", told, "INFO renewed"]


def test_without_our_tables_a_changed_configuration_is_said_to_be_lost(
    sidecar: SidecarProcess, database: TestDatabase
) -> None:
    """Another controller's database: a warning, and the run goes on."""
    database.rows("DROP TABLE syncctl_result, syncctl_task, syncctl_changed_config CASCADE")
    sidecar.give(catalog=catalog("plants"), config={"token": "old-token-1"})
    control = {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": {"token": "new-token-2"}}}
    messages = [{"type": "CONTROL", "control": control}, log("now new-token-2"), record("plants", {"id": 1})]
    assert sidecar.play([*messages, status("plants", "COMPLETE")]) == 0
    assert sidecar.task["status"] == "SUCCESS"
    assert "INFO now ********" in sidecar.log
    assert any(line.startswith("WARN The configuration") and "could not be kept" in line for line in sidecar.log)


def test_a_log_message_as_deep_as_may_be_ends_nothing(tmp_path: Path, bulker: FakeBulker) -> None:
    """It is heard, or named as too deep; its neighbours are not lost for it."""
    long = "x" * 300_000
    for depth, told in ((MAX_DEPTH - 2, "[[[["), (MAX_DEPTH - 1, "nested deeper than 1,000 levels")):
        reading = InProcessSidecar(tmp_path, bulker.url, catalog("plants"))
        deep = b'{"type":"LOG","log":{"level":"INFO","message":' + b"[" * depth + b"]" * depth + b"}}\n"
        reading.read.on_stdout(lines([log("before"), log(long)]) + deep + lines([log("after")]))
        assert [line for line in reading.log if "before" in line or "after" in line] == ["INFO before", "INFO after"]
        assert len(reading.log) == 4
        assert any(told in line for line in reading.log)


@pytest.mark.fault(212)
def test_a_connector_forges_no_line_of_the_containers_log(sidecar: SidecarProcess) -> None:
    """Whatever it prints, each of its lines is one there, without escapes; the table has it letter for letter."""
    forged = "ok\nERROR : forged\r\nFATAL : forged\x1b[2J\x9b1m\x85CRITICAL : forged\u2028ERROR : forged"
    noise = b"plain \x1b[31mnoise\x1b[0m \r50%\r100%"
    sidecar.give(catalog=catalog("plants"))
    error = trace_error("bad\nINFO : forged")
    sidecar.play([log(forged), noise, error], exit_code=1, stderr=b"err \x1b]0;owned\x07\rINFO : forged\n")
    printed = sidecar.output.decode()
    assert all(line.isprintable() for line in printed.split("\n")), ascii(printed)
    assert not [line for line in printed.splitlines() if "forged" in line.partition(" : ")[0]]
    assert not [line for line in printed.splitlines() if line.endswith(" : forged") and line.count(" : ") == 1]
    assert f"INFO {forged}" in sidecar.log
