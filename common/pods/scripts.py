"""The shell scripts of a task pod, and how texts get into its manifest. POSIX sh only: images differ.

Folders are variables with the mount paths as defaults: the embedded edition sets them, as it cannot mount volumes.
"""

from datetime import UTC, datetime

from common.failures import UNPREPARED_EXIT
from common.protocol.commands import Command

_QUICK_TRIES = 250
"""How often the source looks for its pipes every 20 ms, before it does so every second."""
_FOLDERS = """\
mount_pipes=${MOUNT_PIPES:-/pipes} mount_config=${MOUNT_CONFIG:-/config}
"""
# For a sidecar that does not make them itself, as ours does (sidecar/prepare.py): the original's.
# Runs again safely after a node's restart: an old exit code, which could fake success, and half a
# configuration go first. -m 666 and umask let any user's connector write (fsGroup owns the folders).
_INIT_PIPES = """\
set -e
umask 0
rm -f "$mount_pipes/stdout" "$mount_pipes/stderr" "$mount_pipes/exit-code" "$mount_pipes/exit-code.new" \
    "$mount_pipes/alive" "$mount_pipes/alive.new" "$mount_pipes"/ready.*
mkfifo -m 666 "$mount_pipes/stdout" "$mount_pipes/stderr"
"""
_INIT_READY = """\
mkfifo -m 666 "$mount_pipes/ready.0"
"""
_INIT_FILES = """\
for file in "${MOUNT_CONFIGMAP:-/configmap}"/*{resumed}; do
    name=${file##*/}
    case $name in
        *.gz) name=${name%.gz}; gunzip -c "$file" > "$mount_config/$name.new" ;;
        *) cat "$file" > "$mount_config/$name.new" ;;
    esac
    rm -f "$mount_config/$name"
    mv "$mount_config/$name.new" "$mount_config/$name"
done
"""
_RESUMED = ' "${MOUNT_RESUME:-/resume}"/*'
NOT_PREPARED = "The sidecar did not make the pipes"
"""What the source's last words begin with if it has waited in vain."""
OVER = "over"
"""A file among the pipes, which a sidecar leaves that has ended: the source is not to begin any more."""

