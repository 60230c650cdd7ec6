"""Mask a configuration's secrets in text: a connector's output, and what a cluster reports of its containers."""

from common.redaction.leaves import is_weak
from common.redaction.redactor import Redactor, of_config
from common.redaction.search import MASK

__all__ = ["MASK", "Redactor", "is_weak", "of_config"]
