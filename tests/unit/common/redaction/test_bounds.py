"""What a connector makes of its configuration costs redaction no more than its length, and little memory."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from common import redaction
from common.protocol import sizes
from common.redaction.marks import SecretMarks
from common.redaction.redactor import Redactor
from common.redaction.search import MASK

PROGRAM = """
import json, pathlib, sys
from common import redaction
known = redaction.of_config(b'{"password":"planted-1"}')
for _ in range(%d):
    known.learn_change(pathlib.Path(sys.argv[1]).read_bytes())
print(known.redact("planted-1"), pathlib.Path("/proc/self/status").read_text())
"""
LENGTH = sizes.CONFIG_BYTES - 100
SECONDS = 120
"""Far more than is needed: a step for each pair of characters takes hours."""
MEMORY_KIB = 256 * 1024


def _repeated(text: str) -> dict[str, str]:
    return {"u": text * (LENGTH // len(json.dumps(text)[1:-1]))}


def _nested(levels: int) -> Any:
    value: Any = [f"secret-{number}" for number in range(40_000)]
    for _ in range(levels):
        value = [value]
    return {"token": value}


@pytest.mark.fault(207)
@pytest.mark.parametrize(
    ("config", "times"),
    [
        (_repeated("jdbc:"), 1),
        (_repeated("jdbc:/"), 1),
        (_repeated("a/jdbc:x "), 1),
        (_repeated("//a:"), 1),
        (_repeated("//a@"), 1),
        (_repeated("key="), 1),
        (_repeated("key "), 1),
        ({"u": "key" + " " * LENGTH}, 1),
        ({"u": "token=" + " " * LENGTH}, 1),
        ({"u": '["' * (LENGTH // 4)}, 1),
        ({"password": "x" * LENGTH}, 1),
        ({"password": "\u65e5" * (LENGTH // 6)}, 1),
        ({"token": [f"secret-{number}" for number in range(60_000)]}, 1),
        (_nested(900), 1),
        ({"password": "x" * 18_000_000}, 20),
        ({"password": "x" * 200_000}, 20),
    ],
    ids=lambda value: json.dumps(value)[:20] if isinstance(value, dict) else None,
)
def test_learning_takes_a_change_s_length_and_little_memory(tmp_path: Any, config: Any, times: int) -> None:
    """In a process of its own, which a step for each pair of characters would keep for hours."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    program = [sys.executable, "-c", PROGRAM % times, str(tmp_path / "config.json")]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert done.stdout.startswith(MASK)
    [peak] = re.findall(r"VmHWM:\s+(\d+)", done.stdout)
    assert int(peak) < MEMORY_KIB


@pytest.mark.fault(207)
def test_the_newest_secrets_of_many_changes_are_masked() -> None:
    """A connector that renews without an end: the caller's own stay, the oldest of its own making go."""
    known = redaction.of_config(b'{"password":"planted-1"}')
    for number in range(100):
        known.learn_change(json.dumps({"token": [f"renewed-{number}-{part}" for part in range(100)]}).encode())
    shown = known.redact("planted-1 renewed-99-0 renewed-99-99 renewed-81-0 renewed-0-0")
    assert shown == f"{MASK} {MASK} {MASK} {MASK} renewed-0-0"


def _of(text: str) -> Redactor:
    return redaction.of_config(json.dumps({"u": text}).encode())


@pytest.mark.parametrize(
    ("text", "hidden", "shown"),
    [
        ("jdbc:oracle:thin:scott/t1ger-33@host:1521", "t1ger-33", "scott"),
        ("see jdbc:x:jdbc:y:scott/t1ger-33@h and more", "t1ger-33", "scott"),
        ("a@jdbc:x/t1ger-33@h", "t1ger-33", "jdbc"),
        ("x/n0t-this1 jdbc:y", "", "n0t-this1"),
        ("x/n0t-this1@jdbc:y", "", "n0t-this1"),
        ("jdbc:a/b/t1ger-33@h", "t1ger-33", "jdbc"),
    ],
)
def test_a_password_behind_a_slash(text: str, hidden: str, shown: str) -> None:
    """As Oracle's drivers take it, wherever it begins in a text."""
    assert _of(text).redact(f"{hidden} {shown}") == (f"{MASK} {shown}" if hidden else f" {shown}")


@pytest.mark.fault(207)
def test_a_specification_that_takes_too_many_steps_marks_all() -> None:
    """Thousands of schemas for each of thousands of members: rather too much is masked, and soon."""
    schemas = [{"properties": {f"p{number}": {"type": "string"}}} for number in range(3000)]
    marks = SecretMarks({"connectionSpecification": {"anyOf": schemas}})
    config = {f"p{number}": {"inner": "value"} for number in range(3000)}
    assert list(marks.values(config)) == [config]
    assert list(marks.values({"p1": "value", "p2": [1]})) == []
