"""A connector that does what its configuration says: `{"do": "eat-memory" | "hang" | "wait-for-rows" | ..., ...}`.

rows     sends `count` rows from the given state on, a state after every `every` of them, `pause` seconds apart; fails
         unless it runs as user `user`, where that is given
more     the same, but `count` rows beyond the given state
rotate   rows, after a CONTROL message by which the password is another one from now on
hang     says that it started, and nothing more, until it is told to stop
eat      takes more memory than any limit allows

`shows` names variables and files whose SHA-256 it tells, as it always does for `password`: tests may not see secrets.
"""

import hashlib
import json
import os
import sys
import time


def say(**message: object) -> None:
    """One message of the protocol."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def status(value: str) -> None:
    """The stream's status."""
    body = {"stream_descriptor": {"name": "plants"}, "status": value}
    say(type="TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1.0, "stream_status": body})


def reached(path: str) -> int:
    """How far the state goes."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as below
        states = json.load(file)
    return int(states[0]["stream"]["stream_state"]["id"]) if states else 0


def rows(after: int, count: int, every: int, pause: float) -> None:
    """Sends rows and states."""
    for number in range(after + 1, count + 1):
        data = {"id": number, "user": os.getuid()}
        say(type="RECORD", record={"stream": "plants", "data": data, "emitted_at": 1})
        if number % every == 0:
            body = {"stream_descriptor": {"name": "plants"}, "stream_state": {"id": number}}
            say(type="STATE", state={"type": "STREAM", "stream": body})
            time.sleep(pause)


if sys.argv[1] == "spec":
    say(type="SPEC", spec={"connectionSpecification": {"type": "object", "properties": {"do": {"type": "string"}}}})
    sys.exit(0)
given = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
with open(given["--config"], encoding="utf-8") as file:  # noqa: PTH123 - a connector of somebody else
    config = json.load(file)
if sys.argv[1] == "discover":
    properties = {"id": {"type": "integer"}, "user": {"type": "integer"}}
    plants = {
        "name": "plants",
        "json_schema": {"type": "object", "properties": properties},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["id"],
    }
    say(type="CATALOG", catalog={"streams": [plants]})
    sys.exit(0)
# What a careless connector does: tests look whether the secrets in it are seen anywhere.
say(type="LOG", log={"level": "INFO", "message": f"the configuration is {json.dumps(config)}"})
sys.stderr.write(f"{config}\n")
status("STARTED")
variables = [name for name in config.get("shows", []) if not name.startswith("/")]
shown = {name: os.environ.get(name, "") for name in variables}  # noqa: TID251 - a connector of somebody else
for name in set(config.get("shows", [])) - set(variables):
    with open(name, encoding="utf-8") as file:  # noqa: PTH123 - as above
        shown[name] = file.read()
if "password" in config:
    shown["password"] = config["password"]
for name, value in shown.items():
    say(type="LOG", log={"level": "INFO", "message": f"{name} {hashlib.sha256(value.encode()).hexdigest()}"})
if config["do"] == "rotate":
    changed = {**config, "password": config["password"] + "-next"}
    say(type="CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1.0, "connectorConfig": {"config": changed}})
if config["do"] == "eat":
    eaten = []
    while True:
        eaten.append(bytearray(os.urandom(1024)) * 65536)
if config["do"] == "hang":
    time.sleep(3600)
if config.get("user", os.getuid()) != os.getuid():
    sys.exit(f"runs as user {os.getuid()}")
before = reached(given["--state"]) if "--state" in given else 0
rows(
    before,
    config.get("count", 10) + (before if config["do"] == "more" else 0),
    config.get("every", 5),
    config.get("pause", 0),
)
status("COMPLETE")
