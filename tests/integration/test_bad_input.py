"""Bad input against real servers: a 4xx in JSON at once, before anything else is touched.

The database URL leads nowhere, so a request that gets past the checks answers 503, never 4xx.
"""

import json
import random
from collections.abc import Iterator

import pytest

from tests.support import canaries
from tests.support.functions import Answer, Server, running

TOKEN = canaries.TOKEN
NOWHERE = "postgresql://app:app@127.0.0.1:1/app?sslmode=disable"
IMAGE = "package=airbyte/source-faker&version=1.2.3"
TARGET = f"/read?{IMAGE}&syncId=s&taskId=t"
STREAM = {"stream": {"name": "users"}, "sync_mode": "full_refresh"}
GOOD = json.dumps({"config": {"n": 9223372036854775807}, "catalog": {"streams": [STREAM]}}).encode()
LIMIT = 4 * 1024 * 1024

# One worker, and so one server each.
pytestmark = pytest.mark.xdist_group("bad-input")


@pytest.fixture(scope="module")
def read() -> Iterator[Server]:
    with running("read", token=TOKEN, SYNCCTL_DATABASE_URL=NOWHERE) as server:
        yield server


@pytest.fixture(scope="module")
def spec() -> Iterator[Server]:
    with running("spec", token=TOKEN, SYNCCTL_DATABASE_URL=NOWHERE) as server:
        yield server


@pytest.fixture(scope="module")
def check() -> Iterator[Server]:
    with running("check", token=TOKEN, SYNCCTL_DATABASE_URL=NOWHERE) as server:
        yield server


def _head(*lines: str, target: str = TARGET) -> bytes:
    fixed = (f"POST {target} HTTP/1.1", "Host: f", f"Authorization: Bearer {TOKEN}")
    return "\r\n".join((*fixed, *lines, "", "")).encode()


def _chunks(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _refused(answer: Answer, status: int, part: str = "") -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.json.keys() == {"ok", "error"}
    assert answer.json["ok"] is False
    assert part in answer.error


def test_a_good_request_gets_past_the_checks(read: Server):
    """Otherwise the tests below would prove nothing."""
    assert read.ask("POST", TARGET, GOOD).status == 503
    assert read.ask("POST", TARGET, GOOD, Content_Type="text/html").status == 503


@pytest.mark.parametrize(
    ("query", "status", "part"),
    [
        ("", 400, "Missing or empty parameters: package, version."),
        ("package=&version=", 400, "Missing or empty parameters: package, version."),
        ("package=a/b", 400, "Missing or empty parameters: version."),
        (f"{IMAGE}&version=2", 400, "version: given 2 times"),
        (f"{IMAGE}&storageKey=k", 400, "Unknown parameter 'storageKey'"),
        (f"{IMAGE}&%00=x", 400, "Unknown parameter '\\x00'"),
        (f"{IMAGE}&connectorType=singer", 400, "connectorType"),
        ("package=a%20b&version=1", 422, "package: "),
        ("package=a/b:1&version=1", 422, "package: "),
        ("package=../b&version=1", 422, "package: "),
        ("package=a/b%00&version=1", 422, "package: "),
        ("package=a/%ff&version=1", 400, "package: is not UTF-8"),
        ("package=$(id)&version=1", 422, "package: "),
        ("package=a/b&version=1%0a", 422, "version: "),
        ("package=a/b&version=" + "1" * 129, 422, "version: "),
        ("package=" + "a" * 60_000 + "&version=1", 422, "package: "),
        ("package=a/b&version=1&x=" + "a" * 70_000, 414, "query"),
        ("&".join(f"x{number}=1" for number in range(5000)), 400, "Unknown parameter 'x0'"),
    ],
)
def test_bad_queries_name_the_field(spec: Server, query: str, status: int, part: str):
    """Whatever is missing, repeated, unknown or illegal."""
    _refused(spec.ask("GET", f"/spec?{query}"), status, part)


@pytest.mark.parametrize(
    ("parameter", "part"),
    [
        ("syncId=s&taskId=" + "t" * 201, "taskId: has 201 characters, at most 200"),
        ("taskId=t&syncId=" + "s" * 201, "syncId: has 201 characters, at most 200"),
        ("syncId=s&taskId=t%00", "taskId: holds a control character"),
        ("syncId=s%0D%0Ax&taskId=t", "syncId: holds a control character"),
        ("syncId=s&taskId=t&startedBy=" + "b" * 4001, "startedBy: has 4001 characters, at most 4000"),
        ("syncId=s&taskId=t&tableNamePrefix=%1b%5B2J", "tableNamePrefix: holds a control character"),
        ("syncId=s&taskId=t&fullSync=1", "fullSync: expected true or false"),
        ("syncId=s", "Missing or empty parameters: taskId."),
    ],
)
def test_bad_values_name_the_field_and_the_limit(read: Server, parameter: str, part: str):
    """And come before the body is looked at."""
    _refused(read.ask("POST", f"/read?{IMAGE}&{parameter}", b"not json"), 400, part)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "The body is empty"),
        (b"{", "not usable JSON"),
        (b"\xff\xfe", "not usable JSON"),
        (b'{"config": "\xff"}', "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"{}", "Missing from the body: config, catalog."),
        (b'{"config": {}, "catalog": {}, "workspaceId": "w"}', "Unknown member 'workspaceId'"),
        (b'{"config": [], "catalog": {}}', "config: expected an object"),
        (b'{"config": {}, "catalog": {"streams": [{"stream": {"name": 1}}]}}', "catalog.streams[0].stream.name: "),
        (b'{"config": {"a": NaN}}', "not usable JSON"),
        (b'{"config": {"a": "\\udfff"}}', "not usable JSON"),
        (b'{"config": {}, "config": {}}', "'config' twice"),
        (b"[" * 10_000 + b"]" * 10_000, "nested deeper than 200 levels"),
        (b'{"config":' * 10_000 + b"1" + b"}" * 10_000, "nested deeper than 200 levels"),
        (b'{"config": {"a": ' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"}}", "nested deeper than 200 levels"),
        (b'{"config": {"a": "' + b"\\" * 3_000_000, "not usable JSON"),
        (b'{"config": {' + b",".join(b'"%d": [{}]' % number for number in range(200_000)) + b"}}", "Missing"),
    ],
)
def test_a_bad_body_is_answered_with_its_problem(read: Server, body: bytes, part: str):
    """Chunked or with a length, small or near the limit."""
    _refused(read.ask("POST", TARGET, body), 400, part)
    _refused(read.raw(_head("Transfer-Encoding: chunked"), _chunks(body, 100_000)), 400, part)


