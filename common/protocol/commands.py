"""The four things a connector can be asked for."""

from enum import StrEnum


class Command(StrEnum):
    """The Airbyte protocol's commands; the names are the endpoints' and the pods' too."""

    SPEC = "spec"
    CHECK = "check"
    DISCOVER = "discover"
    READ = "read"
