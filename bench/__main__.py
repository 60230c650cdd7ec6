"""`python -m bench`: all benches, or those named."""

import argparse
import importlib
import sys

NAMES = ("coldstart", "sidecar", "endtoend", "sweep", "starts", "syncs", "retention", "console")
BY_NAME = ("cluster",)
"""What runs only when it is named: it deploys to the cluster that KUBECONFIG names, which others may use."""


def main() -> int:
    """Runs the benches one after another; exit code 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(NAMES)}, which run without a name, and {', '.join(BY_NAME)}",
    )
    parser.add_argument("--quick", action="store_true", help="less data, fewer shapes: to see that it works")
    parser.add_argument("--profile", action="store_true", help="print the sidecar's profile, and measure nothing else")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {*NAMES, *BY_NAME}:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join([*NAMES, *BY_NAME])}")
    if arguments.profile:
        importlib.import_module("bench.sidecar").profile()
        return 0
    met = [importlib.import_module(f"bench.{name}").run(quick=arguments.quick) for name in arguments.names or NAMES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
