"""One call of a webhook over real sockets: what arrives, what is refused, and what errors do not show."""

import gc
import socket as socket_module
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from common.notify import Form
from common.outbox import post
from common.outbox.target import DeliveryFailed
from common.outbox.webhook import Webhook
from tests.support import canaries
from tests.support.certificates import server_context
from tests.support.odd_servers import answer, odd_server, read_head, reset
from tests.support.webhooks import PATH, Receiver, event, receiver

HERE = ("127.0.0.1", "localhost")


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    """Where it is called."""
    with receiver() as running:
        yield running


def call(url: str, allowed: tuple[str, ...] = HERE) -> None:
    Webhook("the test's", url, "", Form.TEXT).call(event(), allowed)


def failure(url: str, allowed: tuple[str, ...] = HERE) -> DeliveryFailed:
    """Why a call failed; nothing secret of its URL is in an error, or in one that a log would show behind it."""
    with pytest.raises(DeliveryFailed) as caught:
        call(url, allowed)
    error: BaseException | None = caught.value
    while error is not None:
        canaries.refuse("an error", repr(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return caught.value


def test_what_arrives(webhook: Receiver) -> None:
    """The form that was asked for, the query, and a password in the URL as a login."""
    call(webhook.url.replace("//", "//u:p%21@") + "?key=a%20b")
    [arrived] = webhook.take()
    assert arrived.path == f"{PATH}?key=a%20b"
    assert list(arrived.json) == ["text"]
    assert arrived.headers["Content-Type"] == "application/json"
    assert arrived.headers["Authorization"] == "Basic dTpwIQ=="
    assert arrived.headers["Host"] == webhook.origin.removeprefix("http://")
    assert arrived.headers["User-Agent"].startswith("sync-functions/")
    assert arrived.headers["webhook-id"] == "nightly-20261129T0130Z/1/failed"


@pytest.mark.fault(521)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])  # noqa: S104
def test_this_machine_is_not_called(webhook: Receiver, host: str) -> None:
    """Nothing arrives, however it is written, unless a setting names the host."""
    url = webhook.url.replace("127.0.0.1", host)
    error = failure(url, allowed=("another",))
    assert "this machine, where no webhook goes" in error.message
    assert "SYNCCTL_WEBHOOK_ALLOWED_HOSTS" in error.message
    assert not error.retryable
    assert webhook.take() == []
    call(url, (host.strip("[]"),))
    assert len(webhook.take()) == 1


