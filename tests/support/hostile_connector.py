"""A connector that answers everything with hostile texts: its spec, its failed check, its streams."""

import json
import sys

from tests.support import console_data

_TYPES = {
    "spec": ("SPEC", "spec"),
    "check": ("CONNECTION_STATUS", "connectionStatus"),
    "discover": ("CATALOG", "catalog"),
}

if __name__ == "__main__":
    command = sys.argv[1]
    kind, member = _TYPES[command]
    print(json.dumps({"type": "LOG", "log": {"level": "INFO", "message": console_data.EVERYTHING}}))  # noqa: T201
    print(json.dumps({"type": kind, member: console_data.hostile_result(command)}), flush=True)  # noqa: T201
