"""Objects of the cluster that a kubeconfig names; the only importer of common.cluster in the command line."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from common.errors import SettingsError, SyncError
from syncctl.settings import default_kubeconfig

FLAG = "--kubeconfig (KUBECONFIG)"
DEFAULT_NAMESPACE = "default"
LOG_BYTES = 1_000_000


class Denied(SyncError):
    """The user has no right to do it; `doing` completes "while": "reading the Secret x"."""

    def __init__(self, message: str, doing: str) -> None:
        super().__init__(message)
        self.doing = doing


class Access(Struct, frozen=True):
    """A kubeconfig (paths; `local` is a pod's service account), and its context; "" is the current one."""

    kubernetes_client_config: str
    kubernetes_context: str


class Kubernetes:
    """Objects as dicts. Every method raises SyncError; Denied where the user lacks a right.

    `doing` completes "while": "reading the Secret x".
    """

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._access = Access(kubeconfig or default_kubeconfig(), context)
        try:
            from common.cluster import api
        except ModuleNotFoundError as exc:
            raise SettingsError(
                f"The plugin's parts are not installed ({exc.name} is missing). Install them with "
                "`pip install 'sync-functions[kn]'`, or pass --url and --token."
            ) from exc
        with _naming_the_flag():
            self._api = api.connect(self._access, _refusal)
            self._api.open()

    def namespace(self) -> str:
        """Return the context's namespace, as `kn` uses it."""
        from common.cluster import credentials

        with _naming_the_flag():
            return credentials.namespace(self._access) or DEFAULT_NAMESPACE

    def get(self, path: str, doing: str) -> dict[str, Any] | None:
        """Return an object; None if it is not there."""
        return self._read(path, {}, doing)

    def create(self, path: str, body: Mapping[str, Any], doing: str) -> dict[str, Any]:
        """Create an object, or ask for a review; return it as the cluster has it."""
        with _naming_the_flag():
            data = self._api.call("POST", path, body=body, doing=doing) or b"{}"
        return msgspec.json.decode(data, type=dict[str, Any])

    def delete(self, path: str, doing: str) -> None:
        """Delete an object at once, if it is there."""
        with _naming_the_flag():
            self._api.call("DELETE", path, body={"gracePeriodSeconds": 0}, doing=doing, none_on=(HTTPStatus.NOT_FOUND,))

    def log(self, path: str, doing: str) -> str:
        """Return the log of a pod's only container; "" before it begins."""
        none_on = (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST)
        with _naming_the_flag():
            data = self._api.call("GET", f"{path}/log", {"limitBytes": LOG_BYTES}, doing=doing, none_on=none_on)
        return (data or b"").decode(errors="replace")

    def list(self, path: str, labels: str, doing: str) -> list[dict[str, Any]] | None:
        """Return the objects with these labels; None if the cluster does not know their kind."""
        found = self._read(path, {"labelSelector": labels}, doing)
        return None if found is None else found["items"]

    def _read(self, path: str, query: Mapping[str, str], doing: str) -> dict[str, Any] | None:
        from common.cluster.errors import KindUnknown

        try:
            with _naming_the_flag():
                data = self._api.call("GET", path, query, doing=doing, none_on=(HTTPStatus.NOT_FOUND,))
        except KindUnknown:
            return None
        return None if data is None else msgspec.json.decode(data, type=dict[str, Any])


_OF_RIGHTS = re.compile(rb'User \\?".* cannot ')


def _refusal(status: int, body: bytes, doing: str) -> SyncError:
    """Return the error for a person's rights, where common.cluster.errors speaks of a function's."""
    from common.cluster import errors

    # A quota, an admission or a namespace that ends is a 403, too, and no matter of rights.
    if status == HTTPStatus.FORBIDDEN and errors.is_its_own(body) and _OF_RIGHTS.search(body):
        return Denied(
            f"You may not do this in the cluster: {doing}. Ask for the right, or pass --url and --token.", doing
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return SyncError(f"Kubernetes does not accept the credentials of {FLAG} while {doing}; log in again.")
    return errors.of_answer(status, body, doing)


@contextmanager
def _naming_the_flag() -> Iterator[None]:
    """Name the option in errors of common.cluster, which name the functions' setting."""
    from common.cluster.errors import SETTING

    try:
        yield
    except SyncError as error:
        if SETTING not in error.message:
            raise
        raise SyncError(error.message.replace(SETTING, FLAG)) from error
