"""Webhooks from the rows of tasks to a real HTTP server: what is notified, to whom, how often. Real Postgres."""

import base64
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import ClusterUnavailable, SyncsNotInstalled
from common.failures import Failure, FailureKind
from common.outbox import deliver as deliver_module
from common.outbox import post, targets
from common.outbox.deliver import Delivered, deliver
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Database, Outcome, Task, TaskState, outcomes, tasks
from embedded.credentials import Credentials
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images
from tests.support.databases import TestDatabase
from tests.support.docs import read
from tests.support.fake_bulker import FakeBulker
from tests.support.local_system import PACKAGE, Broken, connector, local_system, read_task
from tests.support.syncs import document
from tests.support.webhooks import Arrived, Receiver, receiver

HERE = "here"
WHY = Failure(FailureKind.CONFIG_ERROR, "the API key is refused")
KEY = base64.b64encode(bytes(range(32))).decode()
SUCCESS, PARTIAL, FAILED, CANCELLED = TaskState.SUCCESS, TaskState.PARTIAL, TaskState.FAILED, TaskState.CANCELLED


class Site:
    """A deployment whose tasks end as a test wants; sweeps deliver when it says."""

    def __init__(self, db: Database, database: TestDatabase, cluster: LocalCluster, secrets: Credentials) -> None:
        self.db, self.database, self.secrets = db, database, secrets
        self.cluster: Any = cluster
        self._numbers = iter(range(1, 1_000))

    def ends(self, *states: TaskState, sync: str = "nightly", command: Command = Command.READ) -> None:
        """One task after the other."""
        for state in states:
            self._end(
                Task(
                    command=command,
                    task_id=f"t{next(self._numbers)}",
                    package=PACKAGE,
                    version="1",
                    started_at=1_790_000_000,
                    sync_id=sync if command is Command.READ else "",
                    storage_key="" if command is Command.READ else sync,
                ),
                Outcome(state, reason=WHY.message, failure=None if state is SUCCESS else WHY),
            )

    def _end(self, task: Task, outcome: Outcome) -> None:
        row = {"pod_name": task.task_id, "request_hash": "h", "data_plane": HERE}
        self.db.transact(lambda db: tasks.begin(db, task, **row))
        assert self.db.transact(lambda db: outcomes.conclude(db, task, outcome))

    def deliver(self, **settings: str) -> Delivered:
        given = {"ALLOWED_HOSTS": "127.0.0.1"} | settings
        loaded = Settings.load({f"SYNCCTL_WEBHOOK_{name}": value for name, value in given.items()})
        return deliver(self.db, HERE, targets.of(loaded, self.cluster))

    def later(self) -> None:
        """The pauses between attempts are over."""
        self.database.rows("UPDATE syncctl_delivery SET next_at = now()")

    def declare(self, name: str, *notify: dict[str, Any]) -> None:
        """A sync that notifies."""
        self.cluster.put_sync(document(name, notify=list(notify)), "")

    def left(self) -> int:
        [row] = self.database.rows(
            "SELECT (SELECT count(*) FROM syncctl_event) + (SELECT count(*) FROM syncctl_delivery) AS n"
        )
        return int(row["n"])


@pytest.fixture
def site(db: Database, database: TestDatabase, tmp_path: Path) -> Iterator[Site]:
    cluster = LocalCluster(
        tmp_path / "pods", Images(cache=str(tmp_path)), "sidecar", {}, credentials=tmp_path / "secrets"
    )
    yield Site(db, database, cluster, Credentials(tmp_path / "secrets"))
    cluster.close()


@pytest.fixture
def chat() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def pager() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def notify(*when: str, key: str = "chat", **fields: Any) -> dict[str, Any]:
    """An entry of spec.notify."""
    return {"webhook": {"url": ref(key), **fields}, "when": list(when)}


def ref(key: str) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": "credentials-notify", "key": key}}}


def ids(arrived: list[Arrived]) -> list[str]:
    return [request.headers["webhook-id"] for request in arrived]


NIGHTS = (SUCCESS, FAILED, FAILED, CANCELLED, FAILED, SUCCESS, PARTIAL, SUCCESS, FAILED)
FIRST, AGAIN = (
    f"Sync nightly failed{again}: the API key is refused; correct the configuration; `check` tries it without reading anything."
    for again in ("", " again")
)
PART = "Sync nightly was read in part (0 rows stored): the API key is refused; correct the configuration; `check` tries it without reading anything."
WELL = "Sync nightly has recovered: 0 rows stored."
WHEN = [
    ("failed,partial,recovered", [FIRST, AGAIN, AGAIN, WELL, PART, WELL, FIRST]),
    ("failed", [FIRST, AGAIN, AGAIN, FIRST]),
    ("first_failure, recovered", [FIRST, WELL, WELL, FIRST]),
    ("partial", [PART]),
]


