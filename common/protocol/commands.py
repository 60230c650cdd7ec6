"""The four commands of a connector."""

from enum import StrEnum


class Command(StrEnum):
    """The Airbyte protocol's commands, also in the names of endpoints and pods."""

    SPEC = "spec"
    CHECK = "check"
    DISCOVER = "discover"
    READ = "read"
