"""Numbers and times as people read them."""

from datetime import datetime

from rich import filesize

from syncctl.api.models import StreamProgress, Task


def count(number: int) -> str:
    """Return 12,345."""
    return f"{number:,}"


def size(number: int) -> str:
    """Return bytes in decimal units: 1.2 MB."""
    return filesize.decimal(number)


def duration(seconds: float) -> str:
    """Return 3.2 s, 4 min 5 s, 2 h 3 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def clock(text: str | None, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return an RFC 3339 time in the local time zone; the text itself if it cannot be read."""
    time = _local_time(text)
    return time.strftime(pattern) if time else (text or "")


def elapsed_seconds(task: Task) -> float | None:
    """Return the time from the task's start to its end or its latest update, both by the deployment's clock."""
    start = _local_time(task.started_at or task.created_at)
    end = _local_time(task.finished_at or task.updated_at)
    return max((end - start).total_seconds(), 0.0) if start and end else None


def rate(progress: StreamProgress) -> str:
    """Return the rows per second: at the moment, or of one that has ended those stored in its own time."""
    speed = progress.rate
    if speed is None:
        speed = progress.stored / progress.seconds if progress.seconds else 0.0
    if not speed:
        return ""
    return count(round(speed)) if speed >= 10 else f"{speed:.1f}"


def how_far(percent: int | None, seconds_left: int | None) -> str:
    """Return 63 %, 4 min 5 s left; "" if nothing is estimated."""
    if percent is None:
        return ""
    return f"{percent} %" if seconds_left is None else f"{percent} %, {duration(seconds_left)} left"


def _local_time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone() if text else None
    except (ValueError, OverflowError):
        return None
