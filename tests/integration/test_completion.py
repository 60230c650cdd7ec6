"""The scripts for shells, in those that this machine has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_deployment import TOKEN, fake_deployment, task

BIN = Path(sys.executable).parent
SHELLS = ("bash", "zsh", "fish")
# Each prints the candidates for a line, one a line, as the shell would offer them.
_BASH = """
source <({program} completion bash)
COMP_LINE=$1; COMP_POINT=${{#1}}
IFS=$' \\t\\n' read -ra COMP_WORDS <<<"$1"
[[ $1 == *[[:space:]] ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
found=$(complete -p "${{COMP_WORDS[0]}}"); found=${{found#*-F }}
"${{found%% *}}"; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
_ZSH = """
compdef() {{ : }}
_arguments() {{ print -r -- $1 }}
_files() {{ : }}
source <({program} completion zsh)
words=(${{(z)1}}); [[ $1 == *' ' ]] && words+=('')
CURRENT=${{#words}}
case $words[1] in
  kn) _kn_with_sync_completion ;;
  kn-sync) _kn_sync_completion ;;
  *) _syncctl_completion ;;
esac
"""
_FISH = """
{program} completion fish | source
complete --do-complete "$argv[1]" | string replace --regex '\\t.*' ''
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [("syncctl disc", "discover"), ("kn-sync disc", "discover"), ("kn sync -n x disc", "discover")],
)
def test_a_shell_completes(shell: str, line: str, expected: str, tmp_path: Path) -> None:
    """Also behind kn, whose own completion knows no plugins."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert expected in _press(shell, line, tmp_path)


def test_bash_completes_behind_the_colon_of_an_image(tmp_path: Path) -> None:
    """Readline has cut the word there, and replaces what is behind it alone."""
    with fake_deployment() as server:
        server.courses["t1"] = [task()]
        given = {"SYNCCTL_URL": server.url, "SYNCCTL_TOKEN": TOKEN}
        assert _press("bash", "syncctl spec airbyte/source-faker:7", tmp_path, **given) == "7.2.1\n"


def _press(shell: str, line: str, folder: Path, **variables: str) -> str:
    """Return what a shell offers at the end of a line."""
    program = "kn-sync" if line.startswith("kn") else "syncctl"
    script = folder / f"script.{shell}"
    script.write_text(_SCRIPTS[shell].format(program=program))
    environment = {"PATH": f"{BIN}:{os.defpath}", "HOME": str(folder)} | variables
    done = subprocess.run(
        [shell, script, line], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stderr == ""
    return done.stdout
