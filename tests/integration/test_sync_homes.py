"""The seam's verbs about declared syncs, each test over files, a fake API server and a real one."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from msgspec import Struct

from common.cluster import Document, Manifest
from common.cluster import kubernetes as kubernetes_cluster
from common.errors import ClusterUnavailable, Conflict, Refused, SyncsNotInstalled
from common.settings import Settings
from common.syncs.validate import Rules
from embedded.syncs.home import SyncHome
from tests.support.docs import ROOT
from tests.support.fake_bulker import wait_for
from tests.support.fake_kubernetes import NAMESPACE, fake_kubernetes
from tools.cluster import builds, control_plane

SPEC = {"image": "airbyte/source-faker:7.2.1", "config": {"count": 3, "word": "no", "list": [{"a": None}]}}
_real = pytest.mark.skipif(bool(control_plane.missing()), reason=control_plane.missing() or "all is there")

pytestmark = pytest.mark.xdist_group("sync-homes")  # one API server


class Home(Protocol):
    """The five verbs."""

    def list_syncs(self) -> list[Document]: ...
    def get_sync(self, name: str) -> Document | None: ...
    def put_sync(self, document: Manifest, resource_version: str) -> Document: ...
    def delete_sync(self, name: str, resource_version: str = "") -> bool: ...
    def set_sync_status(self, name: str, status: Manifest) -> None: ...


def _cluster(kubeconfig: str) -> Home:
    given = {"kubernetes_client_config": kubeconfig, "kubernetes_namespace": NAMESPACE}
    if "name: used" in kubeconfig:
        given["kubernetes_context"] = "used"
    return kubernetes_cluster.connect(Settings.model_validate(given))


class Real(Struct, frozen=True):
    """An API server."""

    kubeconfig: str
    folder: Path

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        line = [str(builds.kubernetes() / "kubectl"), "--kubeconfig", str(self.folder / "kubeconfig"), *arguments]
        return subprocess.run(line, input=stdin, check=True, capture_output=True, text=True, timeout=120).stdout

    def account(self, name: str) -> str:
        """A kubeconfig of a service account, with the token that it has."""
        token = self.kubectl("create", "token", name, "-n", NAMESPACE).strip()
        config = yaml.safe_load(self.kubeconfig)
        config["users"][0]["user"] = {"token": token}
        return str(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """The CRD is applied, the namespace is there, with the accounts and roles of the deployment."""
    folder = tmp_path_factory.mktemp("api")
    with control_plane.alone(folder) as running:
        (folder / "kubeconfig").write_text(running.kubeconfig, encoding="utf-8")
        real = Real(running.kubeconfig, folder)
        with pytest.raises(SyncsNotInstalled):  # as the real one words it
            _cluster(running.kubeconfig).list_syncs()
        real.kubectl("create", "namespace", NAMESPACE)
        real.kubectl("apply", "-f", str(ROOT / "knative/syncs/crd.yaml"))
        real.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=yaml.safe_dump_all(_rights()))
        real.kubectl("wait", "--for=condition=Established", "crd/syncs.sync-functions.dev", "--timeout=60s")
        wait_for(lambda: "syncs" in real.kubectl("api-resources", "-o", "name"))
        yield real


def _rights() -> Iterator[dict[str, Any]]:
    """The accounts and roles, all in the namespace of the tasks."""
    for path in ("knative/base/functions/accounts.yaml", "knative/tasks/roles.yaml"):
        for one in yaml.safe_load_all((ROOT / path).read_text(encoding="utf-8")):
            subjects = [subject | {"namespace": NAMESPACE} for subject in one.get("subjects", ())]
            yield one | ({"subjects": subjects} if subjects else {})


@pytest.fixture(params=["files", "fake", pytest.param("real", marks=_real)])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """Without any syncs."""
    with ExitStack() as stack:
        if request.param == "files":
            yield SyncHome(tmp_path / "syncs", Rules())
            return
        if request.param == "fake":
            kubeconfig = stack.enter_context(fake_kubernetes()).kubeconfig
        else:
            kubeconfig = request.getfixturevalue("api_server").kubeconfig
        found = _cluster(kubeconfig)
        yield found
        for document in found.list_syncs():
            found.delete_sync(document["metadata"]["name"])


def _sync(name: str = "nightly", *, metadata: dict[str, Any] | None = None, **spec: Any) -> Document:
    return {
        "apiVersion": "sync-functions.dev/v1alpha1",
        "kind": "Sync",
        "metadata": {"name": name, **(metadata or {})},
        "spec": SPEC | spec,
    }


def _version(document: Document | None) -> str:
    assert document
    return str(document["metadata"]["resourceVersion"])


def test_a_sync_is_stored_as_it_was_written(home: Home):
    """Numbers, words that look like others, nulls in lists; all that every object has is there."""
    written = home.put_sync(_sync(schedule="0 3 * * *", metadata={"labels": {"team": "shop"}}), "")
    read = home.get_sync("nightly")
    assert read == written
    assert (read["apiVersion"], read["kind"]) == ("sync-functions.dev/v1alpha1", "Sync")
    assert read["spec"] == SPEC | {"schedule": "0 3 * * *"}
    metadata = read["metadata"]
    assert (metadata["name"], metadata["labels"], metadata["generation"]) == ("nightly", {"team": "shop"}, 1)
    assert metadata["creationTimestamp"].endswith("Z")
    assert read.get("status", {}) == {}
    assert home.list_syncs() == [read]


def test_syncs_are_listed_by_name(home: Home):
    """All of them; what nobody has declared is None."""
    for name in ("b", "a.c", "a", "a-b"):
        home.put_sync(_sync(name), "")
    assert [one["metadata"]["name"] for one in home.list_syncs()] == ["a", "a-b", "a.c", "b"]
    assert home.get_sync("c") is None


def test_a_write_replaces_the_spec_and_keeps_the_rest(home: Home):
    """Its status, its labels unless others are given, and its time of creation."""
    first = home.put_sync(_sync(retries=1, metadata={"labels": {"team": "shop"}}), "")
    home.set_sync_status("nightly", {"state": "SUCCESS", "lastTask": "t"})
    second = home.put_sync(_sync(suspend=True), "")
    assert second["spec"] == SPEC | {"suspend": True}
    assert second["status"] == {"state": "SUCCESS", "lastTask": "t"}
    assert second["metadata"]["labels"] == {"team": "shop"}
    assert second["metadata"]["creationTimestamp"] == first["metadata"]["creationTimestamp"]
    assert second["metadata"]["generation"] == 2
    assert home.put_sync(_sync(metadata={"labels": {"a": "b"}}), "")["metadata"]["labels"] == {"a": "b"}


def test_a_write_never_touches_the_status(home: Home):
    """Whatever the document says of it."""
    home.put_sync(_sync() | {"status": {"state": "FAILED"}}, "")
    assert (home.get_sync("nightly") or {}).get("status", {}) == {}
    home.set_sync_status("nightly", {"state": "SUCCESS"})
    home.put_sync(_sync(retries=1) | {"status": {"state": "FAILED"}}, "")
    assert (home.get_sync("nightly") or {})["status"] == {"state": "SUCCESS"}


def test_a_change_based_on_an_older_version_is_refused(home: Home):
    """Nothing is written; with the version that is there it is."""
    old = _version(home.put_sync(_sync(), ""))
    new = _version(home.put_sync(_sync(retries=1), old))
    assert new != old
    with pytest.raises(Conflict, match="nightly has changed"):
        home.put_sync(_sync(retries=2), old)
    with pytest.raises(Conflict):
        home.delete_sync("nightly", old)
    assert (home.get_sync("nightly") or {})["spec"]["retries"] == 1
    assert home.delete_sync("nightly", new)
    with pytest.raises(Conflict):
        home.put_sync(_sync(), new)
    assert home.list_syncs() == []


def test_a_sync_is_deleted_once(home: Home):
    """With its status: one of that name made later begins without."""
    home.put_sync(_sync(), "")
    home.set_sync_status("nightly", {"state": "SUCCESS"})
    assert home.delete_sync("nightly")
    assert not home.delete_sync("nightly")
    made = home.put_sync(_sync(), "")
    assert (made.get("status", {}), made["metadata"]["generation"]) == ({}, 1)


def test_a_status_is_replaced_as_a_whole(home: Home):
    """What the next one lacks is gone, the spec as it was; the status of a sync that is gone is nobody's."""
    home.put_sync(_sync(), "")
    moment = "2026-11-29T03:00:00Z"
    whole = {"state": "FAILED", "lastTask": "t", "lastSuccess": moment, "nextRun": moment, "message": "Why."}
    home.set_sync_status("nightly", whole)
    assert (home.get_sync("nightly") or {})["status"] == whole
    home.set_sync_status("nightly", {"state": "NEW", "message": None})
    read = home.get_sync("nightly") or {}
    assert (read["status"], read["spec"], read["metadata"]["generation"]) == ({"state": "NEW"}, SPEC, 1)
    home.set_sync_status("nobody", whole)
    assert home.get_sync("nobody") is None


