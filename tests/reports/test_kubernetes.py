"""Credentials for Kubernetes that change, are missing, or cannot be sent."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.cluster import data_plane, kubernetes
from common.cluster import kubeconfig as kubeconfigs
from common.cluster.credentials import Clients
from common.cluster.kubernetes import KubernetesCluster
from common.errors import ClusterUnavailable, SettingsError, SyncError
from common.settings import Settings
from tests.reports.conftest import CASES
from tests.support.databases import TestDatabase
from tests.support.fake_bulker import wait_for
from tests.support.fake_kubernetes import NAMESPACE, Answer, Asked, FakeKubernetes, fake_kubernetes, made, status
from tests.support.functions import running
from tests.support.local_system import PACKAGE, VERSION

ANONYMOUS = 'pods is forbidden: User "system:anonymous" cannot get resource "pods" in API group "" in the namespace "n"'
TOKEN = "token-31c7"


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    """A server that accepts one token at a time; without any, the caller is system:anonymous."""
    with fake_kubernetes() as running_api:
        running_api.pods["p"] = made("p")
        accept(running_api, TOKEN)
        yield running_api


def accept(api: FakeKubernetes, token: str) -> None:
    def fail(asked: Asked, _: int) -> Answer | bool:
        given = asked.headers.get("authorization", "")
        if not given:
            return status(403, "Forbidden", ANONYMOUS)
        return False if given.partition(" ")[2] == token else status(401, "Unauthorized", "Unauthorized")

    api.fail = fail


def kubeconfig(case: str, api: FakeKubernetes, user: dict[str, Any] | None = None) -> str:
    """The case's kubeconfig for this server, with another user if one is given."""
    document = json.loads((CASES / case / "kubeconfig.json").read_text())
    document["clusters"][0]["cluster"]["server"] = api.url
    if user is not None:
        document["users"][0]["user"] = user
    return json.dumps(document)


def connect(config: Path | str) -> KubernetesCluster:
    names = ("CLIENT_CONFIG", "CONTEXT", "NAMESPACE")
    values = (str(config), "garden", NAMESPACE)
    return kubernetes.connect(
        Settings.load({f"SYNCCTL_KUBERNETES_{name}": value for name, value in zip(names, values, strict=True)})
    )


def program(path: Path, text: str) -> Path:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def plugin(command: Path | str) -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(command),
            "interactiveMode": "Never",
        }
    }


def credential(**fields: str) -> str:
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": fields})


def _token_file(folder: Path, api: FakeKubernetes) -> tuple[str, Callable[[str], None]]:
    return kubeconfig("kube-token-file-that-changes", api), (folder / "token").write_text  # type: ignore[return-value]


def _whole_file(folder: Path, api: FakeKubernetes) -> tuple[str, Callable[[str], None]]:
    """As the kubelet replaces a mounted Secret: another file under the same name."""

    def write(token: str) -> None:
        (folder / "new").write_text(kubeconfig("kube-token-file-that-changes", api, {"token": token}))
        (folder / "new").replace(folder / "config")

    return "", write


def _plugin(folder: Path, api: FakeKubernetes) -> tuple[str, Callable[[str], None]]:
    """Its answer names no end, or one that is far away: the server refuses the token earlier."""

    def write(token: str) -> None:
        program(folder / "helper", f"echo '{credential(token=token, expirationTimestamp='2999-01-01T00:00:00Z')}'")

    return kubeconfig("kube-credential-plugin-that-is-missing", api, plugin(folder / "helper")), write


@pytest.mark.parametrize("made_by", [_token_file, _whole_file, _plugin])
@pytest.mark.fault(88)
def test_kube_token_file_that_changes(tmp_path: Path, api: FakeKubernetes, made_by: Any) -> None:
    """The next request has the new credentials, whichever way they came; a request is repeated only after a 401."""
    config, write = made_by(tmp_path, api)
    if config:
        (tmp_path / "config").write_text(config)
    for number in range(3):
        token = f"token-{number}"
        write(token)
        accept(api, token)
        assert connect(tmp_path / "config").get_pod("p") is not None
    assert len([one for one in api.asked if one.headers["authorization"] == "Bearer token-2"]) == 1


def test_a_refused_token_is_asked_for_once_more_and_then_told(tmp_path: Path, api: FakeKubernetes) -> None:
    """Not in a loop; and once the right one is there, the next request works."""
    (tmp_path / "config").write_text(kubeconfig("kube-token-file-that-changes", api))
    (tmp_path / "token").write_text("another")
    with pytest.raises(ClusterUnavailable, match="does not accept our credentials"):
        connect(tmp_path / "config").get_pod("p")
    assert len(api.asked) <= 2
    (tmp_path / "token").write_text(TOKEN)
    assert connect(tmp_path / "config").get_pod("p") is not None


