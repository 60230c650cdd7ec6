"""The proxy that the environment names for a URL, as the standard library reads HTTP_PROXY, ALL_PROXY and NO_PROXY."""

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


class Proxy(NamedTuple):
    """Where a proxy was named (a variable in capital letters), and its URL, which may hold a password."""

    name: str
    url: str

    def problem(self) -> str:
        """Return the sentence for a proxy that no request can go through, else ""; never the password."""
        try:
            parts = urlsplit(self.url)
            host = parts.hostname or ""
            host.encode("idna")  # as the resolver does
            if host and not host.strip("0123456789."):
                ip_address(host)
            if parts.scheme in {"http", "https"} and host and parts.port != 0:
                return ""
        except ValueError:  # a port that is not a number, half an IPv6 address, or a host that cannot exist
            pass
        kind, _, rest = self.url.partition("://")
        return (
            f"{self.name} names a proxy that cannot be used ({kind}://{rest.rpartition('@')[2]}); write "
            "http://HOST:PORT, or list the host in NO_PROXY."
        )


def named_for(url: str) -> Proxy | None:
    """Return the proxy for a URL, whether or not NO_PROXY excludes its host; http:// if it names no scheme, as curl."""
    proxies, scheme = getproxies(), urlsplit(url).scheme
    for name in (scheme, "all"):
        if found := proxies.get(name, "").strip():
            return Proxy(f"{name.upper()}_PROXY", found if "://" in found else f"http://{found}")
    return None


def used_for(url: str) -> Proxy | None:
    """Return the proxy for a URL, None if NO_PROXY excludes its host; entries that cannot be read exclude nothing."""
    return None if proxy_bypass(urlsplit(url).hostname or "") else named_for(url)
