"""Run a declared sync and wait for its end, with Python alone. A program, and a module for other orchestrators.

    SYNCCTL_URL=http://127.0.0.1:3043 SYNCCTL_TOKEN=... python run_sync.py orders --task-id orders-2026-11-30-1

Exit code 0: SUCCESS. 1: any other end, or it cannot be started, with the reason. When it is asked to end (SIGTERM,
Ctrl-C), it cancels the task first. The taskId is the caller's own: one that was cut off goes on with the same id.
"""

import argparse
import json
import os
import signal
import sys
import time
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, NoReturn
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

AGAIN = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Statuses after which the same request may be repeated; the taskId makes that safe."""
ENDS = {"SUCCESS", "PARTIAL", "FAILED", "CANCELLED"}
POLL_SECONDS = 5.0
PATIENCE_SECONDS = 600.0
"""How long a deployment may be out of reach."""
LAST_SECONDS = 20.0
"""The same for a cancel: a program that is asked to end is killed soon."""


class SyncFailed(Exception):
    """The task ended otherwise than with SUCCESS, or could not be started; says why."""


class Deployment:
    """A deployment's address and token."""

    def __init__(self, url: str, token: str, poll_seconds: float = POLL_SECONDS) -> None:
        self._url, self._token, self._poll_seconds = url.rstrip("/"), token, poll_seconds

    @classmethod
    def from_environment(cls) -> "Deployment":
        """Return the deployment of SYNCCTL_URL and SYNCCTL_TOKEN."""
        poll_seconds = float(os.environ.get("SYNCCTL_POLL_SECONDS", POLL_SECONDS))
        return cls(os.environ["SYNCCTL_URL"], os.environ.get("SYNCCTL_TOKEN", ""), poll_seconds)

    def start(self, sync: str, task_id: str) -> None:
        """Start a declared sync. With a taskId that has started already, do nothing."""
        self._ask("POST", f"/syncs/{quote(sync, safe='')}/run", taskId=task_id)

    def wait(self, task_id: str) -> dict[str, Any]:
        """Return the task once it has ended with SUCCESS. Raise SyncFailed with the reason of any other end."""
        while True:
            task: dict[str, Any] = self._ask("GET", f"/tasks/{quote(task_id, safe='')}", logs="1")["task"]
            if task["state"] in ENDS:
                break
            time.sleep(self._poll_seconds)
        if task["state"] != "SUCCESS":
            failure = task["failure"] or {}
            raise SyncFailed(f"{task_id} ended {task['state']}: {task['reason']} {failure.get('advice', '')}".strip())
        return task

    def cancel(self, task_id: str) -> None:
        """End a task. One that is over stays as it is, and one that never began needs no end."""
        try:
            self._ask("GET", "/cancel", LAST_SECONDS, taskId=task_id)
        except SyncFailed as error:
            sys.stderr.write(f"Not cancelled: {error}\n")

    def run(self, sync: str, task_id: str) -> dict[str, Any]:
        """Start a sync and wait for its end; cancel it if this is interrupted."""
        try:
            self.start(sync, task_id)
            return self.wait(task_id)
        except SyncFailed:
            raise
        except BaseException:  # KeyboardInterrupt, SystemExit, and what orchestrators raise
            self.cancel(task_id)
            raise

    def _ask(self, method: str, path: str, patience_seconds: float = PATIENCE_SECONDS, **query: str) -> Any:
        """Return the answer to a request; repeat it while the deployment is out of reach."""
        request = Request(f"{self._url}{path}?{urlencode(query)}", method=method)
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        deadline = time.monotonic() + patience_seconds
        while True:
            pause = self._poll_seconds
            try:
                with urlopen(request, timeout=100) as answer:
                    return json.load(answer)
            except HTTPError as error:
                why, asked = _words(error), error.headers.get("Retry-After", "")
                if error.code not in AGAIN or time.monotonic() > deadline:
                    raise SyncFailed(why) from error
                pause = max(pause, float(asked) if asked.isdigit() else 0)
            except (OSError, HTTPException, ValueError) as error:  # away, or an answer that broke off
                if time.monotonic() > deadline:
                    raise SyncFailed(f"The deployment cannot be reached: {error}") from error
            time.sleep(pause)


def _words(error: HTTPError) -> str:
    """Return the deployment's own words of why it refuses, or the status, if something in between has answered."""
    try:
        with error:
            return str(json.load(error)["error"])
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return f"{error.code} {error.reason}"


def _interrupted(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def main() -> int:
    """Run a sync; return the exit code."""
    parser = argparse.ArgumentParser(description="Run a declared sync and wait for its end.")
    parser.add_argument("sync", help="name of the declared sync")
    parser.add_argument("--task-id", required=True, help="the run's own id; each attempt needs another one")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    deployment = Deployment.from_environment()
    try:
        task = deployment.run(given.sync, given.task_id)
    except SyncFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    rows = sum(stream["stored"] for stream in task["streams"].values())
    print(f"{given.task_id} ended SUCCESS: {rows:,} rows.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
