"""Where settings come from: the environment, and a file of NAME=VALUE lines.

A name that is nearly a setting's, a blank value and a line that cannot be read are mistakes, and refused: the list of
tokens could be empty because of one, and everyone could call.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from common.errors import SettingsError

PREFIX = "SYNCCTL_"
CONFIG_FILE = "syncctl.env"
CONFIG_PATH = f"{PREFIX}CONFIG_PATH"
_OTHERS = frozenset({CONFIG_PATH, f"{PREFIX}URL", f"{PREFIX}TOKEN", f"{PREFIX}HOME", f"{PREFIX}CONNECTORS"})
"""Names of the command line and of the one-machine edition."""
_ALIKE = 0.85
"""Of difflib's ratio: AUTH_TOKEN is AUTH_TOKENS, and HOME resembles nothing."""


def read(environ: Mapping[str, str], known: Collection[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the stripped values by name, the environment's before the file's, and the names that are no setting.

    Raise SettingsError for a name that is close to one of `known`, a blank value, and a file that is empty or cut off.
    """
    folder = environ.get(CONFIG_PATH, "").strip()
    given = (_file(Path(folder)) if folder else {}) | dict(environ)
    ours = {name: value.strip() for name, value in given.items() if name.startswith(PREFIX)}
    blank = [name for name, value in ours.items() if not value and name in known]
    problems = [f"{name}: is blank; give it a value, or leave it out." for name in blank]
    strange = [name for name in ours if name not in known and name not in _OTHERS]
    alike = ((name, get_close_matches(name, known, 1, _ALIKE)) for name in strange)
    problems += [f"{name}: is not a setting; {found[0]} is." for name, found in alike if found]
    if problems:
        raise SettingsError("Settings are not usable. " + " ".join(problems))
    rest = {name: value.strip() for name, value in given.items() if name not in ours and value.strip()}
    return rest | ours, tuple(sorted(strange))


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
        if line.error or (line.key and line.value is None):
            raise SettingsError(f"{CONFIG_PATH}: line {line.original.line} of {CONFIG_FILE} is not NAME=VALUE.")
    if not any(line.key for line in lines):
        raise SettingsError(f"{CONFIG_PATH}: {CONFIG_FILE} holds no setting.")
    return {line.key: line.value or "" for line in lines if line.key}
