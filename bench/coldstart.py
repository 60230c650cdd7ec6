"""Exec to the first answer of each function, against a bare functions-framework function."""

import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.results import Goal, publish

ROOT = Path(__file__).parent.parent
FUNCTIONS = ("spec", "check", "discover", "read", "tasks")
BARE = """import functions_framework
@functions_framework.http
def bare(request): return "ok"
"""
GOAL = 2.0


def run(*, quick: bool) -> bool:
    """Alternates the functions, so that the machine's drift meets all of them."""
    rounds = 3 if quick else 7
    seconds: dict[str, list[float]] = {name: [] for name in ("bare", *FUNCTIONS)}
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "main.py"
        bare.write_text(BARE)
        for _ in range(rounds):
            for name, times in seconds.items():
                times.append(_first_answer(name, bare if name == "bare" else ROOT / f"functions/{name}/main.py"))
    median = {name: statistics.median(times) for name, times in seconds.items()}
    rows = [
        (name, value, min(seconds[name]), max(seconds[name]), value / median["bare"]) for name, value in median.items()
    ]
    goals = [Goal("cold-start-read-ratio", median["read"] / median["bare"], GOAL, at_most=True)]
    return publish(
        "coldstart", ("function", "median s", "min s", "max s", "ratio to bare"), rows, goals, bars="median s"
    )


def _first_answer(name: str, source: Path) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("functions-framework")), "--source", str(source), "--target", name]
    environment = {"PATH": os.defpath, "SYNCCTL_RAW_AUTH_TOKENS": "t"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", "/health")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return time.perf_counter() - began
            except OSError:
                time.sleep(0.002)
            finally:
                connection.close()
            if time.perf_counter() - began > 60:
                raise RuntimeError(f"{name} did not answer within a minute")
    finally:
        process.terminate()
        process.wait()
