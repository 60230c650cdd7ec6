"""The one-machine edition as a user runs it: `syncctl serve` in a process of its own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support import canaries
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for

_BIN = Path(sys.executable).parent


class EditionProcess:
    """A running edition: `ask` its endpoints, `read` to the end, look into its warehouse."""

    def __init__(self, home: Path, process: "subprocess.Popen[str]") -> None:
        self.home, self.process = home, process
        self.output: list[str] = []
        self.answers: list[bytes] = []
        self.url = self.token = ""

    def ask(
        self, path: str, body: Any = None, method: str = "", token: str | None = None, **query: str
    ) -> tuple[int, Any]:
        """One request; returns (status, JSON)."""
        target = f"{self.url}{path}?{urllib.parse.urlencode(query)}" if query else self.url + path
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        request = urllib.request.Request(target, data, headers, method=method or ("GET" if data is None else "POST"))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, said = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:  # Python 3.14 warns of one that is left to the finalizer
                status, said = refused.code, refused.read()
        canaries.refuse("an answer", said)
        self.answers.append(said)
        return status, json.loads(said)

    def finish(self, task_id: str, seconds: float = 90.0) -> dict[str, Any]:
        """Polls a task to its end."""

        def over() -> Any:
            _, answer = self.ask(f"/tasks/{urllib.parse.quote(task_id, safe='')}")
            return answer["task"] if answer["task"]["state"] not in {"PENDING", "RUNNING"} else None

        task: dict[str, Any] = wait_for(over, seconds, f"the end of {task_id}")
        return task

    def run(self, command: str, image: str, body: Any, seconds: float = 90.0, **query: str) -> dict[str, Any]:
        """Starts a task and waits for its end."""
        package, _, version = image.rpartition(":")
        method = "GET" if command == "spec" else "POST"
        status, answer = self.ask(
            f"/{command}", None if command == "spec" else body, method, package=package, version=version, **query
        )
        assert status == 200, answer
        return self.finish(answer["taskId"], seconds)

    def read(self, image: str, body: Any, sync: str = "", seconds: float = 90.0, **query: str) -> dict[str, Any]:
        """A read under a fresh taskId."""
        return self.run("read", image, body, seconds, syncId=sync or uuid4().hex, taskId=str(uuid4()), **query)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Runs SQL on the warehouse's file, as a user would."""
        return look_into(self.home / "warehouse.duckdb", sql)

    def has_table(self, name: str) -> bool:
        """Whether the warehouse has this table; without any, there is no file either."""
        if not (self.home / "warehouse.duckdb").exists():
            return False
        return self.rows(f"SELECT count(*) FROM information_schema.tables WHERE table_name = '{name}'") == [(1,)]

    def database(self) -> TestDatabase:
        """A look into the edition's own Postgres."""
        folder = self.home / "postgres"
        port = (folder / "data/postmaster.pid").read_text().splitlines()[3]
        return TestDatabase(f"postgresql://sync:{(folder / 'password').read_text().strip()}@127.0.0.1:{port}/", "sync")

    def idle(self) -> None:
        """Waits until no pod is left."""
        wait_for(lambda: not list((self.home / "pods/pods").iterdir()), 30, "no pod")


def look_into(warehouse: Path, sql: str) -> list[tuple[Any, ...]]:
    """Runs SQL on a warehouse's file, once nobody else has it open."""
    import duckdb  # noqa: TID251 - tests look past the product's own code

    def attempt() -> Any:
        try:
            with duckdb.connect(str(warehouse), read_only=True) as connection:
                return [connection.execute(sql).fetchall()]
        except duckdb.IOException:
            return None

    found: list[list[tuple[Any, ...]]] = wait_for(attempt, 20, "the warehouse's file")
    return found[0]


def launched(home: Path, images: Mapping[str, str], **environment: str) -> "subprocess.Popen[str]":
    """The process of an edition on a free port, which may not be up yet; it opens to the planted token."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / "token").exists():
        (home / "token").touch(mode=0o600)
        (home / "token").write_text(canaries.TOKEN)
    arguments = [f"--image={image}={command}" for image, command in images.items()]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SYNCCTL_")}  # noqa: TID251 - a child gets the tests' own
    return subprocess.Popen(
        [str(_BIN / "syncctl"), "serve", "--port", "0", "--home", str(home), *arguments],
        env=inherited | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


@contextlib.contextmanager
def edition_process(home: Path, images: Mapping[str, str], **environment: str) -> Iterator[EditionProcess]:
    """Starts an edition on a free port and stops it as Ctrl-C does."""
    process = launched(home, images, **environment)
    running = EditionProcess(home, process)
    reader = threading.Thread(target=_collect, args=(process, running.output))
    reader.start()
    try:
        running.url = wait_for(lambda: _find(running), 60, "the edition's address")
        running.token = (home / "token").read_text().strip()
        yield running
        if process.poll() is None and (home / "postgres/data/postmaster.pid").exists():
            running.database().refuse_secrets()
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(40)
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join()
        if process.stdout:
            process.stdout.close()
    canaries.refuse("the edition's output", *running.output)


def _collect(process: "subprocess.Popen[str]", output: list[str]) -> None:
    assert process.stdout is not None
    output.extend(iter(process.stdout.readline, ""))


def _find(running: EditionProcess) -> str:
    if running.process.poll() is not None:
        raise AssertionError("the edition ended: " + "".join(running.output))
    found = re.search(r"answers at (http://\S+?);? ", "".join(running.output))
    return found.group(1) if found else ""


def processes_of(home: Path) -> list[str]:
    """Command lines of processes that still work in a home folder (or carry its name)."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.info["cmdline"] or ())
            inside = str(home) in words or process.cwd().startswith(str(home))
            if inside and process.pid != os.getpid():
                found.append(f"{process.pid} {words}")
    return found
