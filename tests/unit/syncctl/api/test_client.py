"""syncctl.api.client: what is repeated, and which sentences the network's errors become."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from msgspec import Raw

from common.images import Image
from syncctl.api import client
from syncctl.api.client import Deployment
from syncctl.api.errors import RequestRefused, Unreachable
from tests.support.fake_deployment import BROKEN, TOKEN, FakeDeployment, fake_deployment, task

Fault = tuple[int, dict[str, str], bytes]

IMAGE = Image("airbyte/source-faker", "7.2.1")
BUSY: Fault = (503, {"Retry-After": "0"}, b'{"ok":false,"error":"Postgres cannot be reached."}')
LOST: Fault = (BROKEN, {}, b"")


@pytest.fixture
def server() -> Iterator[FakeDeployment]:
    with fake_deployment() as script:
        script.courses["t1"] = [task()]
        yield script


@pytest.fixture
def deployment(server: FakeDeployment) -> Iterator[Deployment]:
    with Deployment(server.url, TOKEN) as to_ask:
        yield to_ask


@pytest.mark.parametrize("fault", [BUSY, LOST, (502, {}, b"<html>"), (504, {}, b"")])
def test_a_look_at_a_task_is_repeated(server: FakeDeployment, deployment: Deployment, fault: Fault):
    """Looking changes nothing, so every passing fault is sat out."""
    server.faults = [fault, fault]
    assert deployment.task("t1").state == "SUCCESS"


@pytest.mark.fault(585)
def test_an_answer_that_has_not_changed_is_not_sent_again(server: FakeDeployment, deployment: Deployment):
    """The tag goes back with the next look at the same address, and 304 means what was shown before."""
    body = b'{"ok":true,"tasks":[{"taskId":"old"}],"next":null}'
    server.faults = [(200, {"ETag": 'W/"a1"'}, body), (304, {"ETag": 'W/"a1"'}, b"")]
    assert deployment.tasks({"limit": "1"}) == deployment.tasks({"limit": "1"})
    assert [request.headers.get("If-None-Match") for request in server.asked("/tasks")] == [None, 'W/"a1"']
    assert deployment.tasks({"limit": "2"}).tasks != []
    assert server.asked("/tasks")[2].headers.get("If-None-Match") is None


@pytest.mark.parametrize(
    "fault", [LOST, (302, {"Location": "http://elsewhere.test/"}, b""), (404, {}, b"?"), (200, {}, b"?")]
)
def test_a_password_in_the_address_is_sent_and_never_shown(server: FakeDeployment, fault: Fault) -> None:
    """It is for what stands in front of the deployment; no error repeats it."""
    server.faults = [fault]
    with Deployment(server.url.replace("://", "://gardener:planted-1@")) as deployment:
        with pytest.raises((Unreachable, RequestRefused)) as caught:
            deployment.check(IMAGE, Raw(b"{}"))
        assert server.url in str(caught.value)
        assert "planted-1" not in str(caught.value)
    assert server.requests[-1].headers["Authorization"].startswith("Basic ")


def test_a_lost_read_is_repeated_with_the_same_task(server: FakeDeployment, deployment: Deployment) -> None:
    """The same taskId starts nothing twice, so an unknown outcome is settled by asking again."""
    server.faults = [LOST]
    assert deployment.read(IMAGE, {"syncId": "s", "taskId": "mine"}, {"config": Raw(b"{}")}).task_id == "mine"
    first, second = server.asked("/read")
    assert (first.query, first.body) == (second.query, second.body)


def test_a_lost_check_is_not_repeated(server: FakeDeployment, deployment: Deployment) -> None:
    """A check that may have started is not started again behind the user's back."""
    server.faults = [LOST]
    with pytest.raises(Unreachable, match="syncctl tasks"):
        deployment.check(IMAGE, Raw(b"{}"))
    assert len(server.asked("/check")) == 1


def test_a_refused_start_is_repeated_as_nothing_was_started(server: FakeDeployment, deployment: Deployment) -> None:
    """503 says that nothing was started."""
    server.faults = [BUSY]
    assert deployment.check(IMAGE, Raw(b"{}")).task_id == "check"


def test_retry_after_is_honoured_and_told(server: FakeDeployment) -> None:
    """A wait that a person notices is explained."""
    server.faults = [(503, {"Retry-After": "1"}, b'{"ok":false,"error":"Starting."}')]
    reports: list[str] = []
    with Deployment(server.url, TOKEN, reports.append) as deployment:
        deployment.task("t1")
    assert reports == ["Starting. Trying again in 1 s."]


def test_it_gives_up_with_the_deployments_own_sentence(server: FakeDeployment, deployment: Deployment) -> None:
    """Attempts are bounded."""
    server.faults = [BUSY] * 10
    with pytest.raises(RequestRefused, match="Postgres cannot be reached"):
        deployment.task("t1")
    assert len(server.requests) == len(client.SHORT_RETRIES) + 1


def test_bytes_of_a_configuration_travel_as_they_are(server: FakeDeployment, deployment: Deployment) -> None:
    """No number of a configuration changes on the way."""
    deployment.check(IMAGE, Raw(b'{"n": 9223372036854775808123, "f": 1.10}'))
    assert server.asked("/check")[0].body == b'{"config":{"n": 9223372036854775808123, "f": 1.10}}'


