"""The package index of this machine, as pip's variables and files name it: for uv, which reads neither; and redaction.

scripts/preflight.py and scripts/venv.sh use this, too, before there are packages and under a Python that may be too
old (3.6): no imports but of the standard library, no newer syntax.

    python -m embedded.connectors.package_settings              prints what uv needs, for a shell to evaluate
    python -m embedded.connectors.package_settings COMMAND...   runs a command, and prints its output without passwords
"""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping

_PIP_SECONDS = 30
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
_SECTIONS = ("global", "install", ":env:")  # the later one wins
_CONFIGURED = re.compile(r"(?m)^([\w:-]+)\.([\w-]+)=('.*'|\".*\")$")
_WITH_ADDRESS = re.compile(r"(PIP|UV)_.*|.*_PROXY", re.IGNORECASE)
_USER_INFO = re.compile(r"(\w+://)[^\s'\"`<>]*@|[^\s'\"`<>/]*:[^\s'\"`<>]*@")
_SHORTEST = 3


def of_pip(environment: "Mapping[str, str]", pip: "Iterable[str]" = ()) -> "dict[str, str]":
    """Return pip's settings, from variables and files; `pip` is the command to ask, else this Python's own pip."""
    found: dict[str, str] = {}
    command = [*(pip or (sys.executable, "-I", "-m", "pip")), "config", "list"]
    try:
        output = subprocess.run(
            command,
            env=dict(environment, PIP_DISABLE_PIP_VERSION_CHECK="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PIP_SECONDS,
            check=False,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        output = ""
    given = {(section, name): ast.literal_eval(value) for section, name, value in _CONFIGURED.findall(output)}
    for wanted in _SECTIONS:
        found.update({name: value.strip() for (section, name), value in given.items() if section == wanted})
    for name, value in environment.items():
        if name.startswith("PIP_"):
            found[name[4:].lower().replace("_", "-")] = value.strip()
    return found


def for_uv(environment: "Mapping[str, str]") -> "dict[str, str]":
    """Return uv's variables for pip's settings, but for those that the environment has."""
    settings = of_pip(environment)
    # Lists have blanks in pip and in UV_INDEX, but commas in UV_FIND_LINKS.
    return {
        uv: ("," if uv == "UV_FIND_LINKS" else " ").join(settings[pip].split()) if pip != "cert" else settings[pip]
        for pip, uv in _UV_NAMES.items()
        if settings.get(pip) and not environment.get(uv)
    }


def redact(text: str, values: "Iterable[str]") -> str:
    """Return the text without the passwords of these settings, and without what any address has before an @."""
    secrets = {secret for value in values for secret in _secrets(value)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _USER_INFO.sub(r"\1***@", text)


def addresses(environment: "Mapping[str, str]") -> "list[str]":
    """Return the values of the variables that may hold addresses with passwords."""
    return [value for name, value in environment.items() if _WITH_ADDRESS.fullmatch(name)]


def _secrets(value: str) -> "Iterator[str]":
    """Yield the password in each address, also in parts, as a parser may split it where it is malformed."""
    for address in re.split(r"[\s,]+", value):
        user_info = re.sub(r"^[\w+.-]+://", "", address).rpartition("@")[0]
        secret = user_info.partition(":")[2] or user_info
        for part in (secret, *re.split(r"[/?#:@]", secret)):
            if len(part) >= _SHORTEST:
                yield part


def _run(command: "list[str]") -> int:
    environment = dict(os.environ)  # noqa: TID251 - runs before the packages are there
    values: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            values = values or [*addresses(environment), *of_pip(environment).values()]
            sys.stderr.write(redact(line.decode(errors="replace"), values))
    return process.returncode


def main(command: "list[str]") -> int:
    """Run the command, or print uv's variables."""
    if command:
        try:
            return _run(command)
        except KeyboardInterrupt:
            return 130
    for name, value in for_uv(os.environ).items():  # noqa: TID251 - as above
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
