"""Which addresses a webhook may go to. Names are resolved by the machine's own resolver."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.outbox import addresses
from common.outbox.addresses import resolve
from common.outbox.target import DeliveryFailed
from tests.support.docs import read, rows

REFUSED = {
    "127.0.0.1": "this machine",
    "127.255.1.2": "this machine",
    "0.0.0.0": "this machine",  # noqa: S104 - nothing binds to it
    "::": "this machine",
    "::1": "this machine",
    "169.254.169.254": "its link",
    "169.254.1.1": "its link",
    "fe80::1": "its link",
    "fe80::1%1": "its link",
    "100.100.100.200": "metadata service",
    "fd00:ec2::254": "metadata service",
    "224.0.0.1": "many machines",
    "255.255.255.255": "many machines",
    "ff02::1": "many machines",
    # IPv4 within IPv6.
    "::ffff:127.0.0.1": "this machine",
    "::ffff:0:169.254.169.254": "its link",
    "::127.0.0.1": "this machine",
    "64:ff9b::169.254.169.254": "its link",
    "64:ff9b::100.100.100.200": "metadata service",
    "64:ff9b:1::1": "a local translator",
    "2002:7f00:1::1": "this machine",
    "2001:0:a9fe:a9fe::1": "its link",
    "2001:0:808:808::5601:5601": "its link",
}
ALLOWED = [
    "8.8.8.8",
    "10.1.2.3",
    "192.168.1.1",
    "2606:4700::1111",
    "fd12:3456::1",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize(("address", "what"), REFUSED.items())
def test_what_is_behind_an_address_is_known(address: str, what: str) -> None:
    """However an IPv4 address is written in an IPv6 one."""
    assert what in addresses.refusal(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_other_addresses_are_allowed(address: str) -> None:
    """Also private ones: a chat system may run beside the deployment."""
    assert addresses.refusal(address) == ""


def test_each_metadata_service_of_the_list_is_refused() -> None:
    """Those that task pods do not reach either; over IPv4, IPv6 and NAT64."""
    listed = [one for row in rows(read("docs/reference/metadata-services.md")) for one in row[1].split(", ")]
    assert len(listed) > 10
    translated = [f"64:ff9b::{one}" for one in listed if ":" not in one]
    assert [one for one in listed + translated if not addresses.refusal(one)] == []


@given(st.ip_addresses(v=4, network="127.0.0.0/8") | st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_no_form_of_an_ipv4_address_gets_through(address: IPv4Address) -> None:
    """Each is as refused as the address itself."""
    number = int(address)
    forms = [
        (0xFFFF << 32) | number,
        (0xFFFF << 48) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80) | 1,
        (0x20010000 << 96) | (number ^ 0xFFFFFFFF),
    ]
    assert all(addresses.refusal(str(IPv6Address(form))) for form in forms)


@pytest.mark.fault(521)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "::1", "LOCALHOST"])
def test_a_name_is_refused_for_what_it_resolves_to(host: str) -> None:
    """The resolver decides, not the spelling; unless a setting names the host."""
    with pytest.raises(DeliveryFailed, match=r"this machine.*SYNCCTL_WEBHOOK_ALLOWED_HOSTS") as caught:
        resolve(host, ["other"])
    assert not caught.value.retryable
    found = resolve(host, [host.lower()])
    assert found
    assert set(found) <= {"127.0.0.1", "::1"}


@pytest.mark.fault(521)
@pytest.mark.parametrize("host", ["::1%25lo", "fe80::1%25eth0", "::ffff:127.0.0.1%25eth0", "::1%no-such-link"])
def test_an_address_with_a_zone_is_no_name(host: str) -> None:
    """This machine's resolver knows none of these; a proxy might, so they are refused and not left to it."""
    with pytest.raises(DeliveryFailed, match=r"its address is one of .*SYNCCTL_WEBHOOK_ALLOWED_HOSTS") as caught:
        resolve(host, ["other"])
    assert not caught.value.retryable


def test_a_name_that_does_not_exist_may_exist_later() -> None:
    """So it is tried again."""
    with pytest.raises(DeliveryFailed, match="cannot be resolved") as caught:
        resolve("hooks.invalid", [])
    assert caught.value.retryable
