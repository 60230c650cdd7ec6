"""Where settings come from: the environment, and a file of NAME=VALUE lines.

A name that is nearly a setting's, a blank value and a line that cannot be read are mistakes, and refused: the list of
tokens could be empty because of one, and everyone could call.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from common.errors import SettingsError

PREFIX = "SYNCCTL_"
CONFIG_FILE = "syncctl.env"
CONFIG_PATH = f"{PREFIX}CONFIG_PATH"
_OTHERS = frozenset({CONFIG_PATH, *(f"{PREFIX}{name}" for name in ("URL", "TOKEN", "HOME", "CONNECTORS", "SECRETS"))})
"""Names of the command line and of the one-machine edition."""
_ALIKE = 0.85
"""Of difflib's ratio: AUTH_TOKEN is AUTH_TOKENS, and HOME resembles nothing."""
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SERVICE = re.compile(r"\w+_(SERVICE_(HOST|PORT\w*)|PORT(_\d+_[A-Z]+(_[A-Z]+)?)?)")
"""What Kubernetes adds for a Service, which may be called syncctl-sweeper."""


def read(environ: Mapping[str, str], known: Collection[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the stripped values by name, the environment's before the file's, and the names that are no setting.

    Raise SettingsError for a name that is close to one of `known`, a blank value, and a file that is empty or cut off.
    """
    folder = environ.get(CONFIG_PATH, "").strip()
    file = _file(Path(folder)) if folder else {}
    given = file | dict(environ)
    ours = {name: value.strip() for name, value in given.items() if name.startswith(PREFIX)}
    blank = [name for name, value in ours.items() if not value and name in known]
    problems = [f"{name}: is blank; give it a value, or leave it out." for name in blank]
    strange = [name for name in ours if name not in known and name not in _OTHERS]
    # In the file every name is meant for us, in the environment those that look like ours.
    others = [name for name in given if name not in known and name not in _OTHERS and (name in file or _is_ours(name))]
    problems += [f"{name}: is not a setting; {found[0]} is." for name in others if (found := _meant(name, known))]
    if problems:
        raise SettingsError("Settings are not usable. " + " ".join(problems))
    rest = {name: value.strip() for name, value in given.items() if name not in ours and value.strip()}
    return rest | ours, tuple(sorted(strange))


def meant_as_tokens(names: Collection[str], known: Collection[str]) -> str:
    """Return a name that was meant to close a function, and does not; "" without one."""
    words = re.compile(f"{PREFIX}.*(TOKEN|AUTH|CONFIG)")
    return next((name for name in names if name not in (*known, CONFIG_PATH) and words.match(name)), "")


def _is_ours(name: str) -> bool:
    return "SYNC" in name.upper() and not _SERVICE.fullmatch(name)


def _meant(name: str, known: Collection[str]) -> list[str]:
    """Return the setting that a name is nearly that of: misspelt, in small letters, or without all of the prefix."""
    full = name.upper().replace("-", "_")
    full = full if "SYNC" in full else f"{PREFIX}{full}"
    return get_close_matches(full, (*known, CONFIG_PATH), 1, _ALIKE)


def file_version(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Return what changes when the file is changed or replaced; () without one."""
    folder = environ.get(CONFIG_PATH, "").strip()
    try:
        found = (Path(folder) / CONFIG_FILE).stat() if folder else None
    except OSError:
        return (-1,)  # reading the file names the problem
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else ()


def _file(folder: Path) -> dict[str, str]:
    from dotenv.parser import parse_stream

    try:
        text = (folder / CONFIG_FILE).read_bytes().decode()
    except (OSError, ValueError):
        raise SettingsError(f"{CONFIG_PATH}: expected a folder with a readable file {CONFIG_FILE}.") from None
    if not text.endswith("\n"):
        raise SettingsError(
            f"{CONFIG_PATH}: {CONFIG_FILE} is empty or cut off: its last line does not end in a line break. "
            "Write it whole, with one at its end."
        )
    lines = list(parse_stream(StringIO(text)))
    for line in lines:
        if line.error or (line.key and (line.value is None or not _NAME.fullmatch(line.key))):
            raise SettingsError(f"{CONFIG_PATH}: line {line.original.line} of {CONFIG_FILE} is not NAME=VALUE.")
    if not any(line.key for line in lines):
        raise SettingsError(f"{CONFIG_PATH}: {CONFIG_FILE} holds no setting.")
    return {line.key: line.value or "" for line in lines if line.key}
