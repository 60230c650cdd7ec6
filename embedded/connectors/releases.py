"""When a release of a package was uploaded: the packages of that day are those that its publisher built it with."""

import re
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from embedded.connectors import pythons, uv

_UPLOADED = re.compile(r"\bupload-time\s*=\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_MARGIN = timedelta(days=1)
"""The release itself has to be old enough, and what was published together with it."""


def newest_day(requirement: str, variables: Mapping[str, str], lock: int) -> str:
    """Return the moment for uv's --exclude-newer; "" if the index does not tell when it got this release."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write(requirement)
        wanted.flush()
        # No lower bound of a Requires-Python forbids the newest.
        newest = ("--python", sys.executable, "--python-version", pythons.newest())
        options = ["--no-deps", "--quiet", "--no-header", "--format", "pylock.toml", *newest]
        code, output = uv.run(["pip", "compile", *options, wanted.name], variables, lock)
    uploaded = [] if code else [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in _UPLOADED.findall(output)]
    return f"{max(uploaded) + _MARGIN:%Y-%m-%dT%H:%M:%SZ}" if uploaded else ""
