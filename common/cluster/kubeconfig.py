"""Reads a kubeconfig by the client library, and runs a credential plugin itself.

The library waits for a plugin without a limit; it only logs that one gave nothing, and goes on without credentials: the
server then speaks of system:anonymous.
"""

import json
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from kubernetes.config.config_exception import ConfigException  # noqa: TID251 - the one place
from kubernetes.config.dateutil import parse_rfc3339  # noqa: TID251 - the one place
from kubernetes.config.exec_provider import ExecProvider  # noqa: TID251 - the one place
from kubernetes.config.kube_config import (  # noqa: TID251 - the one place
    ConfigNode,
    FileOrData,
    KubeConfigLoader,
    KubeConfigMerger,
)

from common.cluster.data_plane import is_text
from common.cluster.errors import SETTING
from common.errors import ClusterUnavailable, SettingsError

if TYPE_CHECKING:
    from kubernetes.client import Configuration  # noqa: TID251 - the one place

PLUGIN_SECONDS = 30.0
"""How long a credential plugin may take; one that asks its cloud takes a few."""
_EXCERPT = 500
_CERTIFICATE = ("clientCertificateData", "clientKeyData")


def load(configuration: "Configuration", given: str, context: str | None) -> None:
    """Read a kubeconfig, by path or as text. Raise SettingsError, or ClusterUnavailable for a plugin."""
    loader = _loader(given, context)
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call] # the client ships no types
    if not vars(loader).get("host"):
        raise ConfigException("the context's cluster has no `server`")


def namespace(given: str, context: str | None) -> str:
    """Return the context's namespace; "" if it names none."""
    found: Any = _loader(given, context).current_context
    return str((found.get("context") or {}).get("namespace") or "")


def _loader(given: str, context: str | None) -> "_Loader":
    try:
        document = yaml.safe_load(given) if is_text(given) else KubeConfigMerger(given).config  # type: ignore[no-untyped-call] # the client ships no types
    except yaml.YAMLError as error:
        # Not the error's text: it quotes the document, which holds credentials.
        raise SettingsError(f"{SETTING} is not YAML.") from error
    if document is None:
        raise SettingsError(f"{SETTING} names no file that exists and holds a kubeconfig.")
    if not isinstance(document, dict | ConfigNode):
        raise SettingsError(f"{SETTING} is not a kubeconfig.")
    return _Loader(document, active_context=context, config_base_path=None)  # type: ignore[no-untyped-call] # the client ships no types


class _Loader(KubeConfigLoader):
    """The library's, but for credential plugins."""

    def _load_from_exec_plugin(self) -> Any:
        user: Any = self._user
        if "exec" not in user:
            return None
        try:
            self._use(_run(self._provider(user["exec"])))
        except _GaveNothingError as error:
            program = user["exec"].value.get("command", "without a name")
            raise ClusterUnavailable(
                f"{SETTING}: the program for its user's credentials, {program}, {error}; nothing was sent to "
                "Kubernetes."
            ) from None
        return True

    def _provider(self, given: Any) -> ExecProvider:
        cluster: Any = self._cluster
        try:
            return ExecProvider(given, self._get_base_path(cluster.path), cluster)  # type: ignore[no-untyped-call] # the client ships no types
        except ConfigException as error:
            raise _GaveNothingError(f"failed ({_excerpt(str(error))})") from None

    def _use(self, status: dict[str, Any]) -> None:
        """Take the token, or the certificate with its key, and their end."""
        found: dict[str, Any] = {}
        if token := status.get("token"):
            found["token"] = f"Bearer {token}"
        elif all(status.get(name) for name in _CERTIFICATE):
            for attribute, name in zip(("cert_file", "key_file"), _CERTIFICATE, strict=True):
                found[attribute] = self._file(status, name)
        else:
            raise _GaveNothingError("answered with neither a token nor a certificate and its key")
        if end := status.get("expirationTimestamp"):
            try:
                found["expiry"] = parse_rfc3339(end)  # type: ignore[no-untyped-call] # the client ships no types
            except (AttributeError, TypeError, ValueError):
                raise _GaveNothingError("answered with an expirationTimestamp that is not a time") from None
        vars(self).update(found)

    def _file(self, status: dict[str, Any], name: str) -> Any:
        """Return the path of a file with that part of the answer: the library reads certificates from files."""
        data: Any = FileOrData(status, None, name, base64_file_content=False, temp_file_path=self._temp_file_path)  # type: ignore[no-untyped-call] # the client ships no types
        return data.as_file()


class _GaveNothingError(Exception):
    """Why a plugin gave no credentials, without anything that it printed to its standard output."""


def _run(provider: ExecProvider) -> dict[str, Any]:
    """Return the status of a plugin's answer."""
    try:
        process = subprocess.Popen(
            provider.args,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=provider.cwd,
            env=provider.env | {"KUBERNETES_EXEC_INFO": json.dumps(_request(provider))},
            start_new_session=True,
        )
    except OSError as error:
        raise _GaveNothingError(f"could not be run ({error.strerror})") from None
    with process:
        try:
            output, words = process.communicate(timeout=PLUGIN_SECONDS)
        except BaseException as error:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # with what it has started
            if isinstance(error, subprocess.TimeoutExpired):
                raise _GaveNothingError(f"did not end within {PLUGIN_SECONDS:.0f} s and was killed") from None
            raise
    if process.returncode:
        raise _GaveNothingError(
            f"failed (exit code {process.returncode}){_excerpt(words.decode(errors='replace'), ': ')}"
        )
    return _status(output, provider.api_version)


def _request(provider: ExecProvider) -> dict[str, Any]:
    """Return what a plugin gets: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ ."""
    spec: dict[str, Any] = {"interactive": False}
    if provider.cluster:
        spec["cluster"] = dict(provider.cluster.value)
        for extension in provider.cluster.value.get("extensions") or ():
            if extension["name"] == "client.authentication.k8s.io/exec":
                spec["cluster"]["config"] = extension["extension"]
    return {"apiVersion": provider.api_version, "kind": "ExecCredential", "spec": spec}


def _status(output: bytes, version: str) -> dict[str, Any]:
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential" or answer.get("apiVersion") != version:
        raise _GaveNothingError(f"answered with something else than an ExecCredential of {version}")
    status = answer.get("status")
    return status if isinstance(status, dict) else {}


def _excerpt(text: str, before: str = "") -> str:
    words = " ".join(text.split())[:_EXCERPT]
    return before + words if words else ""
