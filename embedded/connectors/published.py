"""Which connectors may be installed as packages: anyone may publish a package under a name that nobody has yet."""

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

from common.errors import Refused, SettingsError

SETTING = "SYNCCTL_CONNECTOR_PACKAGES"
EVERY = "*"
_NAME = re.compile(r"source-[a-z0-9]+(?:-[a-z0-9]+)*")


@cache
def known() -> frozenset[str]:
    """Return the names that published.txt lists, such as source-faker."""
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def parse(text: str) -> tuple[str, ...]:
    """Return the names in SYNCCTL_CONNECTOR_PACKAGES, or a star. Raise SettingsError for anything else."""
    names = [re.sub(r"^airbyte[/-]", "", part.strip()) for part in text.split(",") if part.strip()]
    if unusable := [name for name in names if name != EVERY and not _NAME.fullmatch(name)]:
        raise SettingsError(
            f"{SETTING}: expected names of connectors, separated by commas, such as airbyte/source-mine, without "
            f"versions, or *; found '{unusable[0]}'."
        )
    return tuple(names)


def is_allowed(name: str, allowed: Collection[str]) -> bool:
    """Tell whether the operator has allowed a connector's package by name, or all of them."""
    return name in allowed or EVERY in allowed


def check(name: str, allowed: Collection[str], otherwise: str) -> None:
    """Raise Refused unless a connector's package is known or allowed; `otherwise`: another way to run its image."""
    if name not in known() and not is_allowed(name, allowed):
        raise Refused(
            f"airbyte/{name} would run the Python package airbyte-{name}, which is not among those that Airbyte is "
            "known to publish: anybody may have taken that name. Check the image's name and tag. If you trust that "
            f"package, start `syncctl serve` again with the variable {SETTING}=airbyte/{name}; or {otherwise}."
        )