@pytest.mark.parametrize(("when", "expected"), WHEN)
def test_what_a_deployment_s_webhook_is_called_for(site: Site, chat: Receiver, when: str, expected: list[str]) -> None:
    """Of reads alone: a sync has them. What nobody is notified of leaves nothing behind."""
    for state in NIGHTS:
        site.ends(state)
        site.deliver(URL=chat.url, WHEN=when)
    site.ends(FAILED, command=Command.CHECK)
    assert site.deliver(URL=chat.url, WHEN=when) == Delivered()
    assert chat.texts() == expected
    assert site.left() == 0


@pytest.mark.fault(523)
def test_a_receiver_that_is_away_gets_everything_in_order(site: Site, chat: Receiver) -> None:
    """Repeats have the same id and body, and a new time; what each sync's order is, stays."""
    chat.answers = [503, 404]
    site.ends(FAILED)
    site.ends(FAILED, sync="other")
    assert site.deliver(URL=chat.url) == Delivered(failed=2)
    site.ends(SUCCESS)
    before = chat.take()
    site.later()
    site.deliver(URL=chat.url)
    after = chat.take()
    assert sorted(ids(before)) == ["t1/1/failed", "t2/1/failed"]
    assert sorted(ids(after)) == ["t1/1/failed", "t2/1/failed", "t3/1/recovered"]
    assert {one.headers["webhook-id"]: one.body for one in before}.items() <= {
        one.headers["webhook-id"]: one.body for one in after
    }.items()
    assert site.left() == 0


