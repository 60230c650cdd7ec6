"""Times as users give them: so long ago, or a moment."""

import re
from datetime import UTC, datetime, timedelta

import typer

_AGO = re.compile(r"([0-9]{1,9})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_time(text: str) -> str:
    """Return a time as RFC 3339, in UTC; without a zone it is this machine's. Raise typer.BadParameter."""
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return _shown(datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        return _shown(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "expected 90s, 10m, 2h or 1d (so long ago), or a time such as 2026-11-30T02:00 or 2026-11-30T02:00:00Z."
        ) from None


def _shown(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
