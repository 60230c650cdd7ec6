"""tools/survey: what it asks, what it keeps, and the page that it writes."""

from pathlib import Path

from embedded.connectors import published
from tests.support.docs import ROOT, rows
from tools.survey import answers
from tools.survey.answers import Answer, Verdict
from tools.survey.page import page

GOOD = Answer(
    "source-good", "1.2.0", ">=3.10", "3.11.7", "6.33.6", "runs with x 2 instead of 1", 12.4,
    Verdict.ANSWERED, Verdict.ANSWERED, 3, Verdict.ANSWERED, "FAILED: 'key' is a <required> property | `x`",
)  # fmt: skip
BROKEN = Answer("source-broken", "0.1.0", installs=Verdict.FAILED, why="there is no version of y==1")
MUTE = Answer("source-mute", "2.0.0", installs=Verdict.ANSWERED, spec=Verdict.FAILED, python="3.10.1", why="silence")


def test_it_asks_forty_that_may_be_installed() -> None:
    """Each once, and all by their packages' names."""
    names = answers.names()
    assert len(names) == len(set(names)) == 40
    assert set(names) <= published.known()


def test_an_interrupted_survey_goes_on(tmp_path: Path) -> None:
    """An answer is there or not; half a file is not."""
    answers.save(tmp_path, GOOD)
    (tmp_path / "source-mute.json").write_text('{"name":')
    assert answers.load(tmp_path, "source-good") == GOOD
    assert answers.load(tmp_path, "source-mute") is None
    assert answers.load(tmp_path, "source-broken") is None


def test_the_page_shows_each_and_why_not() -> None:
    """What connectors wrote cannot break the table; the counts are of those that were asked."""
    text = page([GOOD, BROKEN, MUTE], "November 2026", "3.11.7", 40)
    assert "Of 3, 2 install, 1 answer `spec`, 1 answer `check`. 37 more are listed, and were not asked yet." in text
    assert (
        "| source-good | 1.2.0 | 6.33.6 | 3.11.7 | 12 | 3 fields | FAILED: 'key' is a &lt;required> property &#124; \\`x\\` |\n"
        in text
    )
    assert "| source-broken | install | there is no version of y==1 |" in text
    assert "| source-mute | spec | silence |" in text
    assert "| source-good | runs with x 2 instead of 1 |" in text


def test_the_page_that_is_there_is_of_the_list() -> None:
    """Asked or not, no other connector is on it."""
    text = (ROOT / "docs/reference/connectors.md").read_text(encoding="utf-8")
    assert {row[0] for row in rows(text)} <= set(answers.names())