def test_a_signature_as_the_page_verifies_it(site: Site, chat: Receiver) -> None:
    """The ten lines of docs/how-to/be-notified.md take what arrives, and nothing that was changed or is old."""
    code = re.search(r"```python\n(.*?)```", read("docs/how-to/be-notified.md"), re.DOTALL)
    assert code is not None
    lines = [line for line in code[1].splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 10
    names: dict[str, Any] = {}
    exec(code[1], names)  # noqa: S102 - what a reader copies
    verify = names["verify"]
    site.ends(FAILED)
    other = base64.b64encode(bytes(32)).decode()
    site.deliver(URL=chat.url, SECRET=f"whsec_{other},{KEY}")
    [arrived] = chat.take()
    for key in (KEY, f"whsec_{other}"):
        assert verify(arrived.headers, arrived.body, key)["data"]["syncId"] == "nightly"
    old = {**arrived.headers, "webhook-timestamp": str(int(time.time()) - 301)}
    for headers, body, key in (
        (arrived.headers, arrived.body + b" ", KEY),
        (old, arrived.body, KEY),
        ({**arrived.headers, "webhook-id": "another"}, arrived.body, KEY),
        (arrived.headers, arrived.body, base64.b64encode(b"another key, of 24 bytes").decode()),
    ):
        with pytest.raises(ValueError, match="signature"):
            verify(headers, body, key)


def test_a_sync_s_own_webhooks(site: Site, chat: Receiver, pager: Receiver) -> None:
    """Each for its own endings, in its form, signed by its own key alone; other syncs' are not called."""
    for key, value in (("chat", chat.url + "\n"), ("pager", pager.url), ("sign", KEY)):
        site.secrets.set("credentials-notify", key, value.encode())
    site.declare("nightly", notify("recovered", form="text"), notify("first_failure", key="pager", secret=ref("sign")))
    site.declare("hourly", notify("failed"))
    site.ends(FAILED, FAILED, SUCCESS)
    site.deliver(SECRET=KEY)
    [recovered], [failed] = chat.take(), pager.take()
    assert list(recovered.json) == ["text"]
    assert "webhook-signature" not in recovered.headers
    assert failed.json["event"] == "dev.sync-functions.task.failed.v1"
    assert failed.headers["webhook-signature"].startswith("v1,")
    assert (ids([failed]), ids([recovered])) == (["t1/1/failed"], ["t3/1/recovered"])
    assert site.left() == 0


@pytest.mark.fault(523)
def test_one_webhook_that_fails_repeats_no_other(site: Site, chat: Receiver, pager: Receiver) -> None:
    """Two of one sync; the URL that a Secret holds at the next attempt is the one that is called."""
    site.secrets.set("credentials-notify", "chat", chat.url.encode())
    site.declare("nightly", notify("failed"), notify("failed", key="pager"))
    site.ends(FAILED)
    assert site.deliver() == Delivered(sent=1, failed=1)  # no key pager
    [row] = site.database.rows("SELECT error FROM syncctl_delivery")
    assert row["error"] == "the Secret credentials-notify does not exist, or has no key pager"
    site.secrets.set("credentials-notify", "pager", b"http://127.0.0.1:1/" + pager.url.encode()[-20:])
    site.later()
    assert site.deliver() == Delivered(failed=1)
    site.secrets.set("credentials-notify", "pager", pager.url.encode())
    site.later()
    assert site.deliver() == Delivered(sent=1)
    assert (len(chat.take()), len(pager.take())) == (1, 1)


@pytest.mark.fault(524)
def test_webhooks_that_take_long_share_the_time_of_a_sweep(
    site: Site, chat: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: what is not reached is due in the next one."""
    site.secrets.set("credentials-notify", "chat", chat.url.encode())
    site.declare("nightly", *[notify("failed") for _ in range(3)])
    site.ends(FAILED)
    monkeypatch.setattr(deliver_module, "ALL_SECONDS", 0)
    assert [site.deliver() for _ in range(4)] == [Delivered(sent=1)] * 3 + [Delivered()]
    assert ids(chat.take()) == ["t1/1/failed"] * 3


@pytest.mark.fault(526)
def test_a_cluster_that_is_away_delays_what_its_syncs_notify(site: Site, chat: Receiver) -> None:
    """Whether a sync notifies is not known then; and it is, later. Without the CRD nothing is notified."""
    site.secrets.set("credentials-notify", "chat", chat.url.encode())
    site.declare("nightly", notify("failed"))
    real = site.cluster
    site.ends(FAILED)
    for verb in ("list_syncs", "read_secret"):
        site.cluster = Broken(real, verb, ClusterUnavailable("It is away."))
        assert site.deliver().failed
        assert chat.take() == []
        site.later()
    site.cluster = real
    site.deliver()
    assert len(chat.take()) == 1
    site.ends(FAILED)
    site.cluster = Broken(real, "list_syncs", SyncsNotInstalled("None are."))
    site.deliver()
    assert (chat.take(), site.left()) == ([], 0)


class Slow:
    """A cluster that takes its time to hand out a Secret, once; all else is the real one's."""

    def __init__(self, real: LocalCluster) -> None:
        self._real, self._waits = real, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def read_secret(self, name: str) -> Any:
        if self._waits:
            self._waits = False
            time.sleep(0.4)
        return self._real.read_secret(name)


@pytest.mark.fault(831)
def test_a_cluster_that_takes_long_makes_no_call_twice(
    site: Site, chat: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt that it holds up counts as failed, so it must not call after all."""
    site.secrets.set("credentials-notify", "chat", chat.url.encode())
    site.declare("nightly", notify("failed"))
    site.ends(FAILED)
    site.cluster = Slow(site.cluster)
    with monkeypatch.context() as patch:
        patch.setattr(post, "SECONDS", 0.3)
        assert site.deliver() == Delivered(failed=1)
    site.later()
    assert site.deliver() == Delivered(sent=1)
    assert len(chat.take()) == 1


@pytest.mark.fault(521)
def test_a_sync_s_webhook_reaches_no_machine_of_ours(site: Site, chat: Receiver) -> None:
    """It is given up at once, and the log says by which setting it would be called."""
    site.secrets.set("credentials-notify", "chat", chat.url.encode())
    site.declare("nightly", notify("failed"))
    site.ends(FAILED)
    assert site.deliver(ALLOWED_HOSTS="chat.example.com") == Delivered(given_up=1)
    assert (chat.take(), site.left()) == ([], 0)


FAILS = """
out(type="TRACE", trace={"type": "ERROR", "emitted_at": 1.5, "error": {"message": "the API key is refused <!channel>", "failure_type": "config_error"}})
sys.exit(1)
"""


def test_a_connector_that_fails_is_heard_of(
    tmp_path: Path, database: TestDatabase, bulker: FakeBulker, chat: Receiver
) -> None:
    """From a real connector by the sweep to the receiver: nothing but the setting is needed."""
    given = {"SYNCCTL_WEBHOOK_URL": chat.url, "SYNCCTL_WEBHOOK_ALLOWED_HOSTS": "127.0.0.1"}
    with local_system(tmp_path, database, bulker.url, {PACKAGE: connector(tmp_path, FAILS)}, **given) as system:
        assert system.run(read_task("t1", "nightly"))["state"] == "FAILED"
        system.sweep()
        [arrived] = chat.take()
    assert arrived.json["text"].startswith(
        "Sync nightly failed: the API key is refused \u2039!channel\u203a; correct the"
    )
    assert (arrived.json["data"]["taskId"], arrived.json["data"]["failure"]["kind"]) == ("t1", "config_error")
