"""The network: a namespace for the cluster, a veth pair, routes on both sides."""

from pathlib import Path

from tools.cluster.processes import Part, run, succeeds
from tools.cluster.settings import HOST_ADDRESS, NETNS, NODE_ADDRESS, POD_CIDR, SERVICE_CIDR

_LINK = "sync-host"

# `ip netns exec` would also hide /sys/fs/cgroup behind a new /sys.
ENTER: tuple[str, ...] = ("nsenter", f"--net=/run/netns/{NETNS}")
"""Put before a command, runs it in the cluster's network namespace."""


def up() -> None:
    """Makes the namespace and joins it to the host's."""
    run("ip", "netns", "add", NETNS)
    run("ip", "link", "add", _LINK, "type", "veth", "peer", "name", "eth0", "netns", NETNS)
    run("ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", _LINK)
    run("ip", "link", "set", _LINK, "up")
    _inside("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", "eth0")
    _inside("ip", "link", "set", "eth0", "up")
    _inside("ip", "link", "set", "lo", "up")
    _inside("sysctl", "-qw", "net.ipv4.ip_forward=1")
    # Refused at once rather than lost: nothing in the cluster has a way out.
    _inside("ip", "route", "add", "unreachable", "default")
    # kube-proxy redirects what goes to a Service, but the kernel wants a route even before that.
    _inside("ip", "route", "add", SERVICE_CIDR, "dev", "eth0")
    for addresses in (POD_CIDR, SERVICE_CIDR):
        run("ip", "route", "replace", addresses, "via", NODE_ADDRESS)


def down() -> None:
    """Removes both; the routes go with the link."""
    if succeeds("ip", "link", "show", _LINK):
        run("ip", "link", "delete", _LINK)
    if Path("/run/netns", NETNS).exists():
        run("ip", "netns", "delete", NETNS)


def _inside(*command: Part) -> None:
    run(*ENTER, *command)
