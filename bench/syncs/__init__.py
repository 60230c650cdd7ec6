"""Sweeps over two thousand declared syncs: see run.py."""

from bench.syncs.run import run

__all__ = ["run"]