# AIRBYTE_ENTRYPOINT is a line of shell, as other platforms take it too. A program that the image has is run by `exec`,
# which makes the child the connector itself; several commands, and variables before a program, are left to the shell.
# Nothing is run to find that out: a function's definition is only parsed, and words without operators only split.
# What cannot be run at all is the image's fault, and reported as a connector would report it.
#
# sh as process 1 passes no signal on and would leave the connector to SIGKILL, so it forwards TERM; a shell between the
# two stays until the connector has ended, so its whole process group gets it. stderr opens first: the sidecar opens in
# that order. A trapped signal ends `wait` early, hence the loop. The exit code appears whole or not at all (rename).
#
# It waits for a third pipe, which the sidecar makes last. The shell takes away its name, which is another one each
# time: so a connector begins once, and neither a clean-up by the sidecar nor what an earlier life of the volume left
# can be mistaken for a new start. A `sleep` without fractions waits for whole seconds. The shell alone holds that pipe
# open, to its end, whichever that is: where `alive` is there and nobody holds it, the source is over, and an exit code
# that is not there will not come (Pipes).
_SOURCE = """\
line=$(printf '%s' "$AIRBYTE_ENTRYPOINT")
how=$(
    exec 2> /dev/null
    eval "probe() { $line
    }" || exit
    case $line in
        *[';&|=<>(`']* | *'
'*) echo eval; exit ;;
    esac
    eval "set -- $line"
    found=$(command -v "$1")
    case ${2-} in
        /*) [ -e "$2" ] || exit ;;
    esac
    case $found in
        */*) [ ! -x "$found" ] || echo exec ;;
        ?*) echo eval ;;
    esac
)
blame() {
    printf '%s\\n' '{"type":"TRACE","trace":{"type":"ERROR","emitted_at":0,"error":{"failure_type":"image_unusable",\
"message":"The image'"'"'s variable AIRBYTE_ENTRYPOINT '"$1"': it has to hold the command that starts the connector, \
such as ENV AIRBYTE_ENTRYPOINT=\\"python /connector.py\\""}}}'
}
run() {
    case $line in
        *[![:space:]]*) ;;
        *) blame 'is not set, or blank'; exit 127 ;;
    esac
    [ -n "$how" ] || { blame 'names no program or file that the image has, or is not a line of shell'; exit 127; }
    trap : TERM
    eval "${how#eval} $line "'{arguments}'
    code=$?
    case $code in
        126 | 127) blame "names something that cannot be run (exit code $code)" ;;
    esac
    exit "$code"
}
begin() {
    for ready in "$mount_pipes"/ready.*; do
        [ -p "$ready" ] && mv "$ready" "$mount_pipes/alive.new" 2> /dev/null || continue
        exec 3<> "$mount_pipes/alive.new"
        [ -p "$mount_pipes/alive.new" ] && mv "$mount_pipes/alive.new" "$mount_pipes/alive" 2> /dev/null && return
        exec 3>&-
        rm -f "$mount_pipes/alive.new"
    done
    return 1
}
give_up() {
    echo "$1" >&2
    [ ! -w /dev/termination-log ] || echo "$1" > /dev/termination-log
    exit {unprepared}
}
trap 'exit 143' TERM
tries=0
until begin; do
    [ ! -e "$mount_pipes/{over}" ] || { echo "The sidecar ended before the connector began." >&2; exit 0; }
    tries=$((tries + 1))
    [ "$tries" -lt {tries} ] || give_up "{not_prepared} within {within} s. Look at the log of the container sidecar, \
and whether its image is the one of this version."
    [ "$tries" -gt {quick} ] || sleep 0.02 2> /dev/null || sleep 1
    [ "$tries" -le {quick} ] || sleep 1
done
child= whom= stop=
trap '[ -n "$stop" ] || { stop=1; [ -z "$whom" ] || kill -TERM "$whom" 2> /dev/null; }' TERM
( run ) 3>&- 2> "$mount_pipes/stderr" > "$mount_pipes/stdout" &
child=$!
case $how in
    eval) whom=0 ;;
    *) whom=$child ;;
esac
[ -z "$stop" ] || kill -TERM "$whom" 2> /dev/null
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2> /dev/null || break
done
echo "$code" > "$mount_pipes/exit-code.new"
mv "$mount_pipes/exit-code.new" "$mount_pipes/exit-code"
exit "$code"
"""


def mount_variable(path: str) -> str:
    """Return the variable that names the folder which is mounted at `path`."""
    return "MOUNT_" + path.strip("/").replace("/", "_").upper()


def init(*, with_files: bool, resumes: bool = False) -> str:
    """Make the pipes, and copy (or unpack) the configuration to where connectors expect it.

    With `resumes`, what a later attempt resumes from replaces the first one's state.
    """
    files = _INIT_FILES.replace("{resumed}", _RESUMED if resumes else "")
    return _FOLDERS + _INIT_PIPES + (files if with_files else "") + _INIT_READY


def source(command: Command, within_seconds: int = 240) -> str:
    """Run the connector with its output into the pipes, and leave its exit code in a file.

    It waits no shorter than `within_seconds` for the pipes, and then ends with UNPREPARED_EXIT.
    """
    given: dict[str, object] = {
        "arguments": arguments(command),
        "unprepared": UNPREPARED_EXIT,
        "over": OVER,
        "not_prepared": NOT_PREPARED,
        "within": within_seconds,
        "quick": _QUICK_TRIES,
        "tries": _QUICK_TRIES + within_seconds,
    }
    text = _SOURCE
    for name, value in given.items():
        text = text.replace(f"{{{name}}}", str(value))
    return _FOLDERS + text


def arguments(command: Command) -> str:
    """Return the connector's arguments, by the Airbyte protocol, for a shell with a variable `mount_config`."""
    if command is Command.SPEC:
        return "spec"
    config = f'{command} --config "$mount_config/config.json"'
    if command is not Command.READ:
        return config
    return f'{config} --catalog "$mount_config/catalog.json" --state "$mount_config/state.json"'


def literal(text: str) -> str:
    """Escape a value for a container's env: the kubelet would expand $(NAME), and makes $ of $$."""
    return text.replace("$", "$$")


def rfc3339(seconds: int) -> str:
    """Return Unix seconds as a UTC time stamp."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
