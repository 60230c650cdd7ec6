"""Run the property tests with new examples, round after round, until the time is over or one fails.

python -m tests.fuzz --seconds 300        rounds with random seeds
python -m tests.fuzz --seed 1234          one round, as it was
"""

import argparse
import random
import subprocess
import sys
import time

PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-m",
    "hypothesis",
    "--ignore",
    "tests/cluster",
    "--ignore",
    "tests/fresh",
)


def main() -> int:
    """Return the exit code of the first round that fails, else 0."""
    parser = argparse.ArgumentParser(description="Run the property tests with new examples.")
    parser.add_argument("--seconds", type=float, default=300, help="no round begins after this time (default: 300)")
    parser.add_argument("--seed", type=int, help="run one round with the seed that an earlier run has named")
    parser.add_argument("--workers", default="2", help="processes that run tests side by side (default: 2)")
    given = parser.parse_args()
    began = time.monotonic()
    rounds = 0
    while True:
        seed = given.seed if given.seed is not None else random.randrange(2**32)
        rounds += 1
        _say(f"round {rounds}, seed {seed}")
        options = ("--hypothesis-profile", "fuzz", "--hypothesis-seed", str(seed), "-n", given.workers)
        if code := subprocess.run([*PYTEST, *options], check=False).returncode:
            _say(f"A property does not hold. To try the same examples again: make fuzz SEED={seed}")
            return code
        if given.seed is not None or time.monotonic() - began > given.seconds:
            _say(f"{rounds} rounds without a failure in {time.monotonic() - began:.0f} s")
            return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
