"""Where a deployment's task pods are, as its settings and files tell it."""

import base64
from pathlib import Path

import pytest

from common.cluster import data_plane
from common.settings import Settings

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"
OTHER = CERTIFICATE.replace(b"MIIC", b"MIID")
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts:
  - name: here
    context: {{cluster: one, user: me}}
  - name: there
    context: {{cluster: two, user: me}}
clusters:
  - name: one
    cluster: {{server: "https://10.0.0.1:6443"{authority}}}
  - name: two
    cluster: {{server: "https://10.0.0.2:6443"}}
users:
  - name: me
    user: {{token: "hunter2"}}
"""


def of(tmp_path: Path, certificate: bytes | None = CERTIFICATE, **settings: str) -> str:
    """The data plane of a function in a cluster with this authority."""
    file = tmp_path / "ca.crt"
    file.unlink(missing_ok=True)
    if certificate is not None:
        file.write_bytes(certificate)
    given = {"SYNCCTL_KUBERNETES_NAMESPACE": "sync-tasks"} | settings
    return data_plane.of(Settings.load(given), authority=file)


def test_what_is_said_counts(tmp_path: Path) -> None:
    """SYNCCTL_DATA_PLANE as it is."""
    assert of(tmp_path, SYNCCTL_DATA_PLANE="east") == "east"


def test_clusters_with_the_same_namespace_differ(tmp_path: Path) -> None:
    """So do namespaces of a cluster; asked again, the data plane is the same."""
    here = of(tmp_path)
    assert here.startswith("sync-tasks@")
    assert here == of(tmp_path, CERTIFICATE.replace(b"\n", b"\r\n"))
    assert len({here, of(tmp_path, OTHER), of(tmp_path, SYNCCTL_KUBERNETES_NAMESPACE="others")}) == 3


def test_a_kubeconfig_leads_to_the_place_that_the_cluster_s_own_functions_are_at(tmp_path: Path) -> None:
    """As text or as a file, with the certificates in it or beside it."""
    (tmp_path / "authority.crt").write_bytes(CERTIFICATE)
    data = base64.b64encode(CERTIFICATE).decode()
    for authority in (f', certificate-authority-data: "{data}"', ', certificate-authority: "authority.crt"'):
        file = tmp_path / "kubeconfig"
        file.write_text(KUBECONFIG.format(authority=authority))
        assert of(tmp_path, None, SYNCCTL_KUBERNETES_CLIENT_CONFIG=str(file)) == of(tmp_path)
    text = KUBECONFIG.format(authority=f', certificate-authority-data: "{data}"')
    assert of(tmp_path, None, SYNCCTL_KUBERNETES_CLIENT_CONFIG=text) == of(tmp_path)


def test_without_an_authority_the_address_tells(tmp_path: Path) -> None:
    """Of the context that is meant."""
    text = KUBECONFIG.format(authority="")
    found = {of(tmp_path, SYNCCTL_KUBERNETES_CLIENT_CONFIG=text)}
    for context in ("here", "there"):
        found.add(of(tmp_path, SYNCCTL_KUBERNETES_CLIENT_CONFIG=text, SYNCCTL_KUBERNETES_CONTEXT=context))
    assert len(found) == 2
    assert of(tmp_path) not in found


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("  - name: two\n    cluster: {{", "  - name: two\n    cluster: {{certificate-authority-data: null, "),
        ("clusters:\n", "clusters:\n  - name: three\n    cluster: null\n"),
        ("contexts:\n", "contexts:\n  - name: beyond\n    context: {{user: me}}\n"),
        ("{authority}", ", certificate-authority: null{authority}"),
        ("{authority}", ', certificate-authority: ""{authority}'),
        ("here", "12"),
    ],
)
def test_what_a_kubeconfig_has_beside_the_cluster_changes_no_place(tmp_path: Path, said: str, instead: str) -> None:
    """Nor do empty members, or names that look like numbers: it connects, and other clusters must not be taken for it."""
    data = base64.encodebytes(CERTIFICATE).decode().replace("\n", "\\n")
    assert said in KUBECONFIG
    text = KUBECONFIG.replace(said, instead).format(authority=f', certificate-authority-data: "{data}"')
    assert of(tmp_path, None, SYNCCTL_KUBERNETES_CLIENT_CONFIG=text) == of(tmp_path)


@pytest.mark.parametrize("config", ["~nobody-of-that-name/kubeconfig", "a:\n" + "[" * 5000, "- a\n", "3\n",
                                    "contexts: 3\nclusters: 3\n", "contexts: [3]\nclusters: [3]\n", "local", "/no/such/file", "a: [\n", "a: b\n", KUBECONFIG.format(authority=""),
                                    KUBECONFIG.format(authority=", certificate-authority-data: '!'")])  # fmt: skip
def test_what_cannot_be_read_is_no_reason_to_fail(tmp_path: Path, config: str) -> None:
    """Whoever connects says what is wrong, in its own words."""
    settings = {"SYNCCTL_KUBERNETES_CLIENT_CONFIG": config, "SYNCCTL_KUBERNETES_CONTEXT": "nowhere"}
    assert of(tmp_path, None, **settings) == "sync-tasks"
