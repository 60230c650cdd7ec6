"""Reads what the API server writes about a quota that a request exceeds. Pure."""

import re

_LISTS = re.compile(r"requested: (\S+), used: \S+, limited: (\S+?)(?=[,;.]?(?:\s|$))")
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([mkKMGTPE]i?)?")
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "Ki": 2.0**10} | {
    unit: base ** (at + 2)
    for at, prefix in enumerate("MGTPE")
    for unit, base in ((prefix, 1e3), (f"{prefix}i", 2.0**10))
}


def never_fits(message: str) -> str:
    """Return the resource of which one request alone exceeds a whole quota, as Kubernetes names it; "" if none does.

    A quota of 0 is not too small but closed: it keeps tasks waiting for as long as somebody wants it to.
    """
    for requested, limited in _LISTS.findall(message):
        limits = _amounts(limited)
        for resource, amount in _amounts(requested).items():
            if 0 < limits.get(resource, 0.0) < amount:
                return resource
    return ""


def _amounts(text: str) -> dict[str, float]:
    """Amounts by resource, of `limits.cpu=4,limits.memory=3Gi`; what cannot be read is left out."""
    pairs = (part.split("=", 1) for part in text.split(",") if "=" in part)
    found = ((resource, _QUANTITY.fullmatch(amount)) for resource, amount in pairs)
    return {resource: float(match[1]) * _UNITS.get(match[2] or "", 1.0) for resource, match in found if match}
