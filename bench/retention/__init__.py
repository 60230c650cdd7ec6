"""The removal of a million old log lines: see run.py."""

from bench.retention.run import run

__all__ = ["run"]
