"""The table of README.md is what the files are: each case has its kind and its tests, and each test its case."""

import re
from pathlib import Path

from tests.reports.conftest import CASES

HERE = Path(__file__).parent
_ROW = re.compile(r"^\| ([a-z0-9-]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_FILE = re.compile(r"([./a-z_0-9]+\.py)(?::((?: ?`\w+`,?)+))?")


def _table() -> dict[str, dict[str, list[str]]]:
    """By case: the test files and, of each, the tests that are named."""
    rows = _ROW.findall((HERE / "README.md").read_text())
    assert all(kind.strip() for _, kind, _ in rows)
    assert len({case for case, _, _ in rows}) == len(rows)
    return {
        case: {file: re.findall(r"\w+", names) for file, names in _FILE.findall(tests)}
        for case, _, tests in rows
        if case != "case"
    }


def _tests(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE))


def test_each_case_has_a_row_with_tests_that_exist() -> None:
    """Neither a case without tests nor a test that is gone."""
    table = _table()
    assert sorted(table) == sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())
    for case, files in table.items():
        assert files, case
        for file, names in files.items():
            assert set(names) <= _tests(HERE / file), (case, file)


def test_a_case_is_played_by_a_test_of_its_row() -> None:
    """At least one of the row's files names the case's folder."""
    for case, files in _table().items():
        assert any(
            f'"{case}' in (HERE / file).read_text() or f"{case}/" in (HERE / file).read_text() for file in files
        ), case


def test_each_test_about_a_sibling_is_in_the_table() -> None:
    """What is in test_kinds.py closes a kind of some row."""
    named = {name for files in _table().values() for name in files.get("test_kinds.py", [])}
    assert named == _tests(HERE / "test_kinds.py")