def test_a_server_that_moves(tmp_path: Path, api: FakeKubernetes) -> None:
    """A kubeconfig that is replaced may also name another server: the old one need not answer any more."""
    moved = kubeconfig("kube-token-file-that-changes", api, {"token": TOKEN})
    (tmp_path / "config").write_text(moved.replace(api.url, "http://127.0.0.1:1"))
    with pytest.raises(ClusterUnavailable, match="cannot be reached"):
        connect(tmp_path / "config").get_pod("p")
    (tmp_path / "config").write_text(moved)
    assert connect(tmp_path / "config").get_pod("p") is not None


PLUGINS = {
    "missing": (None, "garden-token-helper.* could not be run"),
    "failing": ("echo 'no session; run garden login' >&2; exit 3", "garden-token-helper.* 3.*no session; run garden login"),
    "not JSON": ("echo hello", "garden-token-helper"),
    "no token": (f"echo '{credential()}'", "garden-token-helper.*neither a token nor a certificate"),
    "an empty token": (f"echo '{credential(token='')}'", "garden-token-helper.*neither a token nor a certificate"),
    "null": ("echo '" + credential(token="x").replace('"x"', "null") + "'", "garden-token-helper.*neither a token"),
    "a list": ("echo '[]'", "garden-token-helper"),
    "half a certificate": (f"echo '{credential(clientCertificateData='x')}'", "garden-token-helper"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), PLUGINS.values(), ids=PLUGINS)
@pytest.mark.fault(89)
def test_kube_credential_plugin_that_is_missing(
    tmp_path: Path, api: FakeKubernetes, text: str | None, words: str
) -> None:
    """The plugin is the reason, by name and with its words, and not a missing role; once it works, so do we."""
    helper = tmp_path / "garden-token-helper"
    if text is not None:
        program(helper, text)
    (tmp_path / "config").write_text(kubeconfig("kube-credential-plugin-that-is-missing", api, plugin(helper)))
    with pytest.raises(ClusterUnavailable, match=words) as raised:
        connect(tmp_path / "config").get_pod("p")
    assert "SYNCCTL_KUBERNETES_CLIENT_CONFIG" in str(raised.value)
    assert "roles.yaml" not in str(raised.value)
    assert api.asked == []
    program(helper, f"echo '{credential(token=TOKEN)}'")
    assert connect(tmp_path / "config").get_pod("p") is not None


def test_a_credential_plugin_may_answer_with_a_certificate(tmp_path: Path, api: FakeKubernetes) -> None:
    """The server is called with it and its key."""
    answer = credential(clientCertificateData="a certificate", clientKeyData="a key")
    helper = program(tmp_path / "helper", f"echo '{answer}'")
    config = kubeconfig("kube-credential-plugin-that-is-missing", api, plugin(helper))
    seen: list[Any] = []
    given = Settings.load({"SYNCCTL_KUBERNETES_CLIENT_CONFIG": config, "SYNCCTL_KUBERNETES_CONTEXT": "garden"})
    Clients(given, seen.append).current()  # type: ignore[arg-type] # no client is needed
    [found] = seen
    assert Path(found.cert_file).read_text() == "a certificate"
    assert Path(found.key_file).read_text() == "a key"


