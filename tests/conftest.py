"""Real parts for all tests: one Postgres per test process, a database of its own per test."""

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from common.store import Database
from embedded import settings
from embedded.postgres.binaries import SETTINGS
from embedded.postgres.server import Postgres
from tests.support.canaries import no_file_keeps_a_secret, pytest_runtest_makereport
from tests.support.databases import TestDatabase, plant_password
from tests.support.fake_bulker import FakeBulker, fake_bulker
from tests.support.sidecar_process import SidecarProcess

__all__ = ["no_file_keeps_a_secret", "pytest_runtest_makereport"]  # found here by pytest

# No test fails for the time that it takes, and every run of the tests tries the same examples. New ones come with
# `make fuzz`, which names the seed to try them again with.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("fuzz", deadline=None, database=None, max_examples=400)
hypothesis.settings.load_profile("project")

# A shell that starts the tests in the background leaves SIGINT ignored, and programs inherit that: those under
# test have to be interruptible all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server with one template database that has all tables."""
    with pytest.MonkeyPatch.context() as patch:
        # None of its rows has to outlive a crash of this machine.
        patch.setitem(SETTINGS, "fsync", "off")
        started = Postgres.start(tmp_path_factory.mktemp("postgres"))
    with started as server:
        server.url = plant_password(server.url)
        TestDatabase.make_template(server.url)
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[TestDatabase]:
    """A fresh copy of the template; the tables are in schema newjitsu, as the callers' consoles have them."""
    test_database = TestDatabase.clone(postgres.url)
    yield test_database
    test_database.drop()


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[TestDatabase]:
    """A database without any table or schema of ours."""
    test_database = TestDatabase.clone(postgres.url, template="template1")
    yield test_database
    test_database.drop()


@pytest.fixture
def db(database: TestDatabase) -> Iterator[Database]:
    """A connection of the product's own kind to the test's database."""
    with Database(database.url) as connection:
        yield connection


@pytest.fixture(scope="session")
def connectors_cache() -> Path:
    """Installed connectors are shared between tests and test runs: installing takes seconds."""
    return settings.connectors_folder()


@pytest.fixture
def bulker() -> Iterator[FakeBulker]:
    """A Bulker that records what it is sent."""
    with fake_bulker() as running:
        yield running


@pytest.fixture
def sidecar(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> SidecarProcess:
    """The sidecar alone, its task announced, in front of the recording Bulker."""
    made = SidecarProcess(tmp_path, database, bulker.url)
    made.announce()
    return made
