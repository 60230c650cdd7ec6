"""What the console's pages cost, in a real browser: see run.py."""

from bench.console.run import run

__all__ = ["run"]
