"""What these tests take from the environment; the machines that they make see nothing else of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HANDED_ON = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"),
)
"""How this machine reaches its package index."""


@dataclass(frozen=True)
class FreshSettings:
    """Where things are kept, and what to run."""

    cache: Path
    """Keeps the minimal systems; copies of them are made here for as long as they are used."""
    mirror: str
    """Debian's packages; empty for what apt uses here."""
    cells: tuple[str, ...]
    """Names of cells, with wildcards; none for all."""
    tests: str
    """What `make test` runs, as its TESTS; empty for all."""
    network: Mapping[str, str]


def load() -> FreshSettings:
    """Return the settings."""
    given = os.environ  # noqa: TID251 - the one place of these tests
    return FreshSettings(
        cache=Path(given.get("FRESH_CACHE") or "/var/cache/fresh"),
        mirror=given.get("FRESH_MIRROR", ""),
        cells=tuple(given.get("FRESH_CELLS", "").split()),
        tests=given.get("FRESH_TESTS", ""),
        network={name: given[name] for name in HANDED_ON if given.get(name)},
    )
