"""Freed memory stays at hand."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from sidecar import memory
if sys.argv[1] == "keeps": memory.keep()
def work():
    for _ in range(100):
        blocks = [bytes(400_000) for _ in range(6)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_pages_of_freed_chunks_are_not_asked_for_anew() -> None:
    """The second hundred rounds of the same work touch the pages of the first."""
    keeps, plain = (
        int(subprocess.run([sys.executable, "-c", PROGRAM, way], capture_output=True, check=True).stdout)
        for way in ("keeps", "plain")
    )
    assert keeps < plain / 10
