"""The Kubernetes client against a server that fails as API servers fail."""

import base64
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.cluster import api as cluster_api
from common.cluster import kubernetes
from common.cluster.kubernetes import KubernetesCluster
from common.cluster.objects import Container, Spec, Terminated
from common.errors import (
    ClusterUnavailable,
    Conflict,
    QuotaExceeded,
    Refused,
    SettingsError,
    SyncError,
    TimedOut,
    TooLarge,
)
from common.settings import Settings
from tests.support import canaries
from tests.support.fake_kubernetes import NAMESPACE, Answer, Asked, FakeKubernetes, fake_kubernetes, made, status

ROOT = Path(__file__).parents[2]


@pytest.fixture
def api() -> Iterator[FakeKubernetes]:
    with fake_kubernetes() as running:
        yield running


def settings(config: str, context: str = "used") -> Settings:
    given = {"SYNCCTL_KUBERNETES_CLIENT_CONFIG": config, "SYNCCTL_KUBERNETES_NAMESPACE": NAMESPACE}
    return Settings.load(given | ({"SYNCCTL_KUBERNETES_CONTEXT": context} if context else {}))


@pytest.fixture
def cluster(api: FakeKubernetes) -> KubernetesCluster:
    """The seven verbs, with pages of two."""
    return KubernetesCluster(cluster_api.connect(settings(api.kubeconfig)), NAMESPACE, page=2)


def pod(name: str = "p", task: str = "t") -> dict[str, Any]:
    whole = made(name, task)
    del whole["metadata"]["uid"], whole["status"]
    return whole


SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "p-config"},
    "data": {"config": base64.b64encode('{"key": "kéy"}'.encode()).decode()},
}


def failing(*answers: Answer) -> Callable[[Asked, int], Answer | bool]:
    """Gives these answers first, then works."""
    return lambda _, number: answers[number] if number < len(answers) else False


