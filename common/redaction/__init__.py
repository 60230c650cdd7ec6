"""Mask a configuration's secrets in text: a connector's output, and what a cluster reports of its containers."""

from common.redaction.redactor import MASK, Redactor, of_config

__all__ = ["MASK", "Redactor", "of_config"]
