"""Five hundred reads that are started at once through one function instance: see run.py."""

from bench.starts.run import run

__all__ = ["run"]
