"""The pods and Secrets that functions make for Kubernetes run unchanged as local processes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.cluster.objects import Pod
from common.pods import manifest
from common.protocol.commands import Command
from common.store.tasks import Task
from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images
from tests.support import local_pods as small
from tests.support.wire import pod_settings

TASK = Task(Command.READ, "t-1", "example/source-words", "1", sync_id="s-1", started_by="costs $(HOME) $$5")
SETTINGS = pod_settings(
    sidecar_image=small.SIDECAR_IMAGE,
    database_url="postgresql://somebody:pass$(HOME)@127.0.0.1/db",
    bulker_url="http://127.0.0.1:1/",
    bulker_auth_token="hush",
)
PAYLOAD = manifest.Payload(config=b'{"word":"heath"}', catalog=b'{"streams":[]}', state=b"{}")
NAME = manifest.pod_name(TASK)

CONNECTOR = """
import signal, sys, time

def stop(*_):
    print("got TERM", file=sys.stderr, flush=True)
    sys.exit(143)

signal.signal(signal.SIGTERM, stop)
print(sys.argv[1:2], *(open(path).read() for path in sys.argv[3::2]), flush=True)
while sys.argv[0].endswith("endless.py"):
    time.sleep(0.05)
sys.exit(5)
"""

# Stands for the original's sidecar, which an init container prepares for: opens as ours does, shows what it was given.
SIDECAR = """
trap "" TERM
exec 3< "$STDERR_PIPE_FILE" < "$STDOUT_PIPE_FILE"
cat
cat <&3 | tee seen
until [ -e "$EXIT_CODE_FILE" ]; do sleep 0.05; done
cp "$EXIT_CODE_FILE" seen "$FOLDER"
echo "code $(cat "$EXIT_CODE_FILE")"
printf "%s\\n" "$DATABASE_URL" "$BULKER_AUTH_TOKEN" "$STARTED_BY"
"""


@contextmanager
def started(folder: Path, connector: str) -> Iterator[tuple[LocalCluster, Pod]]:
    """A cluster in which the task's pod has been created as functions do it: the pod, then its Secret."""
    program = folder / connector
    program.write_text(CONNECTOR)
    images = Images(cache=str(folder / "cache"), local_images={TASK.package: f"{sys.executable} {program}"})
    made = manifest.pod(TASK, PAYLOAD, SETTINGS.model_copy(update={"sidecar_prepares": False}))
    # In a Kubernetes manifest "$$" is "$", so this is the script above, unexpanded.
    made["spec"]["containers"][0]["command"] = ["sh", "-c", SIDECAR.replace("$", "$$")]
    made["spec"]["containers"][0]["env"].append({"name": "FOLDER", "value": str(folder)})
    with small.opened(folder, images=images) as cluster:
        created = cluster.create_pod(made)
        cluster.create_secret(manifest.secret(TASK, PAYLOAD, SETTINGS, created.uid))
        yield cluster, created


@pytest.mark.fault(68)
def test_read_from_the_manifest(tmp_path: Path) -> None:
    """The connector gets its files, the sidecar its pipes, credentials and the exit code, all letter for letter."""
    with started(tmp_path, "once.py") as (cluster, _):
        status = small.ended(cluster, NAME)
        assert small.state(status, "source")["terminated"]["exitCode"] == 5
        assert small.state(status, "sidecar")["terminated"]["exitCode"] == 0
        assert small.log(cluster, "sidecar", name=NAME).splitlines() == [
            '[\'read\'] {"word":"heath"} {"streams":[]} {}',
            "code 5",
            SETTINGS.require_database_url(),
            "hush",
            TASK.started_by,
        ]


def test_term_reaches_the_connector_through_its_shell(tmp_path: Path) -> None:
    """Deletion lets the connector end by itself, and its exit code arrives, long before the grace period ends."""
    with started(tmp_path, "endless.py") as (cluster, created):
        small.eventually(lambda: "read" in small.log(cluster, "sidecar", name=NAME))
        cluster.delete_pod(NAME, created.uid, 600)
        small.eventually(lambda: cluster.get_pod(NAME) is None)
        assert not small.marked({created.uid})
        assert (tmp_path / "seen").read_text() == "got TERM\n"
        assert (tmp_path / "exit-code").read_text() == "143\n"
