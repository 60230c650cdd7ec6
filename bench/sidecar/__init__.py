"""The sidecar against its ceilings, on one core: see run.py."""

from bench.sidecar.run import run

__all__ = ["run"]
