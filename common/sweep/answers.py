"""What the sweeper answers, as types: models of docs/reference/openapi.json."""

from typing import Literal

from common.store.sweeps import SweepStats
from common.tasks.answers import Ok


class SweptAll(Ok):
    """What the sweeps of one call came to."""

    status: Literal["ok"]
    sweeps: int
    failed: int
    concluded: int
    deleted: int
    orphanedRows: int
    last: SweepStats


class SweptPod(Ok):
    """What a look at an event's pod came to; `pod` is empty if the event names none of these."""

    status: Literal["ok"]
    pod: str
    pods: int
    active: int
    concluded: int
    deleted: int
    unreadable: int
    orphanedRows: int


Swept = SweptAll | SweptPod
