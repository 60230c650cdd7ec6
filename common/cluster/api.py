"""Sends requests to the Kubernetes API: with errors.py the only importer of the `kubernetes` package.

Only its ApiClient is used: importing its models would make a cold start four times as long.
"""

import importlib.util
import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from common.cluster import errors
from common.errors import SettingsError
from common.settings import Settings

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration  # noqa: TID251 - the one place

CONNECT_SECONDS, READ_SECONDS = 5.0, 15.0
_CONNECTIONS = 32
"""As many as there may be threads: urllib3 closes any further connection with a warning."""
_BUSY = (429, 500, 502, 503, 504)
_REPEATABLE = ("GET", "DELETE")
_SETTING = "SYNCCTL_KUBERNETES_CLIENT_CONFIG"


class Api:
    """Sends requests with our credentials and time limits; usable from several threads."""

    def __init__(self, client: "ApiClient") -> None:
        self._client = client

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        doing: str,
        none_on: Collection[int] = (),
    ) -> bytes | None:
        """Return the answer's body; None for a status in `none_on` from the API server itself. Else raise SyncError.

        GET and DELETE are repeated if the server is busy or the connection broke, honouring Retry-After; a POST only if
        no connection was established. `doing` completes "Kubernetes ... while": "creating the pod x".
        """
        with errors.translated(doing):
            request = self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json, */*", "Content-Type": "application/json"},
                body=dict(body) if body else None,
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(*request, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))
            data: bytes = response.read()  # type: ignore[no-untyped-call] # the library types little
        if 200 <= response.status <= 299:
            return data
        if response.status in none_on and errors.is_its_own(data):
            return None
        raise errors.of_answer(response.status, data, doing)


def connect(settings: Settings) -> Api:
    """Return an Api with the settings' credentials. Raise SettingsError if they cannot be read."""
    for package in ("kubernetes", "kubernetes.utils", "kubernetes.config"):
        _enter_without_init(package)
    from kubernetes.client import ApiClient, Configuration  # noqa: TID251 - the one place
    from urllib3 import Retry

    configuration = Configuration()
    _authenticate(configuration, settings)
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
    return Api(client)


def _enter_without_init(name: str) -> None:
    """Make a package's modules importable without its __init__, which imports them all (0.3 s of a cold start)."""
    if name not in sys.modules and (spec := importlib.util.find_spec(name)):
        sys.modules[name] = importlib.util.module_from_spec(spec)


def _authenticate(configuration: "Configuration", settings: Settings) -> None:
    """Read the credentials: `local` is the pod's service account, several lines a kubeconfig, else its path."""
    from kubernetes.config.config_exception import ConfigException  # noqa: TID251 - the one place

    given = settings.kubernetes_client_config
    try:
        if given == "local":
            from kubernetes.config.incluster_config import load_incluster_config  # noqa: TID251 - the one place

            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call] # the client ships no types
        else:
            _read_kubeconfig(configuration, given, settings.kubernetes_context or None)
    except ConfigException as error:
        hint = "outside of a cluster, name a kubeconfig" if given == "local" else "correct the file or the context"
        raise SettingsError(f"{_SETTING} cannot be used ({errors.first_line(str(error))}); {hint}.") from error
    except OSError as error:
        raise SettingsError(f"{_SETTING} names a file that cannot be read ({error.strerror}).") from error


def _read_kubeconfig(configuration: "Configuration", given: str, context: str | None) -> None:
    import yaml  # type: ignore[import-untyped] # PyYAML ships no types
    from kubernetes.config import kube_config  # noqa: TID251 - the one place

    try:
        if "\n" not in given:
            kube_config.load_kube_config(  # type: ignore[no-untyped-call] # the client ships no types
                given, context=context, client_configuration=configuration, persist_config=False
            )
            return
        document = yaml.safe_load(given)
    except yaml.YAMLError as error:
        # Not the error's text: it quotes the document, which holds credentials.
        raise SettingsError(f"{_SETTING} is not YAML.") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{_SETTING} is not a kubeconfig.")
    kube_config.load_kube_config_from_dict(  # type: ignore[no-untyped-call] # the client ships no types
        document, context=context, client_configuration=configuration
    )
