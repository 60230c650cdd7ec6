"""knative/syncs/crd.yaml on a real API server, through a real kubectl: it and our reader take and refuse the same."""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from common.syncs import source
from common.syncs.check import check
from common.syncs.validate import Rules
from tests.support.docs import DECLARE, ROOT, code
from tools.cluster import builds, control_plane

[NIGHTLY] = code(DECLARE, "yaml")
MINIMAL = NIGHTLY.split("  config:")[0]
# Numbers, texts and words as people write them.
CONFIG = """  config:
    date: 2026-11-29
    moment: 2026-11-29T10:00:00Z
    time: 12:30:00
    numbers: [1e3, 1., +7, -0.5, .5, 9223372036854775807, 0.1234567890123456789]
    words: ["no", '010', none, =, 1.2.3, True]
    block: |
      no
      010
    nested: {a: {b: [[]]}, "on": {}, "": 1}
"""
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [
    pytest.mark.skipif(bool(control_plane.missing()), reason=control_plane.missing() or "all is there"),
    pytest.mark.xdist_group("sync-crd"),  # one API server
]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """With the CRD applied; `stdin` is a document."""
    folder = tmp_path_factory.mktemp("api")
    with control_plane.alone(folder) as running:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(running.kubeconfig, encoding="utf-8")

        def run(*arguments: str | Path, stdin: str = "", good: bool = True) -> "subprocess.CompletedProcess[str]":
            done = subprocess.run(
                [builds.kubernetes() / "kubectl", "--kubeconfig", kubeconfig, *arguments],
                input=stdin, capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
            assert (done.returncode == 0) is good, done.stderr
            return done

        run("apply", "-f", ROOT / "knative/syncs/crd.yaml")
        run("wait", "--for=condition=Established", "crd/syncs.sync-functions.dev", "--timeout=60s")
        yield run


def _spec(kubectl: Kubectl) -> Any:
    return json.loads(kubectl("get", "sync", "nightly", "-o", "json").stdout)["spec"]


def test_a_sync_is_an_object_like_any_other(kubectl: Kubectl) -> None:
    """Applied either way, shown in columns, unchanged for `kubectl diff` after a status was written."""
    kubectl("apply", "-f", "-", stdin=NIGHTLY)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=NIGHTLY)
    status = {"status": {"state": "SUCCESS", "lastSuccess": "2020-01-01T00:00:00Z", "nextRun": "2099-01-01T03:00:00Z"}}
    kubectl("patch", "sync", "nightly", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    head, row = kubectl("get", "sy").stdout.splitlines()
    assert head.split() == ["NAME", "STATE", "LAST", "SUCCESS", "NEXT", "RUN", "SCHEDULE"]
    name, state, age, *rest = row.split()
    assert (name, state, rest) == ("nightly", "SUCCESS", ["2099-01-01T03:00:00Z", "30", "2", "*", "*", "1-5"])
    assert age.endswith(("d", "y"))
    assert kubectl("diff", "-f", "-", stdin=NIGHTLY).stdout == ""
    assert "nightly" in kubectl("get", "sync-functions").stdout


def test_what_the_cluster_shows_is_read_back(kubectl: Kubectl) -> None:
    """With all that it has added."""
    kubectl("apply", "-f", "-", stdin=NIGHTLY)
    shown = kubectl("get", "sync", "nightly", "-o", "yaml").stdout
    assert check({"shown": shown.encode()}, Rules()).problems == ()


@pytest.mark.fault(274)
def test_both_editions_read_the_same_values(kubectl: Kubectl) -> None:
    """What our reader takes, kubectl has understood alike."""
    text = f"{MINIMAL}{CONFIG}"
    kubectl("delete", "sync", "nightly", "--ignore-not-found")
    kubectl("apply", "-f", "-", stdin=text)
    [document] = source.read(text.encode())
    assert _spec(kubectl) == document.data["spec"]


@pytest.mark.parametrize(
    "field",
    [
        "imgae: x",
        "streams: [{name: a, mode: incremental, write: overwrite}]",
        "streams: []",
        "streams: [{name: a, mode: fast}]",
        "env: [{name: A}]",
        "env: [{name: A, value: 5}]",
        "after: [nightly]",
        "retries: -1",
        "suspend: 'true'",
        "resources: {limits: {cpu: 0.5}}",
        'prefix: "a\\u0001"',
        "notify: [{webhook: {url: {valueFrom: {secretKeyRef: {name: credentials-a, key: b}}}}, on: [failed]}]",
    ],
)
@pytest.mark.fault(276)
def test_both_editions_refuse(field: str, kubectl: Kubectl) -> None:
    """Whether it is a file here or an object there; there nothing is written."""
    text = f"{MINIMAL}  {field}\n"
    assert check({"file": text.encode()}, Rules()).problems
    kubectl("apply", "--dry-run=server", "-f", "-", stdin=text, good=False)


def _odd_scalars(count: int) -> Iterator[tuple[str, Any]]:
    """Plain scalars that our reader takes, made of what numbers, dates and words of YAML consist of."""
    chance = random.Random(5)
    made = dict[str, Any]()
    while len(made) < count:
        text = "".join(chance.choices("0001234789..+-__::eExobnyTtrueflsNIa~=", k=chance.randint(1, 7)))
        with suppress(source.SourceError):
            [document] = source.read(f"top:\n  key: {text}\n".encode())
            made |= {text: document.data["top"]["key"]} if document.data["top"].keys() == {"key"} else {}
    yield from made.items()


@pytest.mark.fault(274)
def test_both_editions_read_odd_words_alike(kubectl: Kubectl) -> None:
    """Two thousand of them: whatever is not refused is the same text, number or truth to both."""
    scalars = list(_odd_scalars(2_000))
    lines = "".join(f"    k{number}: {text}\n" for number, (text, _) in enumerate(scalars))
    kubectl("delete", "sync", "nightly", "--ignore-not-found")
    kubectl("create", "-f", "-", stdin=f"{MINIMAL}  config:\n{lines}")
    stored = _spec(kubectl)["config"]
    found = {text: (stored[f"k{number}"], ours) for number, (text, ours) in enumerate(scalars)}
    assert {text: both for text, both in found.items() if json.dumps(both[0]) != json.dumps(both[1])} == {}


def test_a_manifest_is_kept_as_it_is(kubectl: Kubectl) -> None:
    """Without an image, with its expressions; one of both is needed."""
    manifest = code((ROOT / "docs/how-to/run-a-manifest.md").read_text(encoding="utf-8"), "yaml")[0]
    text = MINIMAL.split("  image:")[0] + "  manifest:\n" + indent(manifest, "    ")
    [written] = check({"file": text.encode()}, Rules()).syncs
    kubectl("delete", "sync", "nightly", "--ignore-not-found")  # of another test
    kubectl("apply", "-f", "-", stdin=text)
    assert _spec(kubectl) == {"manifest": written.sync.spec.manifest}
    assert kubectl("diff", "-f", "-", stdin=text).stdout == ""
    neither = MINIMAL.split("  image:")[0] + "  config: {}\n"
    refused = kubectl("apply", "--dry-run=server", "-f", "-", stdin=neither, good=False)
    assert "expected an image, or a manifest" in refused.stderr
