"""A connector with a specification as real ones have it: secrets, a choice with a discriminator, hostile names.

Its configuration says what goes wrong: a password other than the right one fails the check, `offer` is what it offers.
The argument before the command is how its specification goes: `spec`, `broken`, or `slow`, which waits to be cancelled.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

RIGHT = "config-"
"""How the right password begins: the tests' planted secret of a configuration."""
HOSTILE = "<script>alert('stream')</script>/../__proto__"
SPEC = {
    "documentationUrl": "javascript:alert('spec')",
    "connectionSpecification": {
        "type": "object",
        "title": "<img src=x onerror=alert('title')>",
        "required": ["shop", "credentials", "offer"],
        "properties": {
            "shop": {"type": "string", "title": "Shop", "order": 0, "examples": ["my-shop"]},
            "credentials": {
                "type": "object",
                "title": "Credentials",
                "order": 1,
                "oneOf": [
                    {
                        "title": "Password",
                        "required": ["auth", "password"],
                        "properties": {
                            "auth": {"type": "string", "const": "password"},
                            "password": {"type": "string", "title": "Password of the shop", "airbyte_secret": True},
                        },
                    },
                    {
                        "title": "Key file",
                        "required": ["auth", "file"],
                        "properties": {
                            "auth": {"type": "string", "const": "file"},
                            "file": {"type": "string", "title": "Key", "airbyte_secret": True, "multiline": True},
                        },
                    },
                ],
            },
            "offer": {"type": "string", "title": "Offer", "order": 2, "default": "few"},
        },
    },
}
COLUMNS = {
    "id": {"type": "integer"},
    "changed": {"type": ["null", "string"], "format": "date-time"},
    "by": {"type": "object", "properties": {"name": {"type": "string"}, "at": {"type": "string"}}},
}
BOTH = ["full_refresh", "incremental"]


def given(option: str) -> Any:
    return json.loads(Path(sys.argv[sys.argv.index(option) + 1]).read_text())


def out(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def stream(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "json_schema": {"type": "object", "properties": COLUMNS}, **members}


def offers(kind: str) -> list[dict[str, Any]]:
    """Streams as sources describe them: with a cursor of their own, with a choice of one, without any."""
    if kind == "none":
        return []
    if kind == "many":
        return [stream(f"stream_{number:04}", supported_sync_modes=["full_refresh"]) for number in range(3000)]
    return [
        stream(
            "orders",
            supported_sync_modes=BOTH,
            source_defined_cursor=True,
            default_cursor_field=["changed"],
            source_defined_primary_key=[["id"]],
        ),
        stream("visits", supported_sync_modes=BOTH),
        stream("orders", namespace="archive", supported_sync_modes=["full_refresh"]),
        stream(HOSTILE, supported_sync_modes=["full_refresh"]),
        stream("__proto__", supported_sync_modes=["full_refresh"]),
    ]


def spec(kind: str) -> None:
    if kind == "slow":
        threading.Event().wait()
    if kind == "broken":
        error = {"message": "The licence <b>is missing</b>", "failure_type": "config_error"}
        out(type="TRACE", trace={"type": "ERROR", "emitted_at": 0, "error": error})
        sys.exit(1)
    out(type="SPEC", spec=SPEC)


def check(config: dict[str, Any]) -> None:
    right = str(config["credentials"].get("password")).startswith(RIGHT)
    message = {} if right else {"message": f"The shop {config['shop']} does not accept this password"}
    out(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED" if right else "FAILED"} | message)


def read(catalog: dict[str, Any]) -> None:
    for one in catalog["streams"]:
        of = {"name": one["stream"]["name"]}
        if one["stream"].get("namespace"):
            of["namespace"] = one["stream"]["namespace"]
        data = {"id": 1, "changed": "2026-01-01T00:00:00Z", "mode": one["sync_mode"], "cursor": one.get("cursor_field")}
        out(type="RECORD", record={"stream": of["name"], "data": data, "emitted_at": 0} | of)
        out(type="STATE", state={"type": "STREAM", "stream": {"stream_descriptor": of, "stream_state": {"n": 1}}})
        status = {"stream_descriptor": of, "status": "COMPLETE"}
        out(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 0, "stream_status": status})


kind, command = sys.argv[1:3]
if command == "spec":
    spec(kind)
elif command == "check":
    check(given("--config"))
elif command == "discover":
    out(type="CATALOG", catalog={"streams": offers(given("--config")["offer"])})
else:
    read(given("--catalog"))
