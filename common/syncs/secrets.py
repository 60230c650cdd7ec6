"""References to Secrets in a sync: where they are, and which of them an installation allows."""

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    # What makes pods asks `refusal`, and reads no YAML.
    from common.syncs.source import Path

DEFAULT = "credentials-*"
"""SYNCCTL_SECRETS: names of Secrets that syncs may refer to, separated by commas; a star matches anything."""
_OF_A_TASK = re.compile(r".*-[0-9a-f]{20}-(config|resume)")
"""The Secrets that common/pods/manifest.py makes: they hold other tasks' configurations."""


class Reference(Struct, frozen=True):
    """A place in the document that names a Secret."""

    path: "Path"
    secret: str
    key: str


def refusal(secret: str, patterns: str) -> str:
    """Return why a sync may not refer to a Secret; "" if it may."""
    if _OF_A_TASK.fullmatch(secret):
        return "expected a Secret of yours; this one belongs to a task"
    allowed = [part.strip() for part in patterns.split(",") if part.strip()]
    if any(re.fullmatch(".*".join(map(re.escape, part.split("*"))), secret) for part in allowed):
        return ""
    return f"expected a Secret called {' or '.join(allowed) or 'nothing at all'} (SYNCCTL_SECRETS)"
