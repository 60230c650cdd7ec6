"""Reads a kubeconfig by the client library, and finds out why its credential plugin gave nothing.

The library only logs that, and goes on without credentials: the server then speaks of system:anonymous.
"""

from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types
from kubernetes.config.config_exception import ConfigException  # noqa: TID251 - the one place
from kubernetes.config.exec_provider import ExecProvider  # noqa: TID251 - the one place
from kubernetes.config.kube_config import ConfigNode, KubeConfigLoader, KubeConfigMerger  # noqa: TID251 - the one place

from common.cluster.data_plane import is_text
from common.cluster.errors import SETTING
from common.errors import ClusterUnavailable, SettingsError

if TYPE_CHECKING:
    from kubernetes.client import Configuration  # noqa: TID251 - the one place

_EXCERPT = 500


def load(configuration: "Configuration", given: str, context: str | None) -> None:
    """Read a kubeconfig, by path or as text. Raise SettingsError, or ClusterUnavailable for a plugin."""
    try:
        document = yaml.safe_load(given) if is_text(given) else KubeConfigMerger(given).config  # type: ignore[no-untyped-call] # the client ships no types
    except yaml.YAMLError as error:
        # Not the error's text: it quotes the document, which holds credentials.
        raise SettingsError(f"{SETTING} is not YAML.") from error
    if document is None:
        raise SettingsError(f"{SETTING} names no file that exists and holds a kubeconfig.")
    if not isinstance(document, dict | ConfigNode):
        raise SettingsError(f"{SETTING} is not a kubeconfig.")
    loader = _Loader(document, active_context=context, config_base_path=None)  # type: ignore[no-untyped-call] # the client ships no types
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call] # the client ships no types
    if not vars(loader).get("host"):
        raise ConfigException("the context's cluster has no `server`")


class _Loader(KubeConfigLoader):
    """The library's, but for a plugin that gives nothing."""

    def _load_from_exec_plugin(self) -> Any:
        user: Any = self._user
        if "exec" not in user:
            return None
        loaded = super()._load_from_exec_plugin()  # type: ignore[no-untyped-call] # the client ships no types
        if not loaded or vars(self).get("token") in {"Bearer ", "Bearer None"}:
            program = user["exec"].value.get("command", "without a name")
            raise ClusterUnavailable(
                f"{SETTING}: the program for its user's credentials, {program}, {self._why_nothing(user)}; nothing was "
                "sent to Kubernetes."
            )
        return loaded

    def _why_nothing(self, user: Any) -> str:
        """Run the plugin once more: the library keeps no reason."""
        cluster: Any = self._cluster
        base = self._get_base_path(cluster.path)  # type: ignore[no-untyped-call] # the client ships no types
        try:
            ExecProvider(user["exec"], base, cluster).run()  # type: ignore[no-untyped-call] # the client ships no types
        except OSError as error:
            return f"could not be run ({error.strerror})"
        except ConfigException as error:
            return f"failed ({' '.join(str(error).split())[:_EXCERPT]})"
        except (AttributeError, KeyError, TypeError, ValueError):
            return "answered with something else than an ExecCredential"
        return "answered with neither a token nor a certificate and its key"