def test_what_is_read_can_be_written_back(home: Home):
    """As a whole, with all that its home has added."""
    home.put_sync(_sync(), "")
    read = home.get_sync("nightly")
    assert read
    again = home.put_sync(json.loads(json.dumps(read)), _version(read))
    assert (again["spec"], again["metadata"]["generation"]) == (read["spec"], 1)


@_real
@pytest.mark.fault(333)
def test_each_account_does_its_part_and_no_more(api_server: Real):
    """By their own tokens: syncs writes documents and no status, the sweeper a status and no document, others nothing."""
    syncs, sweeper, read = (_cluster(api_server.account(name)) for name in ("syncs", "sweeper", "read"))
    document = syncs.put_sync(_sync(), "")
    assert syncs.put_sync(_sync(retries=1), _version(document))["spec"]["retries"] == 1
    sweeper.set_sync_status("nightly", {"state": "RUNNING"})
    assert [one["status"] for one in sweeper.list_syncs()] == [{"state": "RUNNING"}]
    assert (syncs.get_sync("nightly") or {})["status"] == {"state": "RUNNING"}
    for refused in (
        lambda: syncs.set_sync_status("nightly", {"state": "FAILED"}),
        lambda: sweeper.put_sync(_sync(), ""),
        lambda: sweeper.delete_sync("nightly"),
        read.list_syncs,
        lambda: read.put_sync(_sync("other"), ""),
    ):
        with pytest.raises(ClusterUnavailable, match="lacks a right"):
            refused()
    assert syncs.delete_sync("nightly")


