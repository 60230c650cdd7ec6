"""The shell lines that run in a task pod, and how texts get into its dicts. POSIX sh only: images differ."""

from datetime import UTC, datetime

from common.protocol.commands import Command

# Runs again safely after a node's restart: an old exit code, which could fake success, and half a
# configuration go first. -m 666 and umask let any user's connector write (fsGroup owns the folders).
_INIT_PIPES = """\
set -e
umask 0
rm -f /pipes/stdout /pipes/stderr /pipes/exit-code /pipes/exit-code.new
mkfifo -m 666 /pipes/stdout /pipes/stderr
"""
_INIT_FILES = """\
for file in /configmap/*{resumed}; do
    name=${file##*/}
    case $name in
        *.gz) name=${name%.gz}; gunzip -c "$file" > "/config/$name.new" ;;
        *) cat "$file" > "/config/$name.new" ;;
    esac
    rm -f "/config/$name"
    mv "/config/$name.new" "/config/$name"
done
"""

# sh as process 1 passes no signal on and would leave the connector to SIGKILL, so it forwards TERM. `exec`
# makes the child the connector itself. stderr opens first: the sidecar opens in that order. A trapped
# signal ends `wait` early, hence the loop. The exit code appears whole or not at all (rename).
_SOURCE = """\
child=
trap 'stop=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM
stop=
( eval "exec $AIRBYTE_ENTRYPOINT {arguments}" ) 2> /pipes/stderr > /pipes/stdout &
child=$!
[ -z "$stop" ] || kill -TERM "$child" 2>/dev/null
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
echo "$code" > /pipes/exit-code.new
mv /pipes/exit-code.new /pipes/exit-code
exit "$code"
"""


def init(*, with_files: bool, resumes: bool = False) -> str:
    """Makes the pipes, and copies (or unpacks) the configuration to where connectors expect it; `resumes`: what a
    later attempt goes on from takes the place of the first one's state.
    """
    files = _INIT_FILES.replace("{resumed}", " /resume/*" if resumes else "")
    return _INIT_PIPES + (files if with_files else "")


def source(command: Command) -> str:
    """Runs the connector with its output into the pipes and leaves its exit code in a file."""
    return _SOURCE.replace("{arguments}", arguments(command))


def arguments(command: Command) -> str:
    """The connector's arguments, by the Airbyte protocol."""
    if command is Command.SPEC:
        return "spec"
    config = f"{command} --config /config/config.json"
    if command is not Command.READ:
        return config
    return f"{config} --catalog /config/catalog.json --state /config/state.json"


def literal(text: str) -> str:
    """A value for a container's env: the kubelet would expand $(NAME), and makes $ of $$."""
    return text.replace("$", "$$")


def rfc3339(seconds: int) -> str:
    """Unix seconds as a UTC time stamp."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