def test_a_get_body_means_nothing(spec: Server):
    """Neither good nor bad ones, nor ones over the limit."""
    for body in (b"", b"not json", b"x" * (LIMIT + 1)):
        assert spec.ask("GET", f"/spec?{IMAGE}", body).status == 503


@pytest.mark.fault(62)
def test_a_body_over_the_limit_is_refused_however_it_is_sent(check: Server):
    """The limit itself passes; one byte more is 413, also in chunks, and the sender gets to read it."""
    target = f"/check?{IMAGE}&storageKey=k"
    fits = b'{"config": {"a": "' + b"x" * (LIMIT - 21) + b'"}}'
    assert len(fits) == LIMIT
    for body, expected in ((fits, {413, 503}), (fits + b" ", {413})):
        by_length = check.ask("POST", target, body)
        by_chunks = check.raw(_head("Transfer-Encoding: chunked", target=target), _chunks(body, 65_536))
        assert {by_length.status, by_chunks.status} <= expected
        assert "SYNCCTL_MAX_BODY_BYTES" in by_length.error or by_length.body == by_chunks.body
    assert f"{LIMIT + 1:,} bytes; {LIMIT:,} are allowed" in by_length.error
    assert "more bytes than fit" in by_chunks.error


@pytest.mark.fault(62)
def test_a_body_announced_over_the_limit_is_refused_without_waiting_for_it(read: Server):
    """The answer comes although the body never does."""
    _refused(read.raw(_head("Content-Length: 99999999999"), b"{", hang_up=True), 413)


def test_a_chunked_body_is_read_whole_at_any_border(read: Server):
    """One byte per chunk, and chunk heads torn apart on the wire."""
    wire = _chunks(GOOD, 1)
    answer = read.raw(_head("Transfer-Encoding: chunked"), *(wire[at : at + 7] for at in range(0, len(wire), 7)))
    assert answer.status == 503, answer.body


@pytest.mark.parametrize(
    "wire",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}XX",
        b"ffffffffffffffff\r\n{",
        b"5\r\n{}",
        b"2\r\n{}\r\n",
    ],
)
def test_malformed_chunks_are_the_callers_fault(read: Server, wire: bytes):
    """Neither a 500 nor a body cut short that passes for whole."""
    _refused(read.raw(_head("Transfer-Encoding: chunked"), wire, hang_up=True), 400, "The body cannot be read")


@pytest.mark.fault(62)
def test_a_body_that_ends_early_is_not_taken_for_whole(read: Server):
    """Even where what has arrived is a good request."""
    _refused(read.raw(_head(f"Content-Length: {len(GOOD) + 1}"), GOOD, hang_up=True), 400, "The body broke off")


def test_large_bodies_without_a_token_are_refused_too(read: Server):
    """401 comes first, and is not buried under the body."""
    for body in (b"", b"x" * (LIMIT * 2)):
        _refused(read.ask("POST", TARGET, body, token="wrong"), 401)


def test_noise_never_gives_a_server_error(read: Server):
    """Good bodies with bytes changed, lost or repeated: a 4xx, or 503 where they are still good."""
    dice = random.Random(7)
    for _ in range(150):
        body = bytearray(GOOD)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(body))
            body[at : at + dice.randint(0, 2)] = dice.choice(
                [b"", bytes([dice.randrange(256)]), bytes(body[: at // 4])]
            )
        answer = read.ask("POST", TARGET, bytes(body))
        assert answer.status == 503 or 400 <= answer.status < 500, bytes(body)
        assert answer.json["ok"] is False
    assert b"Traceback" not in read.log.read_bytes()


def test_the_server_is_well_after_all_that(read: Server):
    """A last good request."""
    assert read.ask("POST", TARGET, GOOD).status == 503
    assert read.ask("GET", "/health", token="").status == 200