def test_many_syncs_are_listed_page_by_page():
    """Each once, in few requests."""
    with fake_kubernetes() as api:
        home = _cluster(api.kubeconfig)
        for number in range(1_201):
            api._store_sync(_sync(f"s{number:04}"))
        assert [one["metadata"]["name"] for one in home.list_syncs()] == sorted(api.syncs or ())
        assert len(api.asked) == 3


@pytest.mark.fault(331)
def test_a_cluster_without_the_crd_says_so():
    """Reading and writing; which file to apply is named."""
    with fake_kubernetes() as api:
        api.syncs = None
        home = _cluster(api.kubeconfig)
        for verb in (
            home.list_syncs,
            lambda: home.get_sync("a"),
            lambda: home.put_sync(_sync(), ""),
            lambda: home.delete_sync("a"),
            lambda: home.set_sync_status("a", {"state": "NEW"}),
        ):
            with pytest.raises(SyncsNotInstalled, match=r"crd\.yaml"):
                verb()


def test_another_writer_in_between_is_met_again():
    """An unconditional write takes whatever is there by then; status and all others of the object stay."""
    with fake_kubernetes() as api:
        home = _cluster(api.kubeconfig)
        home.put_sync(_sync(), "")
        taken: list[Any] = []

        def interfere(asked: Any, _number: int) -> bool:
            if asked.method == "PUT" and not taken:
                taken.append(api._store_sync({**(api.syncs or {})["nightly"], "status": {"state": "RUNNING"}}))
            return False

        api.fail = interfere
        home.put_sync(_sync(retries=1), "")
        assert (api.syncs or {})["nightly"]["status"] == {"state": "RUNNING"}
        assert (api.syncs or {})["nightly"]["spec"]["retries"] == 1


def test_what_kubectl_keeps_for_itself_stays():
    """Its annotation, by which a later apply takes fields away; managed fields are not shown."""
    with fake_kubernetes() as api:
        home = _cluster(api.kubeconfig)
        kept = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
        api._store_sync(_sync(metadata={"annotations": {**kept, "a": "b"}, "managedFields": [{}], "generation": 1}))
        [shown] = home.list_syncs()
        assert "managedFields" not in shown["metadata"]
        written = home.put_sync(_sync(metadata={"annotations": {"c": "d"}}), "")
        assert written["metadata"]["annotations"] == {**kept, "c": "d"}


