"""Sends requests to the Kubernetes API; only this folder imports the `kubernetes` package.

Only its ApiClient is used: importing its models would make a cold start four times as long.
"""

import importlib.util
import sys
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from common.cluster import errors
from common.cluster.credentials import Access, Clients
from common.errors import SyncError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration  # noqa: TID251 - the one place

CONNECT_SECONDS, READ_SECONDS = 5.0, 15.0
_CONNECTIONS = 32
"""As many as there may be threads: urllib3 closes any further connection with a warning."""
_BUSY = (429, 500, 502, 503, 504)
_REPEATABLE = ("GET", "DELETE")
Refusals = Callable[[int, bytes, str], SyncError]
"""Makes an error of a status, a body, and what was being done."""


class Api:
    """Sends requests with our credentials and time limits; usable from several threads."""

    def __init__(self, clients: Clients, refusals: Refusals) -> None:
        self._clients, self._refusals = clients, refusals

    def open(self) -> None:
        """Read the credentials, if that has not been done. Raise SettingsError or ClusterUnavailable without any."""
        self._clients.current()

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        doing: str,
        none_on: Collection[int] = (),
        content_type: str = "application/json",
    ) -> bytes | None:
        """Return the answer's body; None for a status in `none_on` from the API server itself. Else raise SyncError.

        GET and DELETE are repeated if the server is busy or the connection broke, honouring Retry-After; a POST only if
        no connection was established. `doing` completes "Kubernetes ... while": "creating the pod x".
        """
        with errors.translated(doing):
            client = self._clients.current()
            status, data = _send(client, method, path, query, body, content_type)
            if status == HTTPStatus.UNAUTHORIZED:  # nothing was done
                status, data = _send(self._clients.after_refusal(client), method, path, query, body, content_type)
        if 200 <= status <= 299:
            return data
        if status in none_on and errors.is_its_own(data):
            return None
        raise self._refusals(status, data, doing)


def connect(settings: Access, refusals: Refusals = errors.of_answer) -> Api:
    """Return an Api that reads the settings' credentials when it is opened, or first called."""
    for package in ("kubernetes", "kubernetes.utils", "kubernetes.config"):
        _enter_without_init(package)
    return Api(Clients(settings, _open), refusals)


def _send(
    client: "ApiClient",
    method: str,
    path: str,
    query: Mapping[str, str | int] | None,
    body: Mapping[str, Any] | None,
    content_type: str,
) -> tuple[int, bytes]:
    request = client.param_serialize(
        method,
        path,
        query_params=list((query or {}).items()),
        header_params={"Accept": "application/json, */*", "Content-Type": content_type},
        body=dict(body) if body else None,
        auth_settings=["BearerToken"],
    )
    response = client.call_api(*request, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))
    data: bytes = response.read()  # type: ignore[no-untyped-call] # the library types little
    return response.status, data


def _open(configuration: "Configuration") -> "ApiClient":
    from kubernetes.client import ApiClient  # noqa: TID251 - the one place
    from urllib3 import Retry

    configuration.connection_pool_maxsize = _CONNECTIONS
    configuration.retries = Retry(
        total=4,
        read=2,
        status=3,
        redirect=0,
        allowed_methods=_REPEATABLE,
        status_forcelist=_BUSY,
        backoff_factor=0.2,
        backoff_max=2,
        backoff_jitter=0.3,
        raise_on_status=False,
        retry_after_max=5,
    )
    client = ApiClient(configuration)
    client.user_agent = "sync-functions"
    return client


def _enter_without_init(name: str) -> None:
    """Make a package's modules importable without its __init__, which imports them all (0.3 s of a cold start)."""
    if name not in sys.modules and (spec := importlib.util.find_spec(name)):
        sys.modules[name] = importlib.util.module_from_spec(spec)
