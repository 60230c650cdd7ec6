"""syncctl.kn.locate: which deployment a kubeconfig leads to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import SyncError
from syncctl.kn import locate, target
from syncctl.kn.kube import Denied, Kubernetes
from syncctl.kn.locate import choose_token, template
from tests.support import canaries
from tests.support.fake_knative import GATEWAYS, SERVING, FakeKnative, fake_knative, service

ROUTES = f"{GATEWAYS}namespaces/sync-functions/httproutes"
NO_SUCH_PATH = (404, b"404 page not found\n")


@pytest.fixture
def knative(tmp_path: Path) -> Iterator[FakeKnative]:
    with fake_knative(tmp_path) as running:
        running.deploy()
        running.secret(SYNCCTL_AUTH_TOKENS=canaries.TOKEN)
        yield running


def _find(knative: FakeKnative, namespace: str = "", context: str = "", token: str = "") -> target.Target:
    return target.target(str(knative.kubeconfig), context, namespace, "", token)


def _use_namespace(knative: FakeKnative, namespace: str) -> None:
    text = knative.kubeconfig.read_text()
    knative.kubeconfig.write_text(text.replace("cluster: here, user", f"namespace: {namespace}, cluster: here, user"))


def test_the_only_deployment_is_found(knative: FakeKnative) -> None:
    """In whichever namespace; address, token and version with it."""
    found = _find(knative)
    assert (found.namespace, found.version) == ("sync-functions", "0.1.0")
    assert found.url == "http://{function}.sync-functions.example.com"
    assert found.token == canaries.TOKEN


def test_the_namespace_of_the_context_comes_first(knative: FakeKnative) -> None:
    """As for every verb of kn; the others are not even listed."""
    knative.deploy("team-a")
    knative.secret(namespace="team-a", SYNCCTL_AUTH_TOKENS=canaries.TOKEN)
    _use_namespace(knative, "team-a")
    assert _find(knative).namespace == "team-a"
    assert f"{SERVING}services" not in {asked.path for asked in knative.api.asked}
    assert _find(knative, "sync-functions").namespace == "sync-functions"


@pytest.mark.fault(411)
def test_of_several_one_has_to_be_chosen(knative: FakeKnative) -> None:
    """None is guessed."""
    knative.deploy("team-a")
    with pytest.raises(
        SyncError, match="several deployments of sync-functions; choose one with -n: sync-functions, team-a"
    ):
        _find(knative)


@pytest.mark.fault(411)
def test_a_wrong_namespace_names_the_right_ones(knative: FakeKnative) -> None:
    """Such as that of the task pods."""
    with pytest.raises(SyncError, match=r"namespace sync-tasks has no sync-functions\. There are some in: sync-func"):
        _find(knative, "sync-tasks")


@pytest.mark.fault(412)
def test_who_may_not_look_everywhere_is_asked_for_the_namespace(knative: FakeKnative) -> None:
    """A list of all namespaces is more than most may see."""
    knative.forbidden = (f"{SERVING}services",)
    with pytest.raises(SyncError, match="default has no sync-functions, and you may not look into all others"):
        _find(knative)
    knative.forbidden = (f"{SERVING}services", f"{SERVING}namespaces/default")
    with pytest.raises(SyncError, match="choose one with -n"):
        _find(knative)
    assert _find(knative, "sync-functions").token == canaries.TOKEN


def test_the_context_is_honoured(knative: FakeKnative) -> None:
    """The other one leads to a server that does not answer."""
    with pytest.raises(SyncError, match="Kubernetes cannot be reached"):
        _find(knative, context="nowhere")
    with pytest.raises(SyncError, match=r"^--kubeconfig \(KUBECONFIG\) cannot be used"):
        _find(knative, context="misspelt")


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By the option, not by the functions' setting."""
    with pytest.raises(SyncError, match=r"^--kubeconfig \(KUBECONFIG\) names no file that exists"):
        Kubernetes(str(tmp_path / "nothing"), "")


@pytest.mark.fault(413)
@pytest.mark.parametrize("protocol", ["HTTP", "HTTPS"])
def test_a_gateway_with_a_host_comes_before_the_functions_own(knative: FakeKnative, protocol: str) -> None:
    """Its listener tells whether it speaks TLS."""
    spec = {"hostnames": ["*.example.com", "sync.example.com"], "parentRefs": [{"name": "gw", "namespace": "gateway"}]}
    knative.objects[ROUTES] = {"items": [{"spec": spec}]}
    knative.objects[f"{GATEWAYS}namespaces/gateway/gateways/gw"] = {"spec": {"listeners": [{"protocol": protocol}]}}
    assert _find(knative).url == f"{protocol.lower()}://sync.example.com"


def test_a_gateway_that_may_not_be_read_speaks_tls(knative: FakeKnative) -> None:
    """It is in a namespace of its operator's; the token goes nowhere in clear by a guess."""
    spec = {"hostnames": ["sync.example.com"], "parentRefs": [{"name": "gw", "namespace": "gateway"}]}
    knative.objects[ROUTES] = {"items": [{"spec": spec}]}
    knative.forbidden = (f"{GATEWAYS}namespaces/gateway/",)
    assert _find(knative).url == "https://sync.example.com"


