"""What webhooks are called for, and in which form: for the settings and for the documents of declared syncs."""

from enum import StrEnum

MOST = 10
"""Entries of a declared sync's `notify`."""


class Ending(StrEnum):
    """What a webhook is called for."""

    FAILED = "failed"
    FIRST_FAILURE = "first_failure"
    PARTIAL = "partial"
    RECOVERED = "recovered"


class Form(StrEnum):
    """What a webhook is sent: everything, what every chat system takes, or what Microsoft Teams' Workflows take."""

    EVENT = "event"
    TEXT = "text"
    CARD = "card"
