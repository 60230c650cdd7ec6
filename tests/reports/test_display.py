"""Texts of a connector, shown as they are: HTML is no HTML.

That brackets are no markup and escapes do nothing (cli-square-brackets-in-logs) is in tests/e2e/test_syncctl_edition.py.
"""

import json
from pathlib import Path

from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import FakeBulker
from tests.support.functions import running
from tests.support.local_system import PACKAGE, REPLAY, local_system, other_task, python, read_task


def test_security_html_from_a_connector(tmp_path: Path, database: TestDatabase, bulker: FakeBulker) -> None:
    """Spec, check and read full of HTML: answers are JSON that no browser takes for a page."""
    case = CASES / "security-html-from-a-connector"
    with local_system(tmp_path, database, bulker.url, {PACKAGE: python(REPLAY, str(case))}) as place:
        spec = place.run(other_task("spec"))
        check = place.run(other_task("check"))
        read = place.run(read_task(body={"catalog": json.loads((case / "catalog.json").read_text())}))
    assert "<img src=x onerror" in spec["result"]["connectionSpecification"]["title"]
    assert check["state"] == "FAILED"
    assert check["reason"].startswith("<img src=https://example.test/x")
    assert read["streams"]["<b id=owned>s</b>"]["stored"] == 1
    with running("tasks", token="t", SYNCCTL_DATABASE_URL=database.url) as server:
        answer = server.ask("GET", f"/tasks/{read['taskId']}")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
