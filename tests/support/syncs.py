"""Documents of declared syncs for tests."""

from typing import Any

from common.runs.declared import Declared, read
from common.syncs.validate import Rules


def document(name: str = "nightly", created: str = "2026-11-29T00:00:00Z", **spec: Any) -> dict[str, Any]:
    """As a home of documents holds it."""
    return {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name, "creationTimestamp": created, "resourceVersion": "1", "generation": 1},
        "spec": {"image": "airbyte/source-faker:7.2.1", **spec},
    }


def declared(name: str = "nightly", **spec: Any) -> Declared:
    """As runs have it."""
    found = read(document(name, **spec), Rules())
    assert isinstance(found, Declared), found
    return found
