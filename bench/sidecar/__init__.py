"""The sidecar against its ceilings, on one core: see run.py."""

from bench.sidecar.run import profile, run

__all__ = ["profile", "run"]