def test_no_name_leads_to_another_path():
    """Clients and servers take dots out of a path."""
    with fake_kubernetes() as api:
        home = _cluster(api.kubeconfig)
        for name in ("", ".", ".."):
            with pytest.raises(Refused):
                home.delete_sync(name)
        assert api.asked == []


def test_a_list_that_expires_begins_again():
    """No part of it is taken for the whole."""
    with fake_kubernetes() as api:
        home = _cluster(api.kubeconfig)
        for number in range(700):
            api._store_sync(_sync(f"s{number:04}"))
        gone = [(410, {"kind": "Status", "reason": "Expired", "message": "too old"})]
        api.fail = lambda asked, _number: gone.pop() if gone and "continue" in asked.query else False
        assert len(home.list_syncs()) == 700


class _Folder(Struct):
    home: SyncHome
    path: Path


@pytest.fixture
def files(tmp_path: Path) -> _Folder:
    """A home over files, and its folder."""
    return _Folder(SyncHome(tmp_path / "syncs", Rules()), tmp_path / "syncs")


TEXT = """\
# Of the shop.
apiVersion: sync-functions.dev/v1alpha1
kind: Sync
metadata: {name: nightly}
spec:
  image: airbyte/source-faker:7.2.1 # pinned
  schedule: "0 3 * * *"
"""


def _edit(path: Path, text: str) -> None:
    """As an editor saves: another file under the same name."""
    half = path.with_name(f".{path.name}.swp")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def test_a_file_written_by_hand_counts_at_once(files: _Folder):
    """A change, too: another version, and another generation if the spec has changed."""
    path = files.path / "nightly.yaml"
    _edit(path, TEXT)
    [first] = files.home.list_syncs()
    assert (first["spec"]["schedule"], first["metadata"]["generation"]) == ("0 3 * * *", 1)
    _edit(path, TEXT.replace("0 3", "0 4"))
    [second] = files.home.list_syncs()
    assert (second["spec"]["schedule"], second["metadata"]["generation"]) == ("0 4 * * *", 2)
    assert _version(second) != _version(first)
    with pytest.raises(Conflict):
        files.home.put_sync(_sync(), _version(first))
    _edit(path, TEXT.replace("0 3", "0 4").replace("shop", "shops"))
    [third] = files.home.list_syncs()
    assert (third["metadata"]["generation"], third["metadata"]["creationTimestamp"]) == (
        2,
        first["metadata"]["creationTimestamp"],
    )


def test_others_changes_keep_a_persons_comments(files: _Folder):
    """A write of a field changes its line alone; a link stays a link, and a mode a mode."""
    elsewhere = files.path.parent / "repository.yaml"
    elsewhere.write_text(TEXT, encoding="utf-8")
    elsewhere.chmod(0o640)
    (files.path / "nightly.yaml").symlink_to(elsewhere)
    document = files.home.get_sync("nightly")
    assert document
    files.home.set_sync_status("nightly", {"state": "SUCCESS"})
    assert elsewhere.read_text(encoding="utf-8") == TEXT
    files.home.put_sync({**document, "spec": {**document["spec"], "suspend": True}}, _version(document))
    assert elsewhere.read_text(encoding="utf-8") == TEXT + "  suspend: true\n"
    assert (files.path / "nightly.yaml").is_symlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o640


def test_a_new_file_is_its_owners_alone(files: _Folder):
    """A configuration may hold a secret."""
    files.home.put_sync(_sync(), "")
    assert (files.path / "nightly.yaml").stat().st_mode & 0o777 == 0o600


