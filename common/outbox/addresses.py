"""Which addresses a webhook may go to: none of this machine, of its links, or of a cloud's metadata service.

Who writes a declared sync chooses where its webhook goes, and the sweeper, which sends it, may reach services that its
writers do not. Private networks are allowed: a chat system may run there.
"""

import socket
from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from common.outbox.target import DeliveryFailed

_KINDS = {
    "this machine": ("127.0.0.0/8", "0.0.0.0/8", "::/128", "::1/128"),
    "its link": ("169.254.0.0/16", "fe80::/10"),
    # docs/reference/metadata-services.md, but for those that are link-local; a test compares.
    "a cloud's metadata service": (
        "168.63.129.16/32",
        "192.0.0.192/32",
        "100.100.100.200/32",
        "fd00:ec2::254/128",
        "fd00:ec2::23/128",
        "fd20:ce::254/128",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:100::100:200/128",
        "fd00:42::42/128",
        "fd00:a9fe:a9fe::1/128",
    ),
    "many machines": ("224.0.0.0/4", "240.0.0.0/4", "ff00::/8"),
    # RFC 8215: where in it an IPv4 address is, only its network knows.
    "a local translator to IPv4": ("64:ff9b:1::/48",),
}
_NETWORKS = [(ip_network(network), kind) for kind, networks in _KINDS.items() for network in networks]
_IPV4_AT_THE_END = [ip_network(f"{prefix}/96") for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::")]
"""IPv4-compatible and -mapped (RFC 4291), -translated (RFC 2765), NAT64 (RFC 6052)."""


def refusal(address: str) -> str:
    """Return what nobody may call at an address, such as "this machine"; "" if it may be called."""
    one = ip_address(address.partition("%")[0])
    for form in (one, *(_within(one) if isinstance(one, IPv6Address) else ())):
        for network, kind in _NETWORKS:
            if form in network:
                return kind
    return ""


def resolve(host: str, allowed: Collection[str]) -> list[str]:
    """Return the addresses of a host, to connect to one of these and no other; `allowed`: hosts that are not checked.

    Raise DeliveryFailed if it has none (retryable), or one that may not be called.
    """
    try:
        found = [str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):  # a label of over 63 letters
        _check([host] if "%" in host and _is_address(host) else [])  # of a zone that is not known here
        raise DeliveryFailed("its name cannot be resolved") from None
    _check(found if host.lower() not in allowed else [])
    return found


def _check(addresses: Sequence[str]) -> None:
    """Raise DeliveryFailed, once and for all, if one of them may not be called."""
    for address in addresses:
        if kind := refusal(address):
            raise DeliveryFailed(
                f"its address is one of {kind}, where no webhook goes; if it is meant, add the host to "
                "SYNCCTL_WEBHOOK_ALLOWED_HOSTS",
                retryable=False,
            )


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _within(address: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    ends = any(address in network for network in _IPV4_AT_THE_END)
    found = [IPv4Address(int(address) & 0xFFFF_FFFF)] if ends else []
    return [*found, *filter(None, (address.sixtofour, *(address.teredo or ())))]