@pytest.mark.fault(263)
def test_a_credential_plugin_that_hangs(tmp_path: Path, api: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, with what it has started, and named: not with its arguments, nor with what it printed."""
    monkeypatch.setattr(kubeconfigs, "PLUGIN_SECONDS", 1.0)
    child = tmp_path / "child"
    helper = program(
        tmp_path / "garden-token-helper",
        f"echo '{credential(token=TOKEN)}'\nsleep 20 & echo $! > {child}.new; mv {child}.new {child}\nwait",
    )
    user = plugin(helper)
    user["exec"]["args"] = [f"--refresh-token={TOKEN}"]
    (tmp_path / "config").write_text(kubeconfig("kube-credential-plugin-that-is-missing", api, user))
    with pytest.raises(
        ClusterUnavailable, match="garden-token-helper, did not end within 1 s and was killed"
    ) as raised:
        connect(tmp_path / "config").get_pod("p")
    assert TOKEN not in str(raised.value)
    assert api.asked == []
    number = int(child.read_text())
    wait_for(lambda: not psutil.pid_exists(number), 10, "the end of the plugin's child")
    program(helper, f"echo '{credential(token=TOKEN)}'")
    assert connect(tmp_path / "config").get_pod("p") is not None


@pytest.mark.fault(263)
def test_a_credential_plugin_that_takes_its_time_holds_up_its_own_requests_alone(
    tmp_path: Path, api: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that need its answer wait for the same run, and get its error; others go on."""
    monkeypatch.setattr(kubeconfigs, "PLUGIN_SECONDS", 600.0)
    begun, go = tmp_path / "begun", tmp_path / "go"
    text = f"echo >> {begun}\nn=0\nuntil [ -e {go} ] || [ $n = 1200 ]; do sleep 0.1; n=$((n+1)); done\nexit 3\n"
    helper = program(tmp_path / "garden-token-helper", text)
    (tmp_path / "config").write_text(kubeconfig("kube-credential-plugin-that-is-missing", api, plugin(helper)))
    (tmp_path / "other").write_text(kubeconfig("kube-token-file-that-changes", api, {"token": TOKEN}))

    def ask() -> str:
        with pytest.raises(ClusterUnavailable) as raised:
            connect(tmp_path / "config").get_pod("p")
        return str(raised.value)

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(ask)]
        wait_for(begun.exists, 30, "the plugin's begin")
        waiting += [pool.submit(ask) for _ in range(2)]
        assert connect(tmp_path / "other").get_pod("p") is not None
        assert not any(one.done() for one in waiting)
        go.touch()
        assert all("garden-token-helper, failed (exit code 3)" in one.result(60) for one in waiting)


@pytest.mark.parametrize("user", [{}, {"username": "us"}, {"token": ""}, {"auth-provider": {"name": "azure"}}])
def test_a_user_without_credentials(tmp_path: Path, api: FakeKubernetes, user: dict[str, Any]) -> None:
    """Kubernetes then speaks of system:anonymous: no role would help."""
    (tmp_path / "config").write_text(kubeconfig("kube-token-file-that-changes", api, user))
    with pytest.raises(
        ClusterUnavailable, match=r"No credentials were sent.*SYNCCTL_KUBERNETES_CLIENT_CONFIG"
    ) as raised:
        connect(tmp_path / "config").get_pod("p")
    assert "roles.yaml" not in str(raised.value)


@pytest.mark.parametrize("space", ["\n", "\r\n", "  \n\n", "\ufeff"])
@pytest.mark.parametrize("where", ["tokenFile", "token", "plugin"])
@pytest.mark.fault(90)
def test_kube_token_with_a_line_break(tmp_path: Path, api: FakeKubernetes, space: str, where: str) -> None:
    """White space around a token, as editors leave it, is nothing."""
    token = TOKEN + space if space != "\ufeff" else space + TOKEN
    (tmp_path / "token").write_text(token, newline="")
    user = {
        "tokenFile": {"tokenFile": "token"},
        "token": {"token": token},
        "plugin": plugin(program(tmp_path / "helper", f"cat <<'END'\n{credential(token=token)}\nEND")),
    }[where]
    (tmp_path / "config").write_text(kubeconfig("kube-token-with-a-line-break", api, user))
    for _ in range(2):  # the library sets the token for each request
        assert connect(tmp_path / "config").get_pod("p") is not None


UNSENDABLE = {
    "a line break inside": {"token": f"{TOKEN}\nmore"},
    "a letter of no header": {"token": f"{TOKEN}-\u2026"},
    "a password": {"username": "us", "password": f"{TOKEN}\u2026"},
}


@pytest.mark.parametrize("user", UNSENDABLE.values(), ids=UNSENDABLE)
def test_a_token_that_no_header_can_carry(tmp_path: Path, api: FakeKubernetes, user: dict[str, Any]) -> None:
    """It is refused by the setting's name, or sent as it can be, and never shown."""
    (tmp_path / "config").write_text(kubeconfig("kube-token-with-a-line-break", api, user))
    with pytest.raises(SyncError, match="SYNCCTL_KUBERNETES_CLIENT_CONFIG") as raised:
        connect(tmp_path / "config").get_pod("p")
    assert TOKEN not in str(raised.value)
    assert isinstance(raised.value, SettingsError | ClusterUnavailable)