def test_a_load_balancer_of_the_nginx_gateway_is_found(knative: FakeKnative) -> None:
    """Its Service has the address in its status."""
    ingress = {"loadBalancer": {"ingress": [{"ip": "2001:db8::1"}]}}
    gateway = {"spec": {"ports": [{"port": 8080}]}, "status": ingress}
    knative.objects["/api/v1/namespaces/sync-functions/services/gateway"] = gateway
    assert _find(knative).url == "http://[2001:db8::1]:8080"


def test_who_may_not_read_gateways_uses_the_functions(knative: FakeKnative) -> None:
    """They are a convenience."""
    knative.forbidden = (ROUTES,)
    assert _find(knative).url == "http://{function}.sync-functions.example.com"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://{}.sync-functions.svc.cluster.local", "inside the cluster alone. Open a way, such as `kubectl port-f"),
        ("", "The functions in sync-functions have no address yet; `kn service list -n sync-functions` shows why"),
    ],
)
def test_functions_without_an_outside_address_name_the_way(knative: FakeKnative, url: str, message: str) -> None:
    """There is nothing to guess."""
    knative.deploy(url=url)
    with pytest.raises(SyncError, match=message):
        _find(knative)


@pytest.mark.fault(412)
def test_who_may_not_read_the_secret_passes_the_token(knative: FakeKnative) -> None:
    """The sentence names the Secret; the variable is used then."""
    knative.forbidden = ("/api/v1/namespaces/sync-functions/secrets",)
    with pytest.raises(Denied, match=r"reading the Secret sync-secrets.*--token"):
        _find(knative)
    assert _find(knative, token="own").token == "own"


@pytest.mark.fault(411)
def test_a_cluster_without_knative_is_named(knative: FakeKnative) -> None:
    """Another context is the likely mend; a real API server answers in plain text."""
    knative.api.fail = lambda *_: NO_SUCH_PATH
    with pytest.raises(SyncError, match="This cluster has no Knative Serving"):
        _find(knative)


@pytest.mark.fault(451)
def test_a_cluster_without_the_gateway_api_uses_the_functions(knative: FakeKnative) -> None:
    """Most clusters have Knative alone."""
    answer = knative.answer
    knative.api.fail = lambda asked, number: NO_SUCH_PATH if asked.path.startswith(GATEWAYS) else answer(asked, number)
    assert _find(knative).url == "http://{function}.sync-functions.example.com"


def test_all_deployments_are_found(knative: FakeKnative) -> None:
    """For -A."""
    knative.deploy("a-team")
    knative.secret(namespace="a-team", SYNCCTL_RAW_AUTH_TOKENS="another")
    found = target.targets(str(knative.kubeconfig), "", "")
    assert [(one.namespace, one.token) for one in found] == [("a-team", "another"), ("sync-functions", canaries.TOKEN)]
    knative.services.clear()
    with pytest.raises(SyncError, match="This cluster has no sync-functions"):
        locate.find_all(Kubernetes(str(knative.kubeconfig), ""))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ""),
        ({"SYNCCTL_AUTH_TOKENS": "salt.abc, plain ,other"}, "plain"),
        ({"SYNCCTL_AUTH_TOKENS": "plain", "SYNCCTL_RAW_AUTH_TOKENS": "a.b"}, "a.b"),
        ({"SYNCCTL_AUTH_TOKENS": "sweep,plain", "SWEEP_TOKEN": "sweep"}, "plain"),
        ({"SYNCCTL_AUTH_TOKENS": "sweep", "SWEEP_TOKEN": "sweep"}, "sweep"),
    ],
)
def test_a_plain_token_is_chosen(values: dict[str, str], expected: str) -> None:
    """Not the sweep's, if there is another."""
    assert choose_token(values) == expected


def test_hashes_alone_are_no_token() -> None:
    """Nobody can send them."""
    with pytest.raises(SyncError, match="hashes alone"):
        choose_token({"SYNCCTL_AUTH_TOKENS": "salt.abc"})


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("https://{}.ns.example.com", "https://{function}.ns.example.com"),
        ("https://tasks-{}.example.com/", "https://tasks-{function}.example.com"),
        ("https://ns.example.com/{}", "https://ns.example.com/{function}"),
    ],
)
def test_one_address_stands_for_all(form: str, expected: str) -> None:
    """Whatever template the operator gave to Knative."""
    assert template({name: service(name, "ns", form.format(name)) for name in ("tasks", "read")}) == expected


@pytest.mark.fault(413)
def test_addresses_without_a_common_form_are_refused() -> None:
    """Such as one function that is cluster-local."""
    services = {"tasks": service("tasks", "ns", "http://tasks.a"), "read": service("read", "ns", "http://read.b")}
    with pytest.raises(SyncError, match="no common form"):
        template(services)
