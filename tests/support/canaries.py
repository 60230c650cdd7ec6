"""One value that stands for every secret of the suite: wherever it turns up but where it belongs, a secret leaked.

Fixtures and helpers plant it as the callers' token, the database's password, Bulker's token, and a secret of the
configuration. It is searched for, as text and in base64, in all that tests print and log (a hook), in HTTP answers
and the output of processes (where they are read), in each database before it is dropped, and in the files that a
whole run leaves (at its end). tests/conftest.py brings the hook and the last search to every test process.
"""

import base64
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

MARK = "c4nary5e1f0b27"
CONFIG, TOKEN, DATABASE, BULKER = (f"{kind}-{MARK}" for kind in ("config", "token", "database", "bulker"))

# Where a secret belongs: what a connector is given, a pod's Secret, a kubeconfig, the file with the callers' token.
_OWNERS = re.compile(r"(^|/)(config|config\.json|token|(volumes|secrets)/.*)$")
_CHUNK = 1 << 20


def spellings(secret: str) -> list[str]:
    """The secret as text, and what its middle is in base64, wherever a group of three bytes begins."""
    encoded = [base64.b64encode(b"x" * shift + secret.encode()).decode() for shift in range(3)]
    return [secret, *(text[4:-4] for text in encoded)]


def pattern(*secrets: str) -> re.Pattern[bytes]:
    """Finds any spelling of any of them."""
    return re.compile("|".join(re.escape(one) for secret in secrets for one in spellings(secret)).encode())


_MARK = pattern(MARK)


def refuse(where: str, *texts: str | bytes | None, search: re.Pattern[bytes] = _MARK) -> None:
    """Fails if one of these texts holds a planted secret, and shows what is around it."""
    for text in texts:
        data = text if isinstance(text, bytes) else (text or "").encode("utf-8", "surrogatepass")
        if found := search.search(data):
            around = data[max(found.start() - 120, 0) : found.end() + 40].decode(errors="replace")
            raise AssertionError(f"A secret is in {where}: ...{around}...")


def refuse_files(folder: Path, owners: re.Pattern[str] = _OWNERS, search: re.Pattern[bytes] = _MARK) -> None:
    """The same for all files of a folder, except those where a secret belongs."""
    for path in _files(folder):
        name = str(path.relative_to(folder))
        if not owners.search(name):
            try:
                data = path.read_bytes()
            except OSError:
                continue  # gone by now
            refuse(name, name, data, search=search)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        if "PG_VERSION" in names:
            folders.clear()  # a Postgres: its tables are searched instead
            continue
        yield from (path for name in names if (path := Path(parent, name)).is_file() and not path.is_symlink())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    """A test that prints or logs a planted secret fails, whatever else it found."""
    report = yield
    try:
        texts = [text for name, text in report.sections if name.endswith(report.when)]
        refuse(f"what the test printed or logged ({report.when})", *texts)
    except AssertionError as error:
        report.outcome, report.longrepr = "failed", str(error)
    return report


@pytest.fixture(scope="session", autouse=True)
def no_file_keeps_a_secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end of a test process: all that its tests left in their folders."""
    yield
    refuse_files(tmp_path_factory.getbasetemp())
