"""`python -m tools.survey [FOLDER]`: ask the connectors that FOLDER has no answer of, then write the page.

What was asked is kept, so an interrupted survey goes on. Remove a file of FOLDER, or all, to ask again.
"""

import logging
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from common.errors import SyncError
from embedded import files
from embedded.edition import Edition
from syncctl.api.client import Deployment
from syncctl.commands.embedded import set_up_process
from tools.survey import answers
from tools.survey.ask import Surveyor
from tools.survey.page import page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/connectors.md"


def _report(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def survey(folder: Path) -> None:
    """Ask what is missing."""
    names = answers.names()
    missing = [name for name in names if answers.load(folder, name) is None]
    _report(f"{len(names) - len(missing)} of {len(names)} connectors have answered before; {folder} has their answers.")
    if not missing:
        return
    with Edition(folder / "home", 0, {}, _report) as edition, Deployment(edition.url, edition.token) as deployment:
        surveyor = Surveyor(edition, deployment)
        for number, name in enumerate(missing, start=len(names) - len(missing) + 1):
            answer = surveyor.ask(name)
            answers.save(folder, answer)
            outcome = answer.why or f"Python {answer.python}, {answer.fields} fields; check: {answer.checked}"
            _report(f"[{number}/{len(names)}] {name} {answer.version}: {outcome}")


def main(arguments: list[str]) -> int:
    """Run the survey; return 1 if it could not."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per request
    set_up_process()
    folder = Path(arguments[0] if arguments else ROOT / "build/survey").absolute()
    try:
        files.own_folder(folder)
        survey(folder)
    except SyncError as error:
        _report(error.message)
        return 1
    except KeyboardInterrupt:
        _report("Interrupted; the next survey goes on from here.")
        return 130
    month = f"{datetime.now(UTC):%B %Y}"
    found = list(answers.every(folder))
    PAGE.write_text(page(found, month, platform.python_version(), len(answers.names())), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
