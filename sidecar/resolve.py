"""`python -m sidecar.resolve`: the end of a pod's init container where its task refers to Secrets.

Exit code 6: a value is missing, or no text; the last line tells which. REFERENCES holds the references, as JSON.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from common.errors import Refused
from common.failures import SECRET_MISSING_EXIT
from common.protocol.references import KeyRef
from sidecar import secret_values

_MODE = 0o666
"""Less the umask: the source is another user."""


def main(environ: Mapping[str, str] | None = None) -> int:
    """Put the values into the configuration, and leave them for the sidecar; return the exit code."""
    given = os.environ if environ is None else environ  # noqa: TID251 - the one place of init
    folders = {
        name: Path(given.get(f"MOUNT_{name}", f"/{name.lower()}")) for name in ("CONFIG", "REFERENCES", "RESOLVED")
    }
    wanted = msgspec.json.decode(given["REFERENCES"], type=list[KeyRef])
    try:
        resolved = secret_values.read(folders["REFERENCES"], wanted, in_config=bool(given.get("RESOLVE_CONFIG")))
    except Refused as error:
        sys.stderr.write(error.message[:1].upper() + error.message[1:] + "\n")
        return SECRET_MISSING_EXIT
    if resolved.in_config:
        config = folders["CONFIG"] / "config.json"
        _write(config, resolved.config(config.read_bytes()))
    _write(folders["RESOLVED"] / "values.json", msgspec.json.encode(resolved))
    return 0


def _write(path: Path, content: bytes) -> None:
    """Replace a file by one that appears whole."""
    half = path.with_suffix(".new")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "wb") as file:
        file.write(content)
    half.rename(path)


if __name__ == "__main__":
    sys.exit(main())
