"""`python -m bench.sweep.once`: one sweep with the settings on stdin (JSON), in a process of its own.

Prints what it came to, its seconds, and this process's memory before it and at its peak.
"""

import json
import sys
import time
from pathlib import Path

import msgspec
import psutil

from common.settings import Settings
from common.sweep.sweep import sweep


def main() -> None:
    """Imports and connections of a warm function are start-up, measured apart; one to Postgres is a sweep's own."""
    from common.cluster import connect

    settings = Settings.load(json.load(sys.stdin))
    connect(settings).get_pod("none")
    for _ in range(int(sys.argv[1]) - 1 if sys.argv[1:] else 0):
        sweep(settings)  # what the measured one then has in memory
    before = psutil.Process().memory_info().rss
    began, worked = time.perf_counter(), time.process_time()
    swept = sweep(settings)
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    # Not ru_maxrss: that is also what the process had at most which this one was forked from.
    [peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    result = {"seconds": seconds, "cpu_seconds": cpu, "before_mb": before / 1e6, "peak_mb": int(peak) * 1024 / 1e6}
    sys.stdout.write(json.dumps(result | msgspec.to_builtins(swept)))


if __name__ == "__main__":
    main()
