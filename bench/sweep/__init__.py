"""One sweep of ten thousand pods on a real API server: see run.py."""

from bench.sweep.run import run

__all__ = ["run"]
