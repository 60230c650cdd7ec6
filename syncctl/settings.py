"""Where the embedded edition keeps its data, unless told otherwise."""

import os
from pathlib import Path


def default_home() -> Path:
    """The user's data folder, as the XDG base directory specification says: a relative path there is ignored."""
    configured = os.environ.get("XDG_DATA_HOME", "")  # noqa: TID251 - this is a settings.py
    base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".local" / "share"
    return base / "sync-functions"