@pytest.mark.parametrize("host", ["xn--a", "a" * 64, "münchen..de", "a..b"])
def test_a_host_that_cannot_exist_is_refused(host: str) -> None:
    """Before anything is sent."""
    with pytest.raises(RequestRefused, match="SYNCCTL_URL"), Deployment(f"http://{host}:1/x") as deployment:
        deployment.task("t1")


def test_nothing_listens() -> None:
    """The message names the address and two ways out."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with Deployment(url) as deployment, pytest.raises(Unreachable, match=f"{url} .*syncctl serve.*--url"):
            deployment.task("t1")


def test_a_wrong_token_is_explained_and_never_shown(server: FakeDeployment) -> None:
    """401 says where the token goes."""
    with Deployment(server.url, "wrong-secret") as deployment, pytest.raises(RequestRefused) as caught:
        deployment.task("t1")
    assert "SYNCCTL_TOKEN" in caught.value.message
    assert "wrong-secret" not in caught.value.message


def test_an_answer_without_a_full_stop_gets_one_before_the_hint(server: FakeDeployment) -> None:
    """The functions' 401 has the original's words, which end without one."""
    server.faults = [(401, {}, b'{"ok":false,"error":"Authorization header with Bearer token is required"}')]
    with Deployment(server.url, TOKEN) as deployment, pytest.raises(RequestRefused, match=r"is required\. Pass the "):
        deployment.task("t1")


def test_a_token_with_a_line_break_works(server: FakeDeployment) -> None:
    """Tokens from files end in line breaks."""
    with Deployment(server.url, f"{TOKEN}\r\n") as deployment:
        assert deployment.task("t1").task_id == "t1"


@pytest.mark.parametrize("token", ["two\nlines", "schlüssel"])
def test_an_impossible_token_is_refused_without_repeating_it(token: str) -> None:
    """What no header can carry is named by its option."""
    with pytest.raises(RequestRefused, match="SYNCCTL_TOKEN") as caught:
        Deployment("http://127.0.0.1:1", token)
    assert token not in caught.value.message


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            (404, {}, b"<html>no such page</html>"),
            "is not a deployment of sync-functions, or something in front of one answered: 404 Not Found: <html>no such page</html>. Check --url",
        ),
        ((302, {"Location": "https://login.example.test"}, b""), "redirects to https://login.example.test"),
        ((200, {}, b"hello"), "not as sync-functions do"),
        ((200, {}, b'{"ok":true,"task":{"taskId":"\xff"}}'), "not as sync-functions do"),
        ((400, {}, b'{"error":"\xff"}'), "answered: 400"),
        ((400, {"Content-Type": "text/html; charset=base64"}, b"no"), "answered: 400 Bad Request: no."),
        ((200, {}, b'{"ok":true,"task":{}}'), "not as sync-functions do"),
        ((200, {}, b'{"ok":true,"\xff":"\xff"}'), "not as sync-functions do"),
        ((200, {}, b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"), "not as sync-functions do"),
        ((200, {"Content-Encoding": "gzip"}, b"{}"), "not as sync-functions do"),
        ((400, {}, b'{"ok":false,"error":"zur\xfcck"}'), "or something in front of one answered: 400 Bad Request"),
        ((409, {}, b'{"ok":false,"error":"Task t2 runs since 5 minutes."}'), "Task t2 runs since 5 minutes."),
    ],
)
def test_foreign_and_refusing_answers_become_sentences(
    server: FakeDeployment, deployment: Deployment, fault: Fault, says: str
) -> None:
    """Whatever answers, the user reads what it was and what to check."""
    server.faults = [fault]
    with pytest.raises(RequestRefused) as caught:
        deployment.task("t1")
    assert says in caught.value.message
    assert len(server.requests) == 1


def test_an_odd_task_id_stays_one_segment(server: FakeDeployment, deployment: Deployment) -> None:
    """Slashes and question marks in an id do not change the path."""
    server.courses["a/b?c [/]"] = [task("a/b?c [/]")]
    assert deployment.task("a/b?c [/]").task_id == "a/b?c [/]"


def test_httpx_errors_do_not_leak(server: FakeDeployment, deployment: Deployment) -> None:
    """The library's types end in this module; the cause stays attached."""
    server.faults = [LOST] * 10
    with pytest.raises(Unreachable) as caught:
        deployment.task("t1")
    assert isinstance(caught.value.__cause__, httpx.TransportError)


def test_https_to_a_server_without_tls_says_so(server: FakeDeployment) -> None:
    """Something answers, so "nothing answers" would send people the wrong way."""
    address = server.url.replace("http://", "https://")
    with Deployment(address, TOKEN) as to_ask, pytest.raises(Unreachable, match="does not speak TLS") as unreachable:
        to_ask.task("t1")
    assert "http://" in unreachable.value.message


def test_an_address_may_have_a_host_for_each_function(server: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Knative gives them out where no gateway stands in front; a proxy sees which host was meant."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    with Deployment("http://{function}.sync.test", TOKEN) as deployment:
        deployment.task("t1")
        deployment.read(IMAGE, {"syncId": "s", "taskId": "t2"}, {"config": Raw(b"{}")})
    assert [request.headers["Host"] for request in server.requests] == ["tasks.sync.test", "read.sync.test"]


@pytest.mark.parametrize("url", ["http://{functions}.sync.test", "http://{}.sync.test"])
def test_another_word_in_braces_is_no_host(url: str) -> None:
    """A misspelled placeholder is named before anything is sent."""
    with pytest.raises(RequestRefused, match="a host that cannot exist"):
        Deployment(url, TOKEN)
