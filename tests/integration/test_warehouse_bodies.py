"""Bodies that break off, come slowly, are refused halfway, or come many at once."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.support.warehouse import TOKEN, Running, chunk, running_warehouse


@pytest.fixture
def warehouse(tmp_path):
    with running_warehouse(tmp_path / "w.duckdb") as running:
        yield running


def _answer(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and body of the answer, read to the end of the connection."""
    data = b""
    while piece := connection.recv(65536):
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "rest", [b"", b"5", b"5\r\n", b'20\r\n{"id":3}', b'9\r\n{"id":3}\n', b"zz\r\n", b"-5\r\n", b"0\r\n"]
)
def test_a_body_that_breaks_off_stores_nothing(warehouse: Running, rest):
    """Wherever it ends before its terminator: 400, and the table as it was."""
    warehouse.bulk("t", [{"id": 1}])
    with warehouse.raw("t") as connection:
        connection.sendall(chunk(b'{"id":2}\n') + rest)
        connection.shutdown(socket.SHUT_WR)
        status, answer = _answer(connection)
    assert (status, answer["error"].split(":")[0]) == (400, "stream consume error")
    assert warehouse.sql("FROM t") == [(1,)]
    assert not list(warehouse.warehouse.path.parent.glob("*.spool/*"))


def test_a_body_shorter_than_its_length_stores_nothing(warehouse: Running):
    """The same for a body that is not chunked."""
    with socket.create_connection(("127.0.0.1", warehouse.server.port), timeout=30) as connection:
        connection.sendall(
            f"POST /bulk/s?tableName=t HTTP/1.1\r\nHost: w\r\nAuthorization: {TOKEN}\r\nContent-Length: 99\r\n\r\n".encode()
            + b'{"id":2}\n'
        )
        connection.shutdown(socket.SHUT_WR)
        assert _answer(connection)[0] == 400
    assert warehouse.warehouse.count("t") is None


def test_a_refusal_reaches_a_client_that_keeps_sending(warehouse: Running):
    """The 400 comes while the body is being sent; the client can send tens of megabytes more and read it then."""
    rows = b'{"id":1}\n' * 100_000
    with warehouse.raw("t") as connection:
        connection.sendall(chunk(rows) + chunk(b"no json\n"))
        for _ in range(40):
            connection.sendall(chunk(rows))
        connection.sendall(b"0\r\n\r\n")
        status, answer = _answer(connection)
    assert status == 400
    assert answer["error"].startswith("unmarhsal error: line 100001 is not a JSON object")


def test_a_refusal_comes_before_the_body_ends(warehouse: Running):
    """A client that waits within its body has the answer already."""
    with warehouse.raw("t") as connection:
        connection.sendall(chunk(b'{"id":1}\n[]\n'))
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_a_request_that_takes_too_long_is_cut(tmp_path):
    """It is answered, and nothing of it is stored."""
    with running_warehouse(tmp_path / "w.duckdb", request_seconds=0.5) as warehouse, warehouse.raw("t") as connection:
        connection.sendall(chunk(b'{"id":1}\n'))
        status, answer = _answer(connection)
        assert status == 400
        assert "took too long" in answer["error"]
        assert warehouse.warehouse.count("t") is None


def test_a_huge_chunk_is_never_held_in_memory(warehouse: Running):
    """192 MiB in one chunk cost a few."""
    row = b'{"id":1,"text":"%b"}\n' % (b"x" * 1000)
    rows = row * (192 * 1024**2 // len(row))
    process = psutil.Process()
    with warehouse.raw("t") as connection:
        connection.sendall(b"%x\r\n" % len(rows))
        before = process.memory_info().rss
        connection.sendall(rows)
        assert process.memory_info().rss - before < 64 * 1024**2
    assert warehouse.warehouse.count("t") is None


def test_many_requests_stay_open_at_once(warehouse: Running):
    """A sync holds one open per stream, more than the server begins with; each ends on its own."""
    open_ones = []
    for number in range(20):
        context = warehouse.raw(f"t{number}", "batch")
        connection = context.__enter__()
        open_ones.append((context, connection))
        connection.sendall(chunk(b'{"id":%d}\n' % number))
    for number, (context, connection) in enumerate(open_ones):
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        context.__exit__(None, None, None)
        assert warehouse.warehouse.count(f"t{number}") == 1


def test_requests_to_one_table_at_once_lose_nothing(warehouse: Running):
    """Columns that each brings are all there afterwards, and all rows."""
    with ThreadPoolExecutor(6) as pool:
        done = pool.map(
            lambda n: (
                warehouse.bulk("t", [{"id": n, f"k{n}": n}] * 50, "batch", pk=())
                and warehouse.bulk(f"own{n}", [{"id": n}])
            ),
            range(12),
        )
        assert all(state["successfulRows"] == 1 for state in done)
    assert warehouse.sql("SELECT count(*), count(k0), count(k11) FROM t") == [(600, 50, 50)]
    assert len(warehouse.warehouse.tables()) == 13


def test_readers_see_old_rows_until_the_request_ends(warehouse: Running):
    """A replacement is not begun before it is complete."""
    warehouse.bulk("t", [{"id": 1}])
    with warehouse.raw("t") as connection:
        connection.sendall(chunk(b'{"id":2}\n{"id":3}\n'))
        assert warehouse.sql("FROM t") == [(1,)]
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert warehouse.sql("FROM t ORDER BY ALL") == [(2,), (3,)]


def test_the_server_stops_while_a_body_is_open(tmp_path):
    """It does not wait for the client; nothing of the body is stored, and no thread or file is left."""
    threads = threading.active_count()
    with running_warehouse(tmp_path / "w.duckdb") as warehouse:
        context = warehouse.raw("t")
        connection = context.__enter__()
        connection.sendall(chunk(b'{"id":1}\n'))
    context.__exit__(None, None, None)
    assert threading.active_count() <= threads
    assert not list((tmp_path / "w.duckdb.spool").iterdir())
    assert not (tmp_path / "w.duckdb").exists()
