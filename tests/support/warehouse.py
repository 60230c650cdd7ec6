"""A running warehouse, a client for its HTTP, and eyes for its file."""

import contextlib
import json
import socket
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb  # noqa: TID251 - tests look past the product's own store

from embedded.warehouse.server import WarehouseServer
from embedded.warehouse.warehouse import Warehouse
from tests.support import canaries

TOKEN = canaries.BULKER


class Running:
    """A warehouse behind its server."""

    def __init__(self, warehouse: Warehouse, server: WarehouseServer) -> None:
        self.warehouse, self.server = warehouse, server

    def bulk(self, table: str, rows: bytes | Iterable[Any], mode: str = "replace_table", **more: Any) -> dict[str, Any]:
        """Sends rows (NDJSON bytes, or objects) and gives the state of the 200 answer."""
        status, answer = self.try_bulk(table, rows, mode, **more)
        assert status == 200, answer
        state: dict[str, Any] = answer.get("state", {})
        return state

    def try_bulk(
        self,
        table: str,
        rows: bytes | Iterable[Any],
        mode: str = "replace_table",
        pk: Iterable[str] = (),
        schema: dict[str, int] | None = None,
        paths: Iterable[list[str]] = (),
    ) -> tuple[int, dict[str, Any]]:
        """Sends rows; the status and the answer, whatever they are."""
        body = rows if isinstance(rows, bytes) else b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        keys = [("pk", "_".join(path)) for path in paths] + [("pkPath", json.dumps(path)) for path in paths]
        query = urlencode([("tableName", table), ("mode", mode), *(("pk", key) for key in pk), *keys])
        headers = {}
        if schema is not None:
            fields = [{"name": name, "type": kind} for name, kind in schema.items()]
            headers["X-Jitsu-Schema"] = json.dumps({"name": table, "fields": fields})
        return self.request("POST", f"/bulk/a-sync?{query}", body, headers)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, token: str = TOKEN
    ) -> tuple[int, dict[str, Any]]:
        """One request with a chunked body of small chunks."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.server.port, timeout=60)) as connection:
            given = ({"Authorization": f"Bearer {token}"} if token else {}) | (headers or {})
            chunks: Iterable[bytes] = (body[at : at + 50_000] for at in range(0, len(body), 50_000))
            connection.request(method, path, chunks if method == "POST" else None, given, encode_chunked=True)
            answer = connection.getresponse()
            assert answer.getheader("Content-Type") == "application/json"
            return answer.status, json.loads(answer.read())

    @contextlib.contextmanager
    def raw(self, table: str, mode: str = "replace_table") -> Iterator[socket.socket]:
        """A socket after the head of a chunked /bulk request."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            connection.sendall(bulk_head(table, mode))
            yield connection

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, by a connection of its own."""
        self.warehouse.close()
        with contextlib.closing(duckdb.connect(str(self.warehouse.path), read_only=True)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(query, list(parameters)).fetchall()

    def types(self, table: str) -> dict[str, str]:
        """The columns of a table and their types."""
        return dict(
            self.sql("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY ALL", table)
        )


def bulk_head(table: str, mode: str) -> bytes:
    """A chunked /bulk request's head."""
    return (
        f"POST /bulk/a-sync?tableName={table}&mode={mode} HTTP/1.1\r\nHost: warehouse\r\n"
        f"Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    """Data as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextlib.contextmanager
def running_warehouse(path: Path, patience_seconds: float = 10, request_seconds: float = 1800) -> Iterator[Running]:
    """Serves a warehouse until the end of the block."""
    warehouse = Warehouse(path, TOKEN, patience_seconds=patience_seconds)
    with WarehouseServer(warehouse, request_seconds=request_seconds) as server:
        yield Running(warehouse, server)
    warehouse.close()
