"""A connector for pictures: what it says looks as that of a real one, and it needs nothing of the network."""

import json
import sys
from typing import Any

SPEC = {
    "connectionSpecification": {
        "type": "object",
        "required": ["repositories", "access_token", "start_date"],
        "properties": {
            "repositories": {
                "type": "string",
                "title": "Repositories",
                "description": "As owner/name; owner/* is all of them.",
                "order": 0,
            },
            "access_token": {
                "type": "string",
                "title": "Access token",
                "description": "A personal token that may read the repositories.",
                "airbyte_secret": True,
                "order": 1,
            },
            "start_date": {"type": "string", "title": "Start date", "format": "date-time", "order": 2},
        },
    }
}
STREAMS = ("commits", "issues", "pull_requests", "releases", "reviews", "workflows")


def _answer() -> dict[str, Any]:
    if sys.argv[1] == "spec":
        return {"type": "SPEC", "spec": SPEC}
    if sys.argv[1] == "check":
        return {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}
    columns = {"id": {"type": "integer"}, "updated_at": {"type": "string", "format": "date-time"}}
    streams = [
        {
            "name": name,
            "json_schema": {"type": "object", "properties": columns},
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_primary_key": [["id"]],
            "source_defined_cursor": True,
            "default_cursor_field": ["updated_at"],
        }
        for name in STREAMS
    ]
    return {"type": "CATALOG", "catalog": {"streams": streams}}


print(json.dumps(_answer()))  # noqa: T201 - the protocol's output
