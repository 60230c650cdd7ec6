"""Freed memory stays with the sidecar's process, wherever it runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.pods.launch import SIDECAR_VARIABLES, launch
from embedded.pods.manifest import Container
from embedded.pods.pod_dir import PodFolder

ROOT = Path(__file__).parents[3]
PROGRAM = """
import resource
def work():
    for _ in range(100):
        blocks = [bytes(400_000) for _ in range(6)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the variables are glibc's")
def test_pages_of_freed_chunks_are_not_requested_again() -> None:
    """The second hundred rounds of the same work touch the pages of the first."""
    keeps, plain = (
        int(subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, check=True).stdout)
        for env in (SIDECAR_VARIABLES, {})
    )
    assert keeps < plain / 10


def test_image_and_embedded_edition_set_the_same_variables(tmp_path: Path) -> None:
    """For the sidecar alone: a connector gets its own environment."""
    dockerfile = (ROOT / "images/sidecar/Dockerfile").read_text()
    assert dict(re.findall(r"(MALLOC_\w+)=(\d+)", dockerfile)) == SIDECAR_VARIABLES
    folder, container = PodFolder(tmp_path), Container(name="sidecar")
    sidecar, source = launch(container, folder, {}, {}), launch(container, folder, {}, {}, entry_point="main")
    assert sidecar.environment is not None
    assert source.environment is not None
    assert SIDECAR_VARIABLES.items() <= sidecar.environment.items()
    assert not SIDECAR_VARIABLES.keys() & source.environment.keys()
