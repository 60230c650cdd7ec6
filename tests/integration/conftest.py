"""The sidecar's rig with a recording Bulker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import TestDatabase
from tests.support.recorder import Recorder, recorder
from tests.support.rig import Rig


@pytest.fixture
def bulker() -> Iterator[Recorder]:
    with recorder() as running:
        yield running


@pytest.fixture
def rig(tmp_path: Path, database: TestDatabase, bulker: Recorder) -> Rig:
    made = Rig(tmp_path, database, bulker.url)
    made.announce()
    return made
