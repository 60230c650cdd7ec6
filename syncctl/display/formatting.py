"""Numbers and times as people read them."""

from datetime import datetime

from syncctl.api.models import StreamProgress, Task

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def count(number: int) -> str:
    """Thousands apart: 12,345."""
    return f"{number:,}"


def size(number: float) -> str:
    """Bytes in decimal units: 1.2 MB."""
    power = 0
    while number >= 1000 and power < len(_UNITS) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.0f} B" if power == 0 else f"{number:.1f} {_UNITS[power]}"


def duration(seconds: float) -> str:
    """3.2 s, 4 min 5 s, 2 h 3 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def moment(text: str | None) -> datetime | None:
    """A time of the wire in this machine's time zone; None where there is none that can be read."""
    try:
        return datetime.fromisoformat(text).astimezone() if text else None
    except (ValueError, OverflowError):
        return None


def clock(text: str | None, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time of the wire, local; the original text where it cannot be read."""
    time = moment(text)
    return time.strftime(pattern) if time else (text or "")


def elapsed_seconds(task: Task) -> float | None:
    """From the task's start to its end, or to its latest sign of life: the deployment's clock both times."""
    start = moment(task.started_at or task.created_at)
    end = moment(task.finished_at or task.updated_at)
    return max((end - start).total_seconds(), 0.0) if start and end else None


def rate(progress: StreamProgress, task: Task) -> str:
    """Rows stored per second of the whole run, start of the connector included."""
    seconds = elapsed_seconds(task)
    if not seconds or not progress.stored:
        return ""
    speed = progress.stored / seconds
    return count(round(speed)) if speed >= 10 else f"{speed:.1f}"
