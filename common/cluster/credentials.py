"""Reads credentials for Kubernetes, each time they may have changed, into the client library's Configuration."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from common import proxies
from common.cluster import errors
from common.cluster.data_plane import is_text
from common.cluster.errors import SETTING
from common.errors import SettingsError
from common.proxies import Proxy

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration  # noqa: TID251 - the one place

Opener = Callable[["Configuration"], "ApiClient"]
Version = tuple[tuple[int, int, int] | None, ...]
"""What changes when a kubeconfig's file does."""


class Access(Protocol):
    """Where the credentials are, as Settings name it: `local` is a pod's service account, else a kubeconfig."""

    @property
    def kubernetes_client_config(self) -> str:
        """Paths of a kubeconfig, or its text."""

    @property
    def kubernetes_context(self) -> str:
        """The kubeconfig's context; "" is its current one."""


class Clients:
    """One ApiClient at a time, replaced when its credentials are; usable from several threads.

    Whoever needs new credentials while they are being read waits for those, or for their error. Reading may run a
    program, so no lock is held meanwhile.
    """

    def __init__(self, settings: Access, opener: Opener) -> None:
        self._settings, self._opener = settings, opener
        self._lock = threading.Lock()
        self._client: ApiClient | None = None
        self._version: Version = ()
        self._reading: Future[ApiClient] | None = None

    def current(self) -> "ApiClient":
        """Return the client; a new one if the kubeconfig was replaced, as the kubelet replaces mounted Secrets."""
        version = _version(self._settings)
        return self._renewed(lambda _: version == self._version)

    def after_refusal(self, refused: "ApiClient") -> "ApiClient":
        """Return a client whose token file was read, or whose plugin was run, after a 401."""
        return self._renewed(lambda client: client is not refused)

    def _renewed(self, serves: "Callable[[ApiClient], bool]") -> "ApiClient":
        with self._lock:
            if self._client is not None and serves(self._client):
                return self._client
            reading = self._reading
            if reading is None:
                mine = self._reading = Future()
        return reading.result() if reading is not None else self._read(mine)

    def _read(self, mine: "Future[ApiClient]") -> "ApiClient":
        version = _version(self._settings)
        try:
            client = self._opener(_load(self._settings))
        except BaseException as error:
            with self._lock:
                self._reading = None
            mine.set_exception(error)
            raise
        with self._lock:
            self._client, self._version, self._reading = client, version, None
        mine.set_result(client)
        return client


def namespace(settings: Access) -> str:
    """Return the namespace that a kubeconfig's context names; "" if it names none, and for the service account."""
    given = settings.kubernetes_client_config
    if given == "local":
        return ""
    with _reading(given):
        from common.cluster import kubeconfig

        return kubeconfig.namespace(given, settings.kubernetes_context or None)


def _version(settings: Access) -> Version:
    """Return a kubeconfig's version; nothing for the service account and for text."""
    given = settings.kubernetes_client_config
    return () if given == "local" or is_text(given) else tuple(map(_identity, given.split(os.pathsep)))


def _identity(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(os.path.expanduser(path))  # noqa: PTH111, PTH116 - several per request, and pathlib is slower
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _load(settings: Access) -> "Configuration":
    """Read the credentials: `local` is the pod's service account, a text is a kubeconfig, else its path."""
    from kubernetes.client import Configuration  # noqa: TID251 - the one place

    configuration = Configuration()
    given = settings.kubernetes_client_config
    with _reading(given):
        if given == "local":
            from kubernetes.config.incluster_config import load_incluster_config  # noqa: TID251 - the one place

            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # the client ships no types
        else:
            from common.cluster import kubeconfig

            kubeconfig.load(configuration, given, settings.kubernetes_context or None)
        _use_proxy(configuration)
    _send_clean_tokens(configuration)
    return configuration


@contextmanager
def _reading(given: str) -> Iterator[None]:
    from kubernetes.config.config_exception import ConfigException  # noqa: TID251 - the one place

    try:
        yield
    except ConfigException as error:
        hint = "outside of a cluster, name a kubeconfig" if given == "local" else "correct the file or the context"
        raise SettingsError(f"{SETTING} cannot be used ({errors.first_line(str(error))}); {hint}.") from error
    except OSError as error:
        raise SettingsError(f"{SETTING} names a file that cannot be read ({error.strerror}).") from error
    except (AttributeError, KeyError, TypeError, ValueError):
        # Not the error's text, nor a traceback: they may quote the document, which holds credentials.
        raise SettingsError(
            f"{SETTING} is not a kubeconfig, or a value in it has another form than it should."
        ) from None


def _use_proxy(configuration: "Configuration") -> None:
    """Refuse a proxy that urllib3 cannot use; give its password to the library, which takes it from headers alone."""
    from kubernetes.client.rest import should_bypass_proxies  # noqa: TID251 - the one place
    from urllib3.util import make_headers

    if not configuration.proxy or should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        return
    named = proxies.named_for(configuration.host)
    # The library took the same variable, unless the kubeconfig names a proxy.
    ours = named is not None and named.url.endswith(configuration.proxy)
    proxy = named if named and ours else Proxy(f"{SETTING}: proxy-url", configuration.proxy)
    if problem := proxy.problem():
        raise SettingsError(problem)
    configuration.proxy = proxy.url
    if password := urlsplit(proxy.url).password:
        user = urlsplit(proxy.url).username or ""
        configuration.proxy_headers = make_headers(proxy_basic_auth=f"{unquote(user)}:{unquote(password)}")


def _send_clean_tokens(configuration: "Configuration") -> None:
    """Drop white space around each token, also around later ones; refuse one that no header can carry."""
    renew = vars(configuration)["refresh_api_key_hook"]

    def clean(configuration: "Configuration") -> None:
        if renew is not None:
            renew(configuration)  # which puts the library's hook in the place of this one
        vars(configuration)["refresh_api_key_hook"] = clean
        scheme, separator, token = configuration.api_key.get("BearerToken", "").partition(" ")
        token = token.strip(" \t\r\n\ufeff")
        if not (token.isascii() and token.isprintable()):
            raise SettingsError(
                f"{SETTING}: the token holds a line break or a character that no HTTP header can carry; write it in "
                "one line of ASCII."
            )
        if separator:
            configuration.api_key["BearerToken"] = f"{scheme} {token}"

    clean(configuration)
