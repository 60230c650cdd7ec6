"""Real connectors of three families from the package registry, over HTTP, into the real warehouse."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.support.edition_process import EditionProcess
from tests.support.http_server import HttpServer

FAKER, HARDCODED = "airbyte/source-faker:7.2.1", "airbyte/source-hardcoded-records:0.0.48"
DECLARATIVE = "airbyte/source-declarative-manifest:6.5.2"
ROWS = 1500


def _configured(catalog: dict[str, Any]) -> dict[str, Any]:
    mode = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    return {"streams": [{"stream": stream} | mode for stream in catalog["streams"]]}


def _discover(edition: EditionProcess, image: str, config: Any) -> dict[str, Any]:
    task = edition.run("discover", image, {"config": config}, 180, storageKey=f"key-{image}")
    assert task["state"] == "SUCCESS", task
    found: dict[str, Any] = task["result"]
    return found


def _agree(edition: EditionProcess, task: dict[str, Any], prefix: str) -> dict[str, int]:
    """Every stream SUCCESS, and emitted = stored = counted in the table."""
    assert task["state"] == "SUCCESS", task["reason"]
    counted = {}
    for name, stream in task["streams"].items():
        [(rows,)] = edition.rows(f'SELECT count(*) FROM "{prefix}{name}"')
        assert (stream["status"], stream["emitted"], stream["stored"]) == ("SUCCESS", rows, rows)
        counted[name] = rows
    return counted


def test_a_check_that_fails_says_what_the_connector_said(edition: EditionProcess) -> None:
    """A refused configuration: FAILED with the connector's words."""
    task = edition.run("check", FAKER, {"config": {"count": "many"}}, storageKey="refused")
    assert task["state"] == "FAILED"
    assert "many" in task["reason"] or "integer" in task["reason"]


def test_hardcoded_records_are_all_there(edition: EditionProcess) -> None:
    """The fastest connector here: three streams of 1,000 rows with and without keys."""
    config = {"count": 1000}
    body = {"config": config, "catalog": _configured(_discover(edition, HARDCODED, config))}
    counts = _agree(edition, edition.read(HARDCODED, body, tableNamePrefix="hc_"), "hc_")
    assert counts
    assert set(counts.values()) == {1000}


class _Api(BaseHTTPRequestHandler):
    """A small paged HTTP API with two collections."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        start = int(dict(pair.split("=") for pair in query.split("&") if "=" in pair).get("offset", "0"))
        rows = [
            {"id": n, "name": f"{path.strip('/')} {n}", "big": 9007199254740993 + n}
            for n in range(start, min(start + 100, ROWS))
        ]
        body = json.dumps({"items": rows}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests need no access log."""


@pytest.fixture
def api() -> Iterator[str]:
    server = HttpServer(("127.0.0.1", 0), _Api)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _manifest(url: str) -> dict[str, Any]:
    def stream(name: str) -> dict[str, Any]:
        schema = {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "big": {"type": "integer"}},
        }
        return {
            "type": "DeclarativeStream",
            "name": name,
            "primary_key": ["id"],
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {"type": "HttpRequester", "url_base": url, "path": f"/{name}", "http_method": "GET"},
                "record_selector": {
                    "type": "RecordSelector",
                    "extractor": {"type": "DpathExtractor", "field_path": ["items"]},
                },
                "paginator": {
                    "type": "DefaultPaginator",
                    "page_token_option": {
                        "type": "RequestOption",
                        "inject_into": "request_parameter",
                        "field_name": "offset",
                    },
                    "pagination_strategy": {"type": "OffsetIncrement", "page_size": 100},
                },
            },
            "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
        }

    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["plants"]},
        "streams": [stream("plants"), stream("beds")],
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 2},
    }


def test_declarative_manifest_against_a_local_api(edition: EditionProcess, api: str) -> None:
    """A low-code connector that reads two streams at the same time: interleaved rows, all there, digits intact."""
    config = {"__injected_declarative_manifest": _manifest(api)}
    catalog = _configured(_discover(edition, DECLARATIVE, config))
    task = edition.read(DECLARATIVE, {"config": config, "catalog": catalog}, tableNamePrefix="dm_")
    assert _agree(edition, task, "dm_") == {"plants": ROWS, "beds": ROWS}
    assert edition.rows("SELECT big FROM dm_plants WHERE id = 1499") == [(9007199254740993 + 1499,)]
