"""A stand-in for Dagster: see README.md."""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple


class Backoff(Enum):
    """How pauses grow."""

    EXPONENTIAL = "EXPONENTIAL"


class RetryPolicy(NamedTuple):
    """When a try is repeated."""

    max_retries: int
    delay: float
    backoff: Backoff


class AssetExecutionContext(NamedTuple):
    """What an asset's function is given."""

    run_id: str
    retry_number: int


class MaterializeResult(NamedTuple):
    """What it returns."""

    metadata: dict[str, Any]


class Definitions(NamedTuple):
    """What a file defines."""

    assets: list[Any]


def asset(*, retry_policy: RetryPolicy) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an asset of a function."""
    return lambda function: function
