"""Images of local pods: installed while the pod waits, with a kubelet's words where that fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedded.pods.cluster import LocalCluster
from embedded.pods.images import Images, is_reference
from tests.support import local_pods as small

# Acts on words in the image's name; a file in `cache` counts the attempts and makes it go on.
RESOLVER = """
import time
from pathlib import Path
from common.errors import Refused, Unavailable

class Resolver:
    def __init__(self, cache, local_images, environment, packages):
        self.cache = cache

    def is_ready(self, image):
        return (self.cache / "ready").exists()

    def command(self, image):
        return "echo from " + image

    def install(self, image, report):
        attempts = self.cache / "attempts"
        count = len(attempts.read_text()) if attempts.exists() else 0
        attempts.write_text("x" * (count + 1))
        if "slow" in image:
            report("installing, 40 %")
            while not (self.cache / "go").exists():
                time.sleep(0.02)
        if "refused" in image:
            raise Refused("There is no such version.")
        if "broken" in image and count < 2:
            raise ValueError("unexpected")
        if "flaky" in image and count < 2:
            raise Unavailable(["The index cannot be reached.", "Still not."][count])
        (self.cache / "ready").touch()
"""


@contextmanager
def with_resolver(folder: Path) -> Iterator[LocalCluster]:
    """A cluster whose runners install with the small resolver above."""
    (folder / "resolver_for_tests.py").write_text(RESOLVER)
    images = Images(cache=str(folder), factory="resolver_for_tests:Resolver")
    environment = small.environment(PYTHONPATH=str(folder))
    cluster = LocalCluster(folder / "state", images, small.SIDECAR_IMAGE, environment, install_pause_seconds=0.2)
    try:
        yield cluster
    finally:
        cluster.close(grace_seconds=0.2)


def reason(cluster: LocalCluster) -> str:
    """Why the source waits."""
    return str(small.state(small.status(cluster), "source").get("waiting", {}).get("reason", ""))


def message(cluster: LocalCluster) -> str:
    """What it says about that."""
    return str(small.state(small.status(cluster), "source").get("waiting", {}).get("message", ""))


def test_installing_shows_its_progress(tmp_path: Path) -> None:
    """While a connector is installed the pod is Pending and says how far it is; then it runs."""
    with with_resolver(tmp_path) as cluster:
        cluster.create_pod(small.pod(image="test/slow:1", source="$AIRBYTE_ENTRYPOINT"))
        small.eventually(lambda: message(cluster) == "installing, 40 %")
        assert (reason(cluster), small.phase(cluster)) == ("ContainerCreating", "Pending")
        (tmp_path / "go").touch()
        assert small.ended(cluster)["phase"] == "Succeeded"
        assert small.log(cluster) == "from test/slow:1\n"


def test_delete_while_installing(tmp_path: Path) -> None:
    """A pod can be deleted while its connector is being installed; the install ends with it."""
    with with_resolver(tmp_path) as cluster:
        created = cluster.create_pod(small.pod(image="test/slow:1"))
        small.eventually(lambda: message(cluster) == "installing, 40 %")
        cluster.delete_pod("p", created.uid, 600)
        small.eventually(lambda: cluster.get_pod("p") is None)
        assert not small.marked({created.uid})


@pytest.mark.fault(812)
def test_delete_while_installing_beside_a_sidecar_that_takes_its_time(tmp_path: Path) -> None:
    """Nothing of a pod that ends begins any more: an install would have all of the grace period, or a connector."""
    last_words = "trap 'sleep 2; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    made = small.pod(image="test/slow:1", sidecar=last_words)
    made["spec"]["containers"].reverse()
    with with_resolver(tmp_path) as cluster:
        created = cluster.create_pod(made)
        small.eventually(lambda: message(cluster) == "installing, 40 %" and small.log(cluster, "sidecar"))
        cluster.delete_pod("p", created.uid, 600)
        small.eventually(lambda: cluster.get_pod("p") is None)
        assert (tmp_path / "attempts").read_text() == "x"


def test_permanent_failure(tmp_path: Path) -> None:
    """What can never be installed is not tried again, and the reason is the resolver's sentence."""
    with with_resolver(tmp_path) as cluster:
        cluster.create_pod(small.pod(image="test/refused:1"))
        small.eventually(lambda: reason(cluster) == "ErrImageNeverPull")
        assert message(cluster) == "There is no such version."
        assert small.phase(cluster) == "Pending"
        assert (tmp_path / "attempts").read_text() == "x"


@pytest.mark.parametrize(
    ("image", "first"), [("test/flaky:1", "The index cannot be reached."), ("test/broken:1", "ValueError: unexpected")]
)
@pytest.mark.fault(32)
def test_passing_failure_is_tried_again(tmp_path: Path, image: str, first: str) -> None:
    """Trouble that may pass is tried again, and the first message stays while it lasts."""
    seen = set()

    def look(cluster: LocalCluster) -> bool:
        waits = small.state(small.status(cluster), "source").get("waiting", {})
        if waits.get("reason"):
            seen.add((waits["reason"], first in waits.get("message", "")))
        return small.phase(cluster) == "Succeeded"

    with with_resolver(tmp_path) as cluster:
        cluster.create_pod(small.pod(image=image))
        small.eventually(lambda: look(cluster))
    assert ("ImagePullBackOff", True) in seen
    assert not {(why, kept) for why, kept in seen if "Pull" in why and not kept}
    assert (tmp_path / "attempts").read_text() == "xxx"


@pytest.mark.parametrize("image", ["Bad Name", "test/UPPER:1", "test/x:", "-x", "test/$(id):1"])
@pytest.mark.fault(33)
def test_malformed_image(tmp_path: Path, image: str) -> None:
    """A name that no container runtime could read is reported as such, and nothing is tried."""
    with with_resolver(tmp_path) as cluster:
        cluster.create_pod(small.pod(image=image))
        small.eventually(lambda: reason(cluster) == "InvalidImageName")
        assert image in message(cluster)
        assert not (tmp_path / "attempts").exists()


@pytest.mark.parametrize(
    "image",
    [
        "alpine",
        "airbyte/source-faker:6.2.20",
        "localhost:5000/a/b_c:1",
        "ghcr.io/Org".lower() + "/x:latest",
        "a/b@sha256:" + "0" * 64,
    ],
)
def test_wellformed_images(image: str) -> None:
    """Names that a container runtime reads pass."""
    assert is_reference(image)


def test_unknown_image_with_the_real_resolver(tmp_path: Path) -> None:
    """The embedded edition's own resolver refuses an image that no package stands for."""
    with small.opened(tmp_path, images=Images(cache=str(tmp_path / "cache"))) as cluster:
        cluster.create_pod(small.pod(image="example/thing:1"))
        small.eventually(lambda: reason(cluster) == "ErrImageNeverPull")
        assert "example/thing:1" in message(cluster)
