"""The embedded edition's home folder, and the token that it leaves there for this user."""

import os
from pathlib import Path
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def home() -> Path:
    """Return SYNCCTL_HOME, else a folder in the user's data folder (XDG; a relative path there is ignored)."""
    environ = os.environ  # noqa: TID251 - this is a settings.py
    if chosen := environ.get("SYNCCTL_HOME"):
        return Path(chosen).expanduser().absolute()
    data = Path(environ.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "sync-functions"


def is_local(url: str) -> bool:
    """Tell whether the address is on this machine."""
    return urlsplit(url).hostname in LOOPBACK


def without_password(url: str) -> str:
    """Return the address without user and password, which may be there for a proxy in front of the deployment."""
    scheme, separator, rest = url.strip().partition("://")
    front, slash, path = rest.partition("/")
    return f"{scheme}{separator}{front.rpartition('@')[2]}{slash}{path}"


def token_file() -> Path:
    """Return where the embedded edition of this user keeps its token."""
    return home() / "token"


def saved_token(url: str) -> str:
    """Return the token of this user's embedded edition; "" for addresses elsewhere."""
    try:
        return token_file().read_text().strip() if is_local(url) else ""
    except (OSError, UnicodeDecodeError):
        return ""


def default_kubeconfig() -> str:
    """Return where kubectl and kn look without --kubeconfig and KUBECONFIG; `local` in a pod without that file."""
    path = Path.home() / ".kube" / "config"
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ  # noqa: TID251 - this is a settings.py
    return "local" if in_pod and not path.exists() else str(path)


def completed_words() -> list[str]:
    """Return the words of the line that a shell completes."""
    environ = os.environ  # noqa: TID251 - this is a settings.py
    return (environ.get("COMP_WORDS") or environ.get("_TYPER_COMPLETE_ARGS") or "").split()
