"""Make requests up from docs/reference/openapi.json, and send them to a one-machine edition of their own.

python -m tests.fuzz_api --seconds 300        with a random seed
python -m tests.fuzz_api --seed 1234          the requests of an earlier run
"""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.support.edition_process import edition_process
from tests.support.local_system import python
from tests.support.openapi import IMAGES, ROOT, SWEEP_SECONDS, made_up

FOLDER = ROOT / "build/fuzz-api"


def main() -> int:
    """Return schemathesis' exit code: 0 if every answer was as described."""
    parser = argparse.ArgumentParser(description="Make requests up from docs/reference/openapi.json.")
    parser.add_argument("--seconds", type=int, default=300, help="how long (default: 300)")
    parser.add_argument("--seed", type=int, help="the seed that an earlier run has named")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(2**32)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    garden = python(ROOT / "tests/support/garden_connector.py")
    settings = {"SYNCCTL_ALLOWED_IMAGES": IMAGES, "SYNCCTL_SWEEP_SECONDS": SWEEP_SECONDS}
    with tempfile.TemporaryDirectory() as home:
        with edition_process(Path(home) / "home", {"case/garden": garden}, **settings) as fresh:
            options = ("--seed", str(seed), "--max-time", str(given.seconds), "--report", "har,junit")
            done = made_up(fresh.url, fresh.token, FOLDER, *options)
        (FOLDER / "edition.log").write_text("".join(fresh.output), encoding="utf-8")
    sys.stdout.write(done.stdout)
    if done.returncode:
        sys.stdout.write(f"To send the same again: make fuzz-api SEED={seed}; {FOLDER} has all requests and answers.\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
