"""The connectors that are measured: two published ones that need no network, and manifests for the API of api.py."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.streams.processes import Source
from common.syncs import manifest
from embedded import settings
from embedded.connectors.install import Connectors

FAKER, HARDCODED = "airbyte/source-faker:7.2.1", "airbyte/source-hardcoded-records:0.0.48"
_VERSION = "6.5.2"


def install(image: str) -> str:
    """Return the command that runs instead of an image, installed if need be."""
    connectors = Connectors(settings.connectors_folder(), {}, settings.environment())
    connectors.install(image, lambda text: print(text, flush=True))  # noqa: T201
    return connectors.command(image)


def faker(records: int, parallelism: int) -> Source:
    """Return source-faker; `parallelism`: how many processes it starts for each stream."""
    config = {"count": records, "seed": 1, "parallelism": parallelism, "records_per_slice": 1000}
    return Source(f"faker, parallelism {parallelism}", install(FAKER), config)


def hardcoded(records: int) -> Source:
    """Return source-hardcoded-records."""
    return Source("hardcoded-records", install(HARDCODED), {"count": records})


def low_code(url: str, pages: Mapping[str, int], *, workers: int = 0, budget: int = 0) -> Source:
    """Return a manifest's connector with a stream for each name, of so many pages.

    `workers` is the CDK's concurrency_level, `budget` the requests per second that each process allows itself; 0:
    the manifest has none.
    """
    document = _document([_stream(name, f"/{name}/{number}/100") for name, number in pages.items()])
    if workers:
        document["concurrency_level"] = {"type": "ConcurrencyLevel", "default_concurrency": workers}
    if budget:
        rates = [{"limit": budget, "interval": "PT1S"}]
        policy = {"type": "MovingWindowCallRatePolicy", "rates": rates, "matchers": []}
        document["api_budget"] = {"type": "HTTPAPIBudget", "policies": [policy]}
    return _of_manifest("low-code", url, document)


def family(url: str, pages: int, size: int, children: int = 3) -> Source:
    """Return a manifest's connector with a stream of parents, and streams that ask for something of each parent."""
    parent = _stream("parents", f"/parents/{pages}/{size}")
    route = {"type": "ParentStreamConfig", "stream": parent, "parent_key": "id", "partition_field": "parent"}
    streams = [parent]
    for number in range(children):
        child = _stream(f"child{number}", "/children/1/10")
        child["retriever"]["partition_router"] = {"type": "SubstreamPartitionRouter", "parent_stream_configs": [route]}
        streams.append(child)
    return _of_manifest(f"low-code, parents and {children} children", url, _document(streams))


def _of_manifest(name: str, url: str, document: Mapping[str, Any]) -> Source:
    return Source(name, install(manifest.IMAGE), manifest.inject({"url": url}, document))


def _document(streams: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [streams[0]["name"]]},
        "streams": streams,
        "spec": {"type": "Spec", "connection_specification": {"type": "object"}},
    }


def _stream(name: str, path: str) -> dict[str, Any]:
    requester = {
        "type": "HttpRequester",
        "url_base": "{{ config['url'] }}",
        "path": path,
        "error_handler": {
            "type": "DefaultErrorHandler",
            "max_retries": 100,
            "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "Retry-After"}],
        },
    }
    pages = {
        "type": "DefaultPaginator",
        "page_token_option": {"type": "RequestOption", "field_name": "page", "inject_into": "request_parameter"},
        "pagination_strategy": {
            "type": "CursorPagination",
            "cursor_value": "{{ response.get('next') }}",
            "stop_condition": "{{ not response.get('next') }}",
        },
    }
    extractor = {"type": "DpathExtractor", "field_path": ["items"]}
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["id"],
        "retriever": {
            "type": "SimpleRetriever",
            "requester": requester,
            "record_selector": {"type": "RecordSelector", "extractor": extractor},
            "paginator": pages,
        },
        "schema_loader": {
            "type": "InlineSchemaLoader",
            "schema": {"type": "object", "properties": {"id": {"type": "integer"}, "text": {"type": "string"}}},
        },
    }
