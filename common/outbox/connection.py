"""The connection of a webhook: to an address that was checked, or through the proxy that the environment names."""

import http.client
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from common import proxies
from common.outbox import post
from common.outbox.addresses import refusal, resolve
from common.outbox.target import DeliveryFailed
from common.proxies import Proxy

_LEAST_SECONDS = 0.001
"""For the rest of many addresses: 0 would mean not to wait for the connection."""


def to(url: str, allowed_hosts: Collection[str]) -> http.client.HTTPConnection:
    """Return a connection that is not open yet; raise DeliveryFailed if its host is unknown or must not be called.

    A name that a proxy alone knows is the proxy's matter.
    """
    parts, proxy = urlsplit(url), proxies.used_for(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    # Without a port, http.client takes the end of an IPv6 address for one.
    port = parts.port or (http.client.HTTPS_PORT if tls else http.client.HTTP_PORT)
    try:
        addresses = resolve(host, allowed_hosts)
    except DeliveryFailed as error:
        if proxy is None or not error.retryable:
            raise
        addresses = []
    # Where the settings allow this machine itself, no proxy would lead there.
    if proxy is None or any(map(refusal, addresses)):
        return _Tls(host, port, addresses) if tls else _Plain(host, port, addresses)
    if not tls:
        return _Forwarded(_address(proxy), f"http://{parts.netloc.rpartition('@')[2]}", _proxy_login(proxy))
    tunnel = http.client.HTTPSConnection(*_address(proxy), timeout=post.SECONDS)
    tunnel.set_tunnel(host, port, _proxy_login(proxy))
    return tunnel


def _address(proxy: Proxy) -> tuple[str, int]:
    """Return host and port of a proxy; raise DeliveryFailed if it cannot be used."""
    if problem := proxy.problem():
        raise DeliveryFailed(problem)
    parts = urlsplit(proxy.url)
    if parts.scheme != "http":
        raise DeliveryFailed(f"{proxy.name} names a proxy by {parts.scheme}://; webhooks can use http:// ones alone")
    return parts.hostname or "", parts.port or http.client.HTTP_PORT


def _proxy_login(proxy: Proxy) -> dict[str, str]:
    return login("Proxy-Authorization", urlsplit(proxy.url))


def login(header: str, url: SplitResult) -> dict[str, str]:
    """Return the header for a URL's user and password, if it has any."""
    user, at, _ = url.netloc.rpartition("@")
    return {header: f"Basic {b64encode(unquote_to_bytes(user)).decode()}"} if at else {}


class _Plain(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, addresses: Sequence[str]) -> None:
        super().__init__(host, port, timeout=post.SECONDS)
        self._addresses = addresses

    def connect(self) -> None:
        self.sock = _dial(self._addresses, self.port)


class _Forwarded(http.client.HTTPConnection):
    """To a proxy, which gets the whole URL: many make tunnels to port 443 alone."""

    def __init__(self, proxy: tuple[str, int], origin: str, headers: Mapping[str, str]) -> None:
        super().__init__(*proxy, timeout=post.SECONDS)
        self._origin, self._headers = origin, headers

    def putrequest(self, method: str, url: str, *flags: bool, **named: bool) -> None:
        super().putrequest(method, self._origin + url, *flags, **named)
        for name, value in self._headers.items():
            self.putheader(name, value)


class _Tls(http.client.HTTPSConnection):
    def __init__(self, host: str, port: int, addresses: Sequence[str]) -> None:
        super().__init__(host, port, timeout=post.SECONDS)
        self._addresses, self._authorities = addresses, ssl.create_default_context()

    def connect(self) -> None:
        # Kept in between, so that a handshake that takes too long can be cut.
        self.sock = _dial(self._addresses, self.port)
        self.sock = self._authorities.wrap_socket(self.sock, server_hostname=self.host)


def _dial(addresses: Sequence[str], port: int) -> socket.socket:
    """Connect to one of the addresses that were checked: a moment later the name may lead elsewhere.

    Each has its share of the time that is left: one that never answers must leave some to the next.
    """
    deadline = time.monotonic() + post.SECONDS
    *others, last = addresses
    for number, address in enumerate(others):
        with suppress(OSError):
            return _connect(address, port, (deadline - time.monotonic()) / (len(addresses) - number))
    return _connect(last, port, deadline - time.monotonic())


def _connect(address: str, port: int, seconds: float) -> socket.socket:
    connected = socket.create_connection((address, port), max(seconds, _LEAST_SECONDS))
    connected.settimeout(post.SECONDS)
    return connected
