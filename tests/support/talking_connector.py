"""A connector that logs what a file says, line by line as they are added to it, until one is `end`.

Lines that begin with `stderr:` go there; others are JSON strings or objects: a message, or a whole LOG (`level`,
`message`). It knows `spec`, `check` and nothing else.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def out(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def say(line: str) -> None:
    if line.startswith("stderr:"):
        sys.stderr.write(line.removeprefix("stderr:") + "\n")
        return
    said = json.loads(line)
    out(type="LOG", log={"level": "INFO"} | (said if isinstance(said, dict) else {"message": said}))


def follow(path: Path) -> None:
    with path.open() as lines:
        while True:
            at = lines.tell()
            if not (line := lines.readline()).endswith("\n"):
                lines.seek(at)
                time.sleep(0.05)
            elif line == "end\n":
                return
            else:
                say(line.rstrip("\n"))


if sys.argv[1] == "spec":
    out(type="SPEC", spec={"connectionSpecification": {"type": "object"}})
else:
    follow(Path(json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())["lines"]))
    out(type="CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
