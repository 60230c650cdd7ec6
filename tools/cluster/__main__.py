"""`python -m tools.cluster COMMAND`: see README.md."""

import argparse
import shlex
import signal
import subprocess
import sys
import time

from tools.cluster import builds, daemons, images
from tools.cluster.down import down
from tools.cluster.processes import ClusterError, say, show
from tools.cluster.settings import (
    BASE_IMAGE,
    DOMAIN,
    GATEWAY_ADDRESS,
    HOST_ADDRESS,
    HOST_NAME,
    KUBECONFIG,
    LOGS,
)
from tools.cluster.up import build, start_again, up


def _build(given: argparse.Namespace) -> None:
    build(with_knative=not given.no_knative)


def _up(given: argparse.Namespace) -> None:
    started = time.monotonic()
    up(with_knative=not given.no_knative)
    say(f"up after {time.monotonic() - started:.1f} s")


def _down(given: argparse.Namespace) -> None:
    down(purge=given.purge)


def _env(_: argparse.Namespace) -> None:
    values = {
        "KUBECONFIG": str(KUBECONFIG),
        "KNATIVE_URL": f"http://{GATEWAY_ADDRESS}",
        "KNATIVE_DOMAIN": DOMAIN,
        "HOST_ADDRESS": HOST_ADDRESS,
        "HOST_NAME": HOST_NAME,
        "PYTHON_IMAGE": BASE_IMAGE,
    }
    for name, value in values.items():
        say(f"export {name}={shlex.quote(value)}")
    say(f"export PATH={shlex.quote(str(builds.kubernetes()))}:{shlex.quote(str(builds.knative() / 'bin'))}:$PATH")


def _load(given: argparse.Namespace) -> None:
    images.load(given.archive)


def _base(_: argparse.Namespace) -> None:
    images.build_base()
    images.load_built(BASE_IMAGE)


def _image(given: argparse.Namespace) -> None:
    if given.unless_loaded and images.is_loaded(given.name):
        return
    images.build(given.name, given.file, given.context, given.build_arg, given.output)


def _kill(given: argparse.Namespace) -> None:
    daemons.stop(given.component, signal.SIGKILL)


def _start(given: argparse.Namespace) -> None:
    start_again(given.component)


def _logs(given: argparse.Namespace) -> None:
    if not given.component:
        say("\n".join(sorted(path.stem for path in LOGS.glob("*.log"))))
        return
    follow = ["-F"] if given.follow else []
    show("tail", "-n", str(given.lines), *follow, LOGS / f"{given.component}.log")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description="A cluster for tests.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, action, text in (
        ("build", _build, "install the packages and build the programs, unless that was done"),
        ("up", _up, "build, start the cluster and wait until it is ready"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--no-knative", action="store_true", help="Kubernetes alone")
        command.set_defaults(action=action)
    command = commands.add_parser("down", help="stop the cluster and undo what it changed")
    command.add_argument("--purge", action="store_true", help="forget the loaded images too")
    command.set_defaults(action=_down)
    commands.add_parser("env", help="print the variables that a shell or a test needs").set_defaults(action=_env)
    commands.add_parser("base", help=f"make {BASE_IMAGE} and load it").set_defaults(action=_base)
    _add_image_commands(commands)
    for name, action, text in (
        ("kill", _kill, "end a daemon by force, to see what becomes of the rest"),
        ("start", _start, "start a daemon that was killed"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("component", choices=daemons.ALL)
        command.set_defaults(action=action)
    command = commands.add_parser("logs", help="print the end of a component's log, or the components' names")
    command.add_argument("component", nargs="?")
    command.add_argument("-f", "--follow", action="store_true")
    command.add_argument("-n", "--lines", type=int, default=100)
    command.set_defaults(action=_logs)
    return parser


def _add_image_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("load", help="load image archives (docker or OCI) into the cluster")
    command.add_argument("archive", nargs="+")
    command.set_defaults(action=_load)
    command = commands.add_parser("image", help="build an image from a Dockerfile and load it")
    command.add_argument("name", help="such as dev.local/function:1")
    command.add_argument("-f", "--file", required=True, help="the Dockerfile")
    command.add_argument("context")
    command.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("-o", "--output", help="keep the image's archive at this path")
    command.add_argument("--unless-loaded", action="store_true", help="nothing to do where the cluster has that name")
    command.set_defaults(action=_image)


def main() -> None:
    """Runs one command; errors are sentences."""
    given = _parser().parse_args()
    try:
        given.action(given)
    except ClusterError as error:
        raise SystemExit(str(error)) from None
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr or "")
        raise SystemExit(f"failed with status {error.returncode}: {shlex.join(error.cmd)}") from None


if __name__ == "__main__":
    main()