def test_no_token_in_the_log_of_a_function(tmp_path: Path, api: FakeKubernetes, database: TestDatabase) -> None:
    """The deployed function: a token in two lines ends in a sentence, and its output holds none of it."""
    (tmp_path / "config").write_text(kubeconfig("kube-token-with-a-line-break", api))
    (tmp_path / "token").write_text(f"{TOKEN}\nmore\n")
    given: Any = {
        "SYNCCTL_DATABASE_URL": database.url,
        "SYNCCTL_KUBERNETES_CLIENT_CONFIG": str(tmp_path / "config"),
        "SYNCCTL_KUBERNETES_NAMESPACE": NAMESPACE,
    }
    with running("check", **given) as server:
        path = f"/check?package={PACKAGE}&version={VERSION}&storageKey=k"
        answer = server.ask("POST", path, '{"config": {}}')
        assert answer.status in {500, 503}
        assert "SYNCCTL_KUBERNETES_CLIENT_CONFIG" in answer.error
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        assert server.ask("POST", path, '{"config": {}}').status == 200, server.log.read_text()
        assert TOKEN not in server.log.read_text()


BROKEN = {
    "no server": {"clusters": [{"name": "garden", "cluster": {}}]},
    "no users": {"users": None},
    "a user that is a text": {"users": [{"name": "gardener", "user": TOKEN}]},
    "clusters that are a text": {"clusters": TOKEN},
    "a plugin without a command": {"users": [{"name": "gardener", "user": {"exec": {}}}]},
}


@pytest.mark.parametrize("part", BROKEN.values(), ids=BROKEN)
def test_a_kubeconfig_of_another_shape(tmp_path: Path, api: FakeKubernetes, part: dict[str, Any]) -> None:
    """The setting is named, its content is not shown."""
    document = json.loads(kubeconfig("kube-token-with-a-line-break", api)) | part
    (tmp_path / "config").write_text(json.dumps(document))
    (tmp_path / "token").write_text(TOKEN)
    with pytest.raises(SyncError) as raised:
        connect(tmp_path / "config").get_pod("p")
    assert "SYNCCTL_KUBERNETES_CLIENT_CONFIG" in str(raised.value) or "No credentials" in str(raised.value)
    assert TOKEN not in str(raised.value)


PROXIES = {
    "HTTP_PROXY": "socks5://us:" + TOKEN + "@127.0.0.1:1080",
    "http_proxy": "ftp://us:" + TOKEN + "@127.0.0.1:1",
    "ALL_PROXY": "127.0.0.1:what",
}


@pytest.mark.parametrize(("name", "value"), PROXIES.items(), ids=PROXIES)
@pytest.mark.fault(91)
def test_a_proxy_of_the_environment_that_cannot_be_used(
    tmp_path: Path, api: FakeKubernetes, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The variable is named, its password is not shown; NO_PROXY with odd entries still keeps a host from it."""
    (tmp_path / "config").write_text(kubeconfig("kube-token-with-a-line-break", api, {"token": TOKEN}))
    for other in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(SyncError, match=name.upper()) as raised:
        connect(tmp_path / "config").get_pod("p")
    assert TOKEN not in str(raised.value)
    monkeypatch.setenv("NO_PROXY", "[::1],10.0.0.0/8,.svc,127.0.0.1")
    assert connect(tmp_path / "config").get_pod("p") is not None


def test_a_proxy_of_the_environment_that_is_away(
    tmp_path: Path, api: FakeKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named: the API server may be well."""
    moved = kubeconfig("kube-token-with-a-line-break", api, {"token": TOKEN}).replace(api.url, "https://127.0.0.1:1")
    (tmp_path / "config").write_text(moved)
    monkeypatch.setenv("HTTPS_PROXY", f"http://us:{TOKEN}@127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "elsewhere.test")
    with pytest.raises(ClusterUnavailable, match="HTTPS_PROXY") as raised:
        connect(tmp_path / "config").get_pod("p")
    assert TOKEN not in str(raised.value)


def test_a_kubeconfig_of_one_line(api: FakeKubernetes) -> None:
    """JSON without a line break, as in a ConfigMap's value, is no path; its data plane is that of the same file."""
    document = json.loads(kubeconfig("kube-token-with-a-line-break", api, {"token": TOKEN}))
    texts = [json.dumps(document), json.dumps(document, indent=1)]
    assert connect(texts[0]).get_pod("p") is not None
    settings = [Settings.model_validate({"kubernetes_client_config": text}) for text in texts]
    planes = [data_plane.of(one.model_copy(update={"kubernetes_context": "garden"})) for one in settings]
    assert planes[0] == planes[1] != "default"