@pytest.mark.fault(332)
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "bad.yaml",
            TEXT.replace("nightly", "bad").replace('"0 3 * * *"', "0 25 * * *"),
            "bad.yaml:7: spec.schedule: ",
        ),
        ("bad.yaml", "spec: [", "bad.yaml:"),
        ("bad.yaml", "\tspec: 1", "bad.yaml:1: "),
        ("bad.yaml", TEXT, "bad.yaml:4: metadata.name: expected the file to be called nightly.yaml"),
        ("bad.yaml", f"{TEXT}---\n{TEXT.replace('nightly', 'b')}", "bad.yaml:10: expected one document in a file"),
        ("bad.yaml", "x" * 2_000_000, "bad.yaml:1: expected at most"),
        (
            "bad.yml",
            TEXT.replace("nightly", "bad"),
            "bad.yml:4: metadata.name: expected the file to be called bad.yaml",
        ),
        ("bad.yaml", "", "bad.yaml:1: expected a document"),
    ],
)
def test_a_file_that_cannot_be_used_shows_where_and_stops_no_other(name: str, text: str, message: str, files: _Folder):
    """It has the state INVALID, and no spec; mended, it counts."""
    _edit(files.path / "nightly.yaml", TEXT)
    _edit(files.path / name, text)
    bad, good = files.home.list_syncs()
    assert (bad["metadata"]["name"], bad["status"]["state"], "spec" in bad) == ("bad", "INVALID", False)
    assert bad["status"]["message"].startswith(message)
    assert good["spec"]["schedule"] == "0 3 * * *"
    files.home.put_sync(_sync("bad"), "")
    assert [one.get("spec", {}).get("image") for one in files.home.list_syncs()] == [SPEC["image"]] * 2
    assert files.home.delete_sync("bad")
    assert len(files.home.list_syncs()) == 1


def test_a_folder_under_the_name_of_a_file_stops_no_other(files: _Folder):
    """Neither does a link that leads nowhere, or a file of another kind."""
    _edit(files.path / "nightly.yaml", TEXT)
    (files.path / "folder.yaml").mkdir()
    (files.path / "lost.yaml").symlink_to(files.path / "nothing")
    (files.path / "loop.yaml").symlink_to(files.path / "loop.yaml")
    os.mkfifo(files.path / "pipe.yaml")
    (files.path / "notes.txt").write_text("x")
    (files.path / ".hidden.yaml").write_text("x")
    assert [(one["metadata"]["name"], "spec" in one) for one in files.home.list_syncs()] == [
        ("folder", False),
        ("loop", False),
        ("nightly", True),
        ("pipe", False),
    ]


def test_a_status_outlives_the_process(files: _Folder):
    """That of a file which is gone does not."""
    _edit(files.path / "nightly.yaml", TEXT)
    files.home.list_syncs()
    files.home.set_sync_status("nightly", {"state": "SUCCESS"})
    files.home.put_sync(_sync("other"), "")
    files.home.set_sync_status("other", {"state": "FAILED"})
    (files.path / "other.yaml").unlink()
    again = SyncHome(files.path, Rules())
    assert [one["status"] for one in again.list_syncs()] == [{"state": "SUCCESS"}]
    _edit(files.path / "other.yaml", TEXT.replace("nightly", "other"))
    assert [one["status"] for one in again.list_syncs()] == [{"state": "SUCCESS"}, {}]


@pytest.mark.fault(462)
def test_another_folder_may_take_the_place_of_the_first(files: _Folder, tmp_path: Path):
    """As a link to a repository's, while the process runs: what is known of its files begins there."""
    _edit(files.path / "nightly.yaml", TEXT)
    files.home.list_syncs()
    files.path.rename(tmp_path / "before")
    with pytest.raises(ClusterUnavailable, match=re.escape(f"The files in {files.path} cannot be used")):
        files.home.list_syncs()
    (tmp_path / "repository").mkdir()
    files.path.symlink_to(tmp_path / "repository")
    _edit(tmp_path / "repository/weekly.yaml", TEXT.replace("nightly", "weekly"))
    assert [one["metadata"]["name"] for one in files.home.list_syncs()] == ["weekly"]
    files.home.set_sync_status("weekly", {"state": "SUCCESS"})
    assert [one["status"] for one in SyncHome(files.path, Rules()).list_syncs()] == [{"state": "SUCCESS"}]


@pytest.mark.parametrize("name", ["../a", ".a", "a/b", "/a", "A", "", "a" * 64, "a" * 300, "a\0b"])
def test_no_name_leads_out_of_the_folder(name: str, files: _Folder):
    """Neither to read nor to write."""
    assert files.home.get_sync(name) is None
    assert not files.home.delete_sync(name)
    with pytest.raises(Exception, match="is not a name"):
        files.home.put_sync(_sync(name), "")
    assert sorted(path.name for path in files.path.iterdir()) == [".status"]