@pytest.mark.fault(521)
@pytest.mark.parametrize("answers", [[["192.0.2.1"], ["127.0.0.1"]], [["192.0.2.1", "127.0.0.1"]]])
def test_a_name_cannot_lead_elsewhere_once_it_is_checked(
    webhook: Receiver, answers: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor to another of its addresses. The name server is a fake: no real one changes its mind as a test needs."""
    real = socket_module.getaddrinfo

    def resolves(host: str, *rest: Any, **options: Any) -> Any:
        found = (answers.pop(0) if len(answers) > 1 else answers[0]) if host == "rebinds.example" else [host]
        return [one for address in found for one in real(address, *rest, **options)]

    monkeypatch.setattr(post, "SECONDS", 0.3)
    monkeypatch.setattr(socket_module, "getaddrinfo", resolves)
    failure(webhook.url.replace("127.0.0.1", "rebinds.example"), allowed=())
    assert webhook.take() == []


@pytest.mark.fault(832)
def test_one_address_that_is_away_leaves_time_for_the_next(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes packets and never answers, as one behind a firewall, or a machine that is gone."""
    port = int(webhook.origin.rpartition(":")[2])
    real = socket_module.getaddrinfo

    def resolves(host: str, *rest: Any, **options: Any) -> Any:
        found = ["127.0.0.2", "127.0.0.1"] if host == "two.example" else [host]
        return [one for address in found for one in real(address, *rest, **options)]

    monkeypatch.setattr(socket_module, "getaddrinfo", resolves)
    with socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.2", port))
        full.listen(0)
        for _ in range(4):  # its queue is full; who comes now hears nothing
            one = waiting.enter_context(socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.2", port))
        call(webhook.url.replace("127.0.0.1", "two.example"), allowed=("two.example",))
    assert len(webhook.take()) == 1


@pytest.mark.fault(831)
def test_a_name_server_that_takes_long_is_a_part_of_the_time(
    webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits has given up by then, and tries again: a call that is made all the same would come twice."""
    real = socket_module.getaddrinfo

    def resolves(host: str, *rest: Any, **options: Any) -> Any:
        threading.Event().wait(0.4)
        return real("127.0.0.1" if host == "slow.example" else host, *rest, **options)

    monkeypatch.setattr(post, "SECONDS", 0.3)
    monkeypatch.setattr(socket_module, "getaddrinfo", resolves)
    error = failure(webhook.url.replace("127.0.0.1", "slow.example"), allowed=("slow.example",))
    assert "slow.example (the test's): to look up where it is took too long" in error.message
    assert error.retryable
    assert webhook.take() == []


@pytest.mark.fault(522)
@pytest.mark.parametrize("status", [301, 307])
def test_redirects_are_not_followed(webhook: Receiver, status: int) -> None:
    """They could lead to where no webhook goes."""
    webhook.answers = [status]
    error = failure(webhook.url)
    assert error.message == f"127.0.0.1 (the test's): it answers {status}"
    assert error.retryable
    assert [one.path for one in webhook.take()] == [PATH]


@pytest.mark.fault(523)
@pytest.mark.parametrize(("status", "retryable"), [(400, False), (404, True), (429, True), (503, True)])
def test_what_may_help_is_tried_again(webhook: Receiver, status: int, retryable: bool) -> None:
    """A body that is refused stays so; a channel, a right or the server may come back."""
    webhook.answers = [status]
    error = failure(webhook.url)
    assert f"it answers {status}" in error.message
    assert ("another form" in error.message) == (status == 400)
    assert error.retryable == retryable


def read_request(connection: socket) -> None:
    """All of it, so that an early answer is not lost."""
    data = read_head(connection)
    while not data.endswith(b'"}'):
        data += connection.recv(65536)


def drips(connection: socket) -> None:
    """Sends its answer a byte at a time, until it is hung up on."""
    read_request(connection)
    over = threading.Event()
    while not over.wait(0.02):
        connection.sendall(b"H")


def echoes(connection: socket) -> None:
    """Refuses as some frameworks do."""
    read_request(connection)
    connection.sendall(f"HTTP/1.1 404 Cannot POST {PATH}\r\nContent-Length: 0\r\n\r\n".encode())


def greets(connection: socket) -> None:
    """Does not speak HTTP."""
    connection.sendall(f"220 {canaries.TOKEN}\r\n".encode())
    read_request(connection)


def is_silent(connection: socket) -> None:
    """Takes the request, and says nothing."""
    read_request(connection)
    connection.recv(1)


def test_what_does_not_speak_http_is_reached() -> None:
    """So the error sends nobody to look for a firewall."""
    with odd_server(greets) as origin:
        message = failure(origin + PATH).message
    assert message == "127.0.0.1 (the test's): it does not answer as HTTP has it: BadStatusLine"


@pytest.mark.fault(524)
@pytest.mark.parametrize("behaves", [drips, echoes, greets, is_silent, reset, socket.close])
def test_odd_servers(behaves: Callable[[socket], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """None holds a sweep, or puts the URL into an error; all may be mended."""
    monkeypatch.setattr(post, "SECONDS", 0.3)
    with odd_server(behaves) as origin:
        error = failure(origin + PATH)
    assert error.message.startswith("127.0.0.1 (the test's): it ")
    assert error.retryable


UNUSABLE = [
    "",
    "{}",
    "ftp://host/{}",
    "https://host/ü{}",
    "http://[{}/",
    "http:///{}",
    "https://h:0/{}",
    "https://a b/{}",
]


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_text_that_is_not_a_url_is_not_shown(url: str) -> None:
    """A Secret may hold anything, such as a password that somebody has put under the wrong key."""
    assert failure(url.format(canaries.TOKEN)).message == "the test's is not a URL such as https://host/path"


def test_a_key_that_cannot_sign_is_not_shown(webhook: Receiver) -> None:
    """Nothing is sent, rather than something that the receiver refuses."""
    with pytest.raises(DeliveryFailed, match=r"the key that signs calls of x: expected 24 to 64 bytes") as caught:
        Webhook("x", webhook.url, canaries.TOKEN + "!", Form.TEXT).call(event(), HERE)
    canaries.refuse("the error", repr(caught.value))
    assert webhook.take() == []


def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the name in the URL, by the machine's own authorities."""

    def takes(connection: socket) -> None:
        read_request(connection)
        connection.sendall(answer(200, b""))

    context, certificate = server_context(tmp_path)
    with odd_server(takes, context) as origin:
        assert "self-signed certificate" in failure(origin + PATH).message
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        call(origin + PATH)
        assert "Hostname mismatch" in failure(origin.replace("127.0.0.1", "localhost") + PATH).message


def _closed_in_name_only() -> list[socket]:
    """Sockets that were closed, and stay open since an answer that was read from them was not."""
    sockets = [one for one in gc.get_objects() if isinstance(one, socket)]
    return [one for one in sockets if "[closed]" in repr(one) and one.fileno() != -1]


@pytest.mark.fault(521)
def test_a_proxy_is_used(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it leads is checked all the same, and its password is in no error."""
    asked = []

    def refuses(connection: socket) -> None:
        asked.append(read_head(connection))
        connection.sendall(answer(407, b""))

    with odd_server(refuses) as origin:
        monkeypatch.setenv("https_proxy", origin.replace("//", f"//u:{canaries.TOKEN}@"))
        monkeypatch.setenv("no_proxy", "")
        refused = failure("https://chat.invalid/x")
        assert refused.message == "chat.invalid (the test's): the proxy on the way to it answers 407"
        assert _closed_in_name_only() == []  # the error, which is kept, keeps none open
        assert asked[0].startswith(b"CONNECT chat.invalid:443 HTTP/1.")
        assert b"Proxy-Authorization: Basic " in asked[0]
        assert "this machine" in failure(webhook.url.replace("http:", "https:"), allowed=()).message
    assert len(asked) == 1


@pytest.mark.fault(833)
def test_a_proxy_gets_the_whole_url_without_tls(webhook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tunnel to port 443 alone, as Squid does unless it is told otherwise."""
    asked = []

    def forwards(connection: socket) -> None:
        asked.append(read_head(connection))
        connection.sendall(answer(200 if len(asked) == 1 else 407, b""))

    with odd_server(forwards) as origin:
        monkeypatch.setenv("http_proxy", origin.replace("//", f"//u:{canaries.TOKEN}@"))
        monkeypatch.setenv("no_proxy", "")
        call("http://me:mine@chat.invalid:8065/x?y=1", ())
        request, *headers = asked[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert request == b"POST http://chat.invalid:8065/x?y=1 HTTP/1.1"
        assert {b"Host: chat.invalid:8065", b"Authorization: Basic bWU6bWluZQ=="} <= set(headers)
        assert any(one.startswith(b"Proxy-Authorization: Basic ") for one in headers)
        assert "the proxy on the way to it answers 407" in failure("http://chat.invalid/x", ()).message
        assert "this machine" in failure(webhook.url, allowed=()).message
        call(webhook.url)  # no proxy leads back to where its caller is
    assert (len(asked), len(webhook.take())) == (2, 1)


@pytest.mark.fault(833)
def test_a_proxy_by_tls_gets_nothing_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its password above all."""
    asked = []

    with odd_server(lambda connection: asked.append(read_head(connection))) as origin:
        named = origin.replace("http://", f"https://u:{canaries.TOKEN}@")
        monkeypatch.setenv("https_proxy", named)
        monkeypatch.setenv("http_proxy", named)
        monkeypatch.setenv("no_proxy", "")
        for scheme in ("http", "https"):
            message = failure(f"{scheme}://chat.invalid/x").message
            assert f"{scheme.upper()}_PROXY names a proxy by https://" in message
    assert asked == []
