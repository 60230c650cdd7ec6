"""How far a read is: percent and time left, by what its source estimates. Pure.

An estimate may be too low: what goes on is never shown over 99 %, and beyond its estimate without a time left. That
time follows from the time so far, pauses of the source included.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

LIVE = ["rowsPerSecond", "limitedSince", "limitedUntil"]
"""Members of a stream's entry that count only while it goes on."""
_MOST = 99
_UNITS = (("estimatedRows", "emitted"), ("estimatedBytes", "bytes"))
"""Estimates, the better one first, and the counts that they are about."""
Account = Mapping[str, Any]


class _Share(Struct, frozen=True):
    done: float
    total: float


def with_progress(streams: Mapping[str, Account]) -> dict[str, dict[str, Any]]:
    """Return the accounts of an active read with `percent` and `secondsLeft`, where an estimate gives them."""
    return {key: {**account, **_of_stream(account)} for key, account in streams.items()}


def of_task(streams: Mapping[str, Account], estimate: Mapping[str, int] | None) -> dict[str, Any] | None:
    """Return `progress` of an active read; None until a stream has begun.

    `rowsPerSecond` of all streams together; `percent` and `secondsLeft` by an estimate of the whole read (`rows`,
    `bytes`), else if there is one of each stream that has not ended.
    """
    begun = [one for one in streams.values() if one.get("startedAt")]
    if not begun:
        return None
    share = _of_whole(streams, estimate or {}) or _of_all(streams)
    rate = round(sum(one.get("rowsPerSecond", 0.0) for one in begun), 1)
    return {"rowsPerSecond": rate} | (_shown(share, _elapsed(begun)) if share else {})


def _of_stream(account: Account) -> dict[str, Any]:
    if not account.get("startedAt") or account.get("endedAt"):
        return {}
    shares = (_Share(account[count], account[name]) for name, count in _UNITS if account.get(name))
    share = next(shares, None)
    return _shown(share, account.get("seconds", 0.0)) if share else {}


def _of_whole(streams: Mapping[str, Account], estimate: Mapping[str, int]) -> _Share | None:
    for total, count in (("rows", "emitted"), ("bytes", "bytes")):
        if estimate.get(total):
            return _Share(sum(one.get(count, 0) for one in streams.values()), estimate[total])
    return None


def _of_all(streams: Mapping[str, Account]) -> _Share | None:
    """What has ended counts as it came, whatever was estimated."""
    for name, count in _UNITS:
        if all(one.get("endedAt") or one.get(name) for one in streams.values()):
            counts = [(one.get(count, 0), 0 if one.get("endedAt") else one[name]) for one in streams.values()]
            # What came beyond one stream's estimate does not count for another's.
            return _Share(sum(done for done, _ in counts), sum(max(done, total) for done, total in counts))
    return None


def _shown(share: _Share, seconds: float) -> dict[str, Any]:
    percent = min(int(100 * share.done / share.total), _MOST) if share.total else 0
    if not 0 < share.done < share.total or seconds <= 0:
        return {"percent": percent}
    return {"percent": percent, "secondsLeft": math.ceil(seconds * (share.total - share.done) / share.done)}


def _elapsed(begun: list[Account]) -> float:
    """Return the time from the first stream's begin to the newest report, all by the sidecar's clock."""
    starts = [datetime.fromisoformat(one["startedAt"]).timestamp() for one in begun]
    ends = [start + float(one.get("seconds", 0)) for start, one in zip(starts, begun, strict=True)]
    return max(ends) - min(starts)
