"""From a request to the verdict on one machine, against the connector alone and PyAirbyte: see run.py."""

from bench.endtoend.run import run

__all__ = ["run"]
