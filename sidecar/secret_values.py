"""The values of the Secrets that a task refers to, as the pod's init container has found them.

A later rotation changes the kubelet's volume, not what the connector was given. So init leaves the values that it has
used in a file in memory, beside the configuration with those values in it, and the sidecar masks these.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from common.errors import Refused, SettingsError
from common.protocol import references
from common.protocol.messages import DECODE_ERRORS
from common.protocol.references import KeyRef
from common.redaction import Redactor, is_weak

_MOST_BYTES = 8 * 1024 * 1024
_NAMED = 5


class _Value(KeyRef, frozen=True):
    value: str


class Resolved(Struct, frozen=True):
    """What was resolved, and whether the configuration refers to it: else it is given as it is."""

    values: list[_Value] = []
    in_config: bool = False

    def config(self, written: bytes) -> bytes:
        """Return the configuration as the connector was given it."""
        return references.resolved(written, self.by_reference) if self.in_config else written

    def restored(self, changed: bytes, written: bytes) -> bytes:
        """Return a configuration that the connector has changed without these values; raise Refused."""
        if not self.values:
            return changed
        try:
            return references.restored(changed, written if self.in_config else b"null", self.by_reference)
        except DECODE_ERRORS as error:
            raise Refused(f"it cannot be searched for values of Secrets ({type(error).__name__})") from None

    @property
    def weak(self) -> list[str]:
        """Return the names of values that are too short, or too common, to be hidden wherever they stand."""
        weak = (one for one in self.values if is_weak(one.value.strip().lower()))
        return [f"key {one.key} of the Secret {one.name}" for one in weak]

    @property
    def by_reference(self) -> dict[KeyRef, str]:
        """The values by what refers to them."""
        return {KeyRef(one.name, one.key): one.value for one in self.values}


def read(folder: Path, wanted: Iterable[KeyRef], *, in_config: bool) -> Resolved:
    """Read the values from the kubelet's volume; raise Refused, which names those that are missing, or no text."""
    found, problems = list[_Value](), list[str]()
    for ref in wanted:
        try:
            found.append(_Value(ref.name, ref.key, _text((folder / ref.name / ref.key).read_bytes())))
        except (FileNotFoundError, NotADirectoryError):
            problems.append(f"the Secret {ref.name} does not exist, or has no key {ref.key}")
        except UnicodeDecodeError:
            problems.append(f"key {ref.key} of the Secret {ref.name} is no text in UTF-8")
    if sum(len(one.value) for one in found) > _MOST_BYTES:
        problems.append(f"the values that it refers to have more than {_MOST_BYTES:,} characters")
    if problems:
        more = len(problems) - _NAMED
        raise Refused("; ".join(problems[:_NAMED]) + (f"; and {more} more" if more > 0 else "") + ".")
    return Resolved(found, in_config)


def load(file: Path) -> Resolved:
    """Return what init has left; raise SettingsError."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Resolved)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SettingsError(f"The values of the task's Secrets cannot be read ({type(error).__name__}).") from None


def teach(redactor: Redactor, resolved: Resolved, written: bytes, folder: str) -> None:
    """Mask these values, what a connector has put in their places, and those that the kubelet's volume has at present.

    A variable of the source has the value of a moment between init and now.
    """
    now = (_or_empty(path) for path in Path(folder).glob("*/*")) if folder else ()
    changed = references.changes(written) if resolved.in_config else []
    redactor.learn_secrets([*resolved.by_reference.values(), *changed, *filter(None, now)])


def _text(value: bytes) -> str:
    """A Secret that was made with `echo` ends in a line break, which HTTP clients refuse in a header."""
    text = value.decode()
    line = text.removesuffix("\n").removesuffix("\r")
    return text if "\n" in line else line


def _or_empty(path: Path) -> str:
    try:
        return _text(path.read_bytes())
    except (OSError, UnicodeDecodeError):
        return ""
