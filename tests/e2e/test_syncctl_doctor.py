"""`syncctl doctor machine` while an edition runs."""

import json
from urllib.parse import urlsplit

from tests.support.edition_process import EditionProcess
from tests.support.terminal import run


def test_an_edition_that_runs_is_well(edition: EditionProcess) -> None:
    """Its port answers, and its Postgres is asked."""
    words = ("doctor", "machine", "--home", str(edition.home), "--port", str(urlsplit(edition.url).port), "--json")
    done = run("", *words)
    found = {one["check"]: (one["level"], one["message"]) for one in json.loads(done.out)["findings"]}
    assert (done.code, {level for level, _ in found.values()}) == (0, {"ok"}), found
    assert found["edition"][1].startswith("An edition runs on ")
    assert "answers at port" in found["port"][1]
    assert "connections are taken" in found["postgres"][1]