def test_the_seven_verbs(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """What is sent: paths, credentials, preconditions; what comes back: pods with the fields that we use."""
    created = cluster.create_pod(pod())
    assert created.uid == "uid-p"
    cluster.create_secret(SECRET)
    found = cluster.get_pod("p")
    assert found is not None
    assert found.spec == Spec(containers=(Container(name="source", image="i"),))
    assert found.task_id == "t"
    assert cluster.get_pod("other") is None
    assert cluster.read_secret("other") is None
    assert cluster.read_secret(SECRET["metadata"]["name"]) == {"config": b'{"key": "k\xc3\xa9y"}'}
    api.logs["p/source"] = b"caf\xe9\n\0"
    assert cluster.read_log("p", "source", 50) == b"caf\xe9\n\0"
    assert cluster.read_log("p", "sidecar", 50) == b""
    assert cluster.read_log("other", "source", 50) == b""
    cluster.delete_pod("p", "uid-p", 8)
    assert api.pods == {}
    assert api.verbs()[:3] == ["POST pods", "POST secrets", "GET pods/p"]
    log = next(one for one in api.asked if one.path.endswith("/log"))
    assert log.query == {"container": "source", "tailLines": "50", "limitBytes": str(256 * 1024)}
    assert api.asked[-1].body["gracePeriodSeconds"] == 8
    for one in api.asked:
        assert one.headers["authorization"] == f"Bearer {canaries.TOKEN}"
        assert one.headers["user-agent"] == "sync-functions"


def test_a_zero_exit_code_is_not_lost(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """It is a fact, and no default."""
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    api.pods["p"] = made("p") | {
        "status": {"phase": "Running", "containerStatuses": [{"name": "source", "state": ended}]}
    }
    found = cluster.get_pod("p")
    assert found is not None
    assert dict(found.states())["source"].terminated == Terminated(exit_code=0, reason="Completed")


@pytest.mark.fault(8)
def test_deleting_what_is_gone_is_success(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """Nothing of that name, or another pod of that name, which stays."""
    cluster.delete_pod("p", "uid-p", 8)
    api.pods["p"] = made("p", uid="younger")
    cluster.delete_pod("p", "uid-p", 8)
    assert list(api.pods) == ["p"]


def test_pages_are_put_together(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """By label, page by page."""
    api.pods = {f"p{n}": made(f"p{n}") for n in range(5)}
    assert [one.name for one in cluster.list_pods()] == [f"p{n}" for n in range(5)]
    assert [one.query.get("continue") for one in api.asked] == [None, "p1", "p3"]
    assert {one.query["labelSelector"] for one in api.asked} == {"jitsu.com/creator=bulker-sync-controller"}


@pytest.mark.fault(10)
def test_an_expired_token_starts_the_list_anew(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """Every pod once, and none is taken for absent; a list that never ends in time is an error."""
    api.pods = {f"p{n}": made(f"p{n}") for n in range(5)}
    expired = status(410, "Expired", "The provided continue parameter is too old")
    api.fail = lambda _, number: expired if number == 2 else False
    assert sorted(one.name for one in cluster.list_pods()) == [f"p{n}" for n in range(5)]
    api.fail = lambda asked, _: expired if "continue" in asked.query else False
    with pytest.raises(ClusterUnavailable, match="change faster"):
        list(cluster.list_pods())


@pytest.mark.fault(10)
def test_a_list_that_breaks_off_is_an_error(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """Half a list must not look like a whole one."""
    api.pods = {f"p{n}": made(f"p{n}") for n in range(5)}
    api.fail = lambda asked, _: None if "continue" in asked.query else False
    with pytest.raises(ClusterUnavailable, match="broke while listing"):
        list(cluster.list_pods())


BUSY = [
    status(429, "TooManyRequests", "too many requests"),
    status(503, "ServiceUnavailable", "apiserver not ready"),
    status(500, "InternalError", "etcdserver: leader changed"),
    None,
]


@pytest.mark.parametrize("fault", BUSY, ids=["429", "503", "500", "reset"])
@pytest.mark.fault(4, 5)
def test_get_and_delete_are_repeated(cluster: KubernetesCluster, api: FakeKubernetes, fault: Answer) -> None:
    """They mean the same the second time."""
    api.pods["p"] = made("p")
    api.fail = failing(fault)
    assert cluster.get_pod("p") is not None
    api.asked.clear()
    cluster.delete_pod("p", "uid-p", 8)
    assert api.verbs() == ["DELETE pods/p"] * 2
    assert api.pods == {}


@pytest.mark.fault(4)
def test_what_stays_busy_is_told(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """After a few attempts, as an error of ours that holds nothing of the library's."""
    api.fail = lambda *_: BUSY[2]
    with pytest.raises(
        ClusterUnavailable, match=r"failed while looking at the pod p \(500: etcdserver: leader changed\)"
    ):
        cluster.get_pod("p")
    assert 2 <= len(api.asked) <= 5


@pytest.mark.parametrize("fault", BUSY, ids=["429", "503", "500", "reset"])
@pytest.mark.fault(4, 5)
def test_a_post_is_never_sent_twice(cluster: KubernetesCluster, api: FakeKubernetes, fault: Answer) -> None:
    """An unknown outcome is settled by name: nothing there, so the error stands, and a repeat is the caller's."""
    api.fail = failing(fault)
    with pytest.raises(ClusterUnavailable):
        cluster.create_pod(pod())
    assert [verb for verb in api.verbs() if verb.startswith("POST")] == ["POST pods"]


def _carried_out(api: FakeKubernetes, answer: Answer) -> Callable[[Asked, int], Answer | bool]:
    """The server makes the pod, and the answer gets lost."""

    def fail(asked: Asked, _: int) -> Answer | bool:
        if asked.method != "POST":
            return False
        api.answer(asked)
        return answer

    return fail


@pytest.mark.parametrize("fault", [None, status(504, "Timeout", "request timed out")], ids=["reset", "504"])
@pytest.mark.fault(7)
def test_an_unknown_outcome_is_settled_by_name(cluster: KubernetesCluster, api: FakeKubernetes, fault: Answer) -> None:
    """The pod is there, and it is this task's."""
    api.fail = _carried_out(api, fault)
    assert cluster.create_pod(pod()).uid == "uid-p"
    assert api.verbs() == ["POST pods", "GET pods/p"]


@pytest.mark.fault(1)
def test_the_pod_of_another_task_is_a_conflict(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """Also where the answer got lost."""
    api.pods["p"] = made("p", task="other")
    with pytest.raises(Conflict):
        cluster.create_pod(pod())
    api.fail = lambda asked, _: None if asked.method == "POST" else False
    with pytest.raises(Conflict):
        cluster.create_pod(pod())
    api.pods["p"] = made("p", deletionTimestamp="2026-01-01T00:00:00Z")
    with pytest.raises(Conflict):
        cluster.create_pod(pod())


@pytest.mark.fault(7)
def test_a_secret_whose_outcome_is_unknown_is_not_sent_again(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """Nobody may read Secrets; the repeated request then meets its own."""
    api.fail = _carried_out(api, None)
    with pytest.raises(ClusterUnavailable, match="creating the secret p-config"):
        cluster.create_secret(SECRET)
    assert api.verbs() == ["POST secrets"]
    api.fail = lambda *_: False
    with pytest.raises(Conflict):
        cluster.create_secret(SECRET)


@pytest.mark.fault(2)
def test_a_contended_quota_is_asked_again(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """409 Conflict, unlike 409 AlreadyExists, says that nothing was done."""
    busy = status(409, "Conflict", 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified')
    api.fail = failing(busy, busy)
    assert cluster.create_pod(pod()).uid == "uid-p"
    api.pods.clear()
    api.fail = lambda *_: busy
    with pytest.raises(ClusterUnavailable, match="competing change"):
        cluster.create_pod(pod())


FORBIDDEN = 'pods "p" is forbidden: '
REFUSALS = [
    (403, FORBIDDEN + "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2", QuotaExceeded, "quota"),
    (403, FORBIDDEN + "exceeded quota: q, requested: limits.memory=2688Mi, used: limits.memory=0, limited: limits.memory=2Gi", Refused, "needs of limits.memory"),
    (403, FORBIDDEN + "exceeded quota: q, requested: limits.cpu=4,pods=1, used: limits.cpu=0,pods=0, limited: limits.cpu=3500m,pods=9", Refused, "needs of limits.cpu"),
    (403, FORBIDDEN + "exceeded quota: a, requested: pods=1, used: pods=2, limited: pods=2; exceeded quota: b, requested: requests.memory=688128Ki, used: requests.memory=0, limited: requests.memory=512Mi", Refused, "needs of requests.memory"),
    (403, FORBIDDEN + "exceeded quota: q, requested: limits.memory=2688Mi, used: limits.memory=1Gi, limited: limits.memory=3G", QuotaExceeded, "used up"),
    (403, FORBIDDEN + "exceeded quota: closed, requested: pods=1, used: pods=0, limited: pods=0", QuotaExceeded, "used up"),
    (403, FORBIDDEN + 'violates PodSecurity "restricted:latest": privileged', Refused, "violates PodSecurity"),
    (403, FORBIDDEN + "maximum memory usage per Container is 1Gi, but limit is 2Gi", Refused, "maximum memory"),
    (403, 'pods is forbidden: User "system:serviceaccount:a:b" cannot create resource "pods"', ClusterUnavailable, "roles.yaml"),
    (403, "unable to create new content in namespace x because it is being terminated", ClusterUnavailable, "deleted"),
    (400, 'admission webhook "policy.example.com" denied the request: no', Refused, "denied the request: no"),
    (422, 'Pod "p" is invalid: spec.containers[0].image: Required value', Refused, "Required value"),
    (401, "Unauthorized", ClusterUnavailable, "credentials"),
    (404, 'namespaces "sync-tasks" not found', ClusterUnavailable, "namespace"),
    (413, "etcdserver: request is too large", TooLarge, "too large"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "said", "error", "words"), REFUSALS, ids=[f"{c}-{w}" for c, _, _, w in REFUSALS])
@pytest.mark.fault(9, 37)
def test_refusals_are_told_apart(
    cluster: KubernetesCluster, api: FakeKubernetes, code: int, said: str, error: type[SyncError], words: str
) -> None:
    """403 alone means six things; a refusal is final, a full quota passes, one too small for any task does not, our own rights are the operator's."""
    api.fail = lambda *_: status(code, "Forbidden", said)
    with pytest.raises(error, match=words) as raised:
        cluster.create_pod(pod())
    assert type(raised.value).__module__ in {"common.errors", "common.cluster.errors"}
    assert len(api.asked) == (2 if code == 401 else 1)  # a token is read again


def test_what_does_not_speak_kubernetes(cluster: KubernetesCluster, api: FakeKubernetes) -> None:
    """A proxy's page, or a login form with status 200."""
    api.fail = lambda *_: (502, b"<html>Bad gateway \xff</html>")
    with pytest.raises(ClusterUnavailable, match="502: Bad Gateway"):
        cluster.get_pod("p")
    for page in (b"<html>Log in</html>", b"{}", b'{"metadata": 7}', b"\xff"):
        api.fail = lambda *_, page=page: (200, page)
        with pytest.raises(ClusterUnavailable, match="did not send a pod"):
            cluster.get_pod("p")


def test_nobody_listens(api: FakeKubernetes) -> None:
    """The current context leads nowhere."""
    with pytest.raises(ClusterUnavailable, match="cannot be reached while looking at the pod p"):
        kubernetes.connect(settings(api.kubeconfig, context="")).get_pod("p")


@pytest.mark.fault(6)
def test_a_server_that_hangs(cluster: KubernetesCluster, api: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call has a time limit; for a creation that is an unknown outcome."""
    monkeypatch.setattr(cluster_api, "READ_SECONDS", 0.2)
    over = threading.Event()
    api.fail = lambda *_: over.wait(20) and False
    try:
        with pytest.raises(TimedOut, match="did not answer in time while listing"):
            list(cluster.list_pods())
        with pytest.raises(TimedOut, match="creating the pod p"):
            cluster.create_pod(pod())
        assert api.verbs().count("POST pods") == 1
    finally:
        over.set()


def test_configuration_by_text_and_by_path(api: FakeKubernetes, tmp_path: Path) -> None:
    """And by context."""
    api.pods["p"] = made("p")
    file = tmp_path / "config"
    file.write_text(api.kubeconfig)
    for given in (api.kubeconfig, str(file)):
        cluster = kubernetes.connect(settings(given))
        assert cluster is kubernetes.connect(settings(given))
        assert cluster.get_pod("p") is not None


@pytest.mark.parametrize(
    ("config", "context", "words"),
    [
        ("local", "", "outside of a cluster, name a kubeconfig"),
        ("/no/such/file", "", "SYNCCTL_KUBERNETES_CLIENT_CONFIG"),
        ("a: {secret-token\nb", "", "is not YAML"),
        ("- a\n- b", "", "is not a kubeconfig"),
        ("apiVersion: v1\nkind: Config", "", "cannot be used"),
        (None, "no-such-context", "correct the file or the context"),
    ],
)
def test_unusable_configuration_is_named(api: FakeKubernetes, config: str | None, context: str, words: str) -> None:
    """The setting and what to do; never its content."""
    with pytest.raises(SettingsError, match=words) as raised:
        cluster_api.connect(settings(config or api.kubeconfig, context)).open()
    assert "secret-token" not in str(raised.value)


def test_connecting_loads_no_models() -> None:
    """Nor what reads kubeconfigs, in a pod: each would multiply the time of a cold start."""
    code = (
        "from common.cluster import kubernetes\nfrom common.errors import SettingsError\n"
        "from common.settings import Settings\n"
        "try: kubernetes.connect(Settings.load({}))\nexcept SettingsError: pass\n"
        "from kubernetes.client import ApiClient\n"
        "import sys; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "kubernetes.client.api_client" in loaded
    assert [name for name in loaded if name.startswith("kubernetes.client.models.v1_")] == []
    assert not {"kubernetes.config.kube_config", "kubernetes.dynamic", "kubernetes.watch"} & set(loaded)
