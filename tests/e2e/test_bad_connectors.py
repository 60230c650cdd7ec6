"""Connectors that misbehave, through HTTP, real pods, the real sidecar and the real warehouse: the row says why."""

import pytest

from tests.support.edition_process import EditionProcess
from tests.support.sidecar_process import catalog


@pytest.mark.parametrize(
    ("mode", "state", "stored", "why"),
    [
        ("ok", "SUCCESS", 1, ""),
        ("nothing", "FAILED", None, "never mentioned|printed nothing"),
        ("noise", "FAILED", None, "loading plugin 199"),
        ("dies", "FAILED", None, "exit code 137"),
        ("usage", "FAILED", None, "usage: source-bad"),
        ("long", "PARTIAL", 1, r"record 2 of stream plants was refused: its line has 11,000,\d+ bytes"),
        ("utf8", "PARTIAL", 1, "record 2 of stream plants was refused: it is not valid UTF-8"),
        ("unknown", "PARTIAL", 1, "weeds"),
        ("early", "PARTIAL", 3, "the source counted 3 records up to its checkpoint, and 1 arrived"),
        ("late", "PARTIAL", 2, "1 records came after the source had called the stream complete"),
    ],
)
def test_the_row_says_what_went_wrong(
    edition: EditionProcess, mode: str, state: str, stored: int | None, why: str
) -> None:
    """State, rows in the table, and a reason that a user can act on."""
    body = {"config": {"mode": mode}, "catalog": catalog("plants")}
    task = edition.read("case/bad:1", body, tableNamePrefix=f"{mode}_")
    assert task["state"] == state, task
    import re

    assert re.search(why, task["reason"]) if why else task["reason"] == ""
    if stored is None:
        assert not edition.has_table(f"{mode}_plants")
    else:
        assert edition.rows(f'SELECT count(*) FROM "{mode}_plants"') == [(stored,)]
        assert task["streams"]["plants"]["stored"] == stored
    edition.idle()


def test_a_package_that_is_not_known(edition: EditionProcess) -> None:
    """Anybody could publish it: the row names it, and says what to try."""
    task = edition.read("airbyte/source-no-such-thing-at-all:1.0.0", {"config": {}, "catalog": catalog("plants")})
    assert task["state"] == "FAILED"
    assert "source-no-such-thing-at-all" in task["reason"]
    assert "SYNCCTL_CONNECTOR_PACKAGES=airbyte/source-no-such-thing-at-all" in task["reason"]
    assert "--image" in task["reason"]
    assert task["failure"]["kind"] == "image_name"
