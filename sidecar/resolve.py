"""Put the values of Secrets into the configuration that the connector is given, and leave them to be masked.

`python -m sidecar.resolve` is the end of the init container in pods of functions of an earlier version. Exit code 6: a
value is missing, or no text; the last line tells which.
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

_ANY_USER, _OWN = 0o666, 0o600
"""The source is another user; it has no use for the values by themselves."""


def resolve(environ: Mapping[str, str]) -> None:
    """Resolve REFERENCES, which is JSON; raise Refused, which names what is missing, or is no text."""
    wanted = msgspec.json.decode(environ["REFERENCES"], type=list[KeyRef])
    in_config = bool(environ.get("RESOLVE_CONFIG"))
    resolved = secret_values.read(Path(environ["REFERENCES_FOLDER"]), wanted, in_config=in_config)
    if resolved.in_config:
        config = Path(environ["FILES_FOLDER"]) / "config.json"
        _write(config, resolved.config(config.read_bytes()), _ANY_USER)
    _write(Path(environ["RESOLVED_FILE"]), msgspec.json.encode(resolved), _OWN)


def main(environ: Mapping[str, str] | None = None) -> int:
    """Resolve in an init container; return the exit code."""
    given = os.environ if environ is None else environ  # noqa: TID251 - the one place of init
    folders = {name: given.get(f"MOUNT_{name}", f"/{name.lower()}") for name in ("CONFIG", "REFERENCES", "RESOLVED")}
    paths = {
        "FILES_FOLDER": folders["CONFIG"],
        "REFERENCES_FOLDER": folders["REFERENCES"],
        "RESOLVED_FILE": f"{folders['RESOLVED']}/values.json",
    }
    try:
        resolve({**given, **paths})
    except Refused as error:
        sys.stderr.write(error.message[:1].upper() + error.message[1:] + "\n")
        return SECRET_MISSING_EXIT
    return 0


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file by one that appears whole; what a connector left there in an earlier life is not followed."""
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        file.write(content)
    half.rename(path)


if __name__ == "__main__":
    sys.exit(main())
