"""Installs one image in a process of its own, so that its pod can be deleted meanwhile.

    python -m embedded.pods.installer PARAMETERS IMAGE OUTCOME

OUTCOME is a file with a JSON object: "report", the newest sentence on the progress, or "trouble", why it failed.
"""

import sys
from enum import IntEnum
from pathlib import Path

import msgspec

from common.errors import BadRequest, Refused, SyncError
from embedded.pods import images
from embedded.pods.pod_dir import Parameters, write_json


class Exit(IntEnum):
    READY = 0
    FAILED = 1  # also an unexpected error: it may pass
    REFUSED = 3
    INVALID = 4


def main(parameters: Path, image: str, outcome: Path) -> Exit:
    known = msgspec.json.decode(parameters.read_bytes(), type=Parameters)

    def report(sentence: str) -> None:
        write_json(outcome, {"report": sentence})

    try:
        images.resolver(known.images).install(image, report)
    except SyncError as exc:
        write_json(outcome, {"trouble": exc.message})
        if isinstance(exc, BadRequest):
            return Exit.INVALID
        return Exit.REFUSED if isinstance(exc, Refused) else Exit.FAILED
    return Exit.READY


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
