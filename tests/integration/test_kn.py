"""The plugin under the real kn: found, helped, called, and where kn is in the way."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import canaries
from tests.support.fake_deployment import TOKEN, FakeDeployment, fake_deployment, line, task
from tests.support.fake_knative import fake_knative
from tests.support.terminal import Ran
from tools.cluster import builds

BIN = Path(sys.executable).parent
KN = shutil.which("kn") or str(builds.knative() / "bin" / "kn")
DOCUMENT = {
    "apiVersion": "sync-functions.dev/v1alpha1",
    "kind": "Sync",
    "metadata": {"name": "nightly"},
    "spec": {"image": "airbyte/source-faker:7.2.1"},
    "status": {"state": "PARTIAL"},
}
Kn = Callable[..., Ran]

pytestmark = pytest.mark.skipif(not Path(KN).exists(), reason="kn is not there: `make cluster` builds it")


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        script.documents["nightly"] = DOCUMENT
        script.courses["t1"] = [task(state="PARTIAL", logs=[line("hello")])]
        yield script


@pytest.fixture
def kn(server: FakeDeployment, tmp_path: Path) -> Iterator[Kn]:
    """Run kn in a home of its own, where the fake deployment stands for the cluster's functions."""
    with fake_knative(tmp_path) as knative:
        knative.deploy(url="http://{}.sync.test")
        knative.secret(SYNCCTL_AUTH_TOKENS=TOKEN)
        environment = {"PATH": f"{BIN}:{os.defpath}", "HOME": str(tmp_path), "TZ": "UTC", "KUBECONFIG": "/nothing"}
        environment |= {"HTTP_PROXY": server.url, "NO_PROXY": "127.0.0.1"}

        def run(*words: str) -> Ran:
            given = [word.replace("KUBECONFIG", str(knative.kubeconfig)) for word in words]
            done = subprocess.run(
                [KN, *given], env=environment, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path
            )
            canaries.refuse("kn's output", done.stdout, done.stderr)
            return Ran(done.returncode, done.stdout, done.stderr)

        if "unknown command" in run("sync", "version").err:
            pytest.skip("this kn, such as that of `make cluster`, looks up no plugins")
        yield run


def test_kn_lists_the_plugin(kn: Kn) -> None:
    """Without a warning."""
    done = kn("plugin", "list")
    assert (done.code, done.err) == (0, "")
    assert f"- kn-sync : {BIN / 'kn-sync'}" in done.out.splitlines()


@pytest.mark.parametrize("words", [("sync",), ("sync", "-h"), ("sync", "list", "--help")])
def test_kn_shows_its_help(kn: Kn, words: tuple[str, ...]) -> None:
    """Under the name by which it was called."""
    done = kn(*words)
    assert "Usage: kn sync " in done.out + done.err


@pytest.mark.parametrize(
    "words",
    [
        ("sync", "list", "--kubeconfig", "KUBECONFIG", "-o", "name"),
        ("sync", "--kubeconfig", "KUBECONFIG", "-o", "name", "list"),
        ("--kubeconfig", "KUBECONFIG", "sync", "list", "-n", "sync-functions", "-o", "name"),
        ("--kubeconfig=KUBECONFIG", "--context", "used", "sync", "list", "-A", "-o=name"),
        ("-n", "sync-functions", "sync", "list", "--kubeconfig", "KUBECONFIG", "-oname"),
    ],
)
def test_kn_hands_its_options_on_wherever_they_stand(kn: Kn, words: tuple[str, ...]) -> None:
    """The verb may come after them."""
    done = kn(*words)
    assert (done.code, done.out, done.err) == (0, "sync.sync-functions.dev/nightly\n", "")


def test_every_other_exit_code_becomes_1(kn: Kn) -> None:
    """As the help says; the plugin's own is in kn's last line."""
    done = kn("sync", "wait", "nightly", "--kubeconfig", "KUBECONFIG")
    assert (done.code, done.err.splitlines()[-1]) == (1, "Error: exit status 3")
    assert kn("sync", "list", "--kubeconfig", "nothing").err.splitlines()[-1] == "Error: exit status 5"


@pytest.mark.fault(414)
def test_kn_takes_config_for_its_own(kn: Kn, tmp_path: Path) -> None:
    """It writes to a file that is not there; the plugin's own option it leaves alone."""
    spec = ("sync", "check", "airbyte/source-faker:7.2.1", "--kubeconfig", "KUBECONFIG")
    assert "No such option: --config" in kn(*spec, "--config", "new.yaml").err
    assert (tmp_path / "new.yaml").read_text().startswith("#")  # kn's own settings
    config = tmp_path / "config.json"
    config.write_text("{}")
    assert "There is no task check" in kn(*spec, "--connector-config", "config.json").err
    assert "There is no task check" in kn(*spec, "-c", "config.json").err
    assert config.read_text() == "{}"


def test_an_option_that_kn_does_not_know_takes_the_next_word(kn: Kn) -> None:
    """Before `sync`: the how-to says so."""
    assert kn("-A", "sync", "list", "--kubeconfig", "KUBECONFIG").code == 1
    assert kn("sync", "-A", "list", "--kubeconfig", "KUBECONFIG").code == 0


def test_a_link_in_kns_folder_is_a_plugin(kn: Kn, tmp_path: Path) -> None:
    """To syncctl, whose folder is not in PATH."""
    folder = tmp_path / ".config" / "kn" / "plugins"
    folder.mkdir(parents=True)
    (folder / "kn-sync").symlink_to(BIN / "syncctl")
    assert str(folder / "kn-sync") in kn("plugin", "list").out
    assert kn("sync", "logs", "nightly", "--kubeconfig", "KUBECONFIG").out.rstrip().endswith("hello")
