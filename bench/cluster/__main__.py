"""`python -m bench.cluster WHAT`: one measurement on the cluster that KUBECONFIG names.

It deploys the development overlay there first, as the tests of a cluster do. Times share one machine's clock: the
cluster's of `make cluster`, whose pods are processes of the machine that asks.
"""

import argparse
import sys
from collections.abc import Callable

from bench.cluster import cold, images, pods, reads, timeline
from bench.cluster.run import deployed
from tests.cluster.stack import Stack

_WHAT: dict[str, tuple[Callable[[Stack, int], bool], int, str]] = {
    "timeline": (timeline.run, 20, "the steps of a read of 1,000 rows, from the request to the pod's deletion; TASKS"),
    "read": (reads.run, 20, "from the request to the verdict, beside the connector's own time; TASKS of each kind"),
    "cold": (cold.run, 5, "each function from zero instances, with a request that does real work; ROUNDS"),
    "exec": (cold.run_exec, 7, "from exec to the first answer, in a pod with the functions' image; ROUNDS"),
    "stay": (pods.run_stay, 20, "from the end of a pod's last container to its deletion; TASKS"),
    "idle": (pods.run_idle, 20, "how often a function has an instance while nobody asks; MINUTES"),
}


def main() -> int:
    """Measure one thing; exit code 1 if a goal was missed."""
    about = [f"{name}: {text} ({count} without)" for name, (_, count, text) in _WHAT.items()]
    parser = argparse.ArgumentParser(
        prog="python -m bench.cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join([*about, "images: what the images add to their base; needs no running cluster"]),
    )
    parser.add_argument("what", choices=[*_WHAT, "images"], metavar="WHAT", help=", ".join([*_WHAT, "images"]))
    parser.add_argument("count", type=int, nargs="?", help="how many tasks, rounds or minutes")
    given = parser.parse_args()
    if given.what == "images":
        return 0 if images.run() else 1
    running = deployed()
    if running is None:
        parser.error("KUBECONFIG names no cluster; `make cluster` starts one")
    measure, count, _ = _WHAT[given.what]
    return 0 if measure(running, given.count or count) else 1


if __name__ == "__main__":
    sys.exit(main())
