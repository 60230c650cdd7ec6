"""Kubernetes quantities, such as 512Mi, 2G or 500m."""

import re

from common.errors import Refused

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kMGTPE]i?|Ki|m)?")
_FACTORS = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)
}


def quantity(text: str) -> float:
    """Return a quantity as a number; raise Refused for any other text."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise Refused(f"{text!r}: expected a quantity, such as 512Mi or 2Gi.")
    return float(match[1]) * _FACTORS[match[2] or ""]
