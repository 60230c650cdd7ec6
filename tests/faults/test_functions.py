"""Functions that are stopped, and callers that give up, in the middle of a request."""

import json
import signal
import socket
import threading

import pytest

from tests.support.databases import TestDatabase
from tests.support.deployed import environment, read
from tests.support.fake_bulker import wait_for
from tests.support.fake_kubernetes import Answer as Said
from tests.support.fake_kubernetes import Asked, FakeKubernetes
from tests.support.functions import Answer, running
from tests.support.local_system import PACKAGE, VERSION


class Slow:
    """Holds the creation of a pod up until it is told to go on."""

    def __init__(self, api: FakeKubernetes) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        api.fail = self._fail

    def _fail(self, asked: Asked, _: int) -> Said | bool:
        if asked.method == "POST" and asked.path.endswith("/pods"):
            self.begun.set()
            assert self.go_on.wait(60)
        return False


@pytest.mark.fault(25)
def test_sigterm_lets_a_request_end(database: TestDatabase, api: FakeKubernetes) -> None:
    """In the middle of a start: the answer comes, pod and Secret are there, and only then the function is gone."""
    slow, answers = Slow(api), list[Answer]()
    with running("read", **environment(database.url, api)) as server:
        caller = threading.Thread(target=lambda: answers.append(read(server)))
        caller.start()
        assert slow.begun.wait(60)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: b"Handling signal: term" in server.log.read_bytes(), 20, "a server that has heard it")
        assert server.process.poll() is None
        slow.go_on.set()
        caller.join(60)
        assert server.process.wait(30) == 0
    assert [answer.status for answer in answers] == [200]
    assert (len(api.pods), len(api.secrets)) == (1, 1)


@pytest.mark.fault(24)
def test_a_caller_that_gave_up_asks_again(database: TestDatabase, api: FakeKubernetes) -> None:
    """The first attempt goes on without its caller; the second one gets its answer, and there is one pod."""
    slow = Slow(api)
    with running("read", **environment(database.url, api)) as server:
        body = json.dumps({"config": {}, "catalog": {"streams": []}}).encode()
        path = f"/read?package={PACKAGE}&version={VERSION}&syncId=s&taskId=t"
        head = f"POST {path} HTTP/1.1\r\nHost: f\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), 30) as impatient:
            impatient.sendall(head.encode() + body)
            assert slow.begun.wait(60)
        slow.go_on.set()
        wait_for(lambda: api.secrets, 30, "the Secret of the first attempt")
        [row] = database.rows("SELECT extract(epoch FROM created_at)::bigint AS at FROM syncctl_task")
        answer = server.ask("POST", path, body)
    assert (answer.status, answer.json["startedAt"]) == (200, row["at"])
    assert api.verbs().count("POST pods") == 2
    assert len(api.pods) == 1
