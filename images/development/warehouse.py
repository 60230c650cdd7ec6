"""Serves the warehouse to the pods of a cluster, and the row counts of its tables at GET /tables."""

import json
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from embedded.warehouse.server import WarehouseServer
from embedded.warehouse.warehouse import Warehouse

PORT = 3042

warehouse = Warehouse(Path("/data/warehouse.duckdb"), "development")
bulker = warehouse.wsgi


def with_counts(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Bulker's HTTP, and one path more."""
    if environ["PATH_INFO"] != "/tables":
        return bulker(environ, start_response)
    body = json.dumps({table: warehouse.count(table) for table in warehouse.tables()}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


warehouse.wsgi = with_counts  # type: ignore[assignment] # wraps the application in place
server = WarehouseServer(warehouse, port=PORT)
# The one-machine edition listens on its own machine alone.
server.bind_addr = ("0.0.0.0", PORT)  # noqa: S104 - a pod's own network
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
with server:
    stopping.wait()
