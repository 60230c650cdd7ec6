"""What is kept encrypted, and which key reads it."""

import base64
import subprocess
import sys

import pytest

from common.store import encryption
from common.store.encryption import KeyMissing, Keys

FIRST, SECOND = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (251, 2))
DOCUMENT = '{"token":"tok-ä"}'.encode()


def test_without_a_key_a_document_is_kept_as_it_is() -> None:
    assert Keys("").encrypt(DOCUMENT) == DOCUMENT.decode()
    assert Keys("").decrypt(DOCUMENT.decode()) == DOCUMENT
    assert not Keys(" , ")


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    """A key is the same in either alphabet of base64."""
    kept = Keys(FIRST).encrypt(DOCUMENT)
    assert "tok" not in kept
    assert Keys(f" {SECOND}, {FIRST.replace('-', '+').replace('_', '/')}").decrypt(kept) == DOCUMENT
    both = Keys(f"{SECOND},{FIRST}")
    assert both.encrypt(DOCUMENT)[: encryption.PREFIX_LENGTH] == Keys(SECOND).encrypt(b"")[: encryption.PREFIX_LENGTH]
    assert both.older == [kept[: encryption.PREFIX_LENGTH]]
    assert both.first == SECOND


def test_what_was_kept_in_the_clear_is_read_with_a_key_too() -> None:
    assert Keys(FIRST).decrypt(DOCUMENT.decode()) == DOCUMENT


@pytest.mark.parametrize("text", ["", SECOND])
def test_another_key_or_none_is_told_by_the_setting(text: str) -> None:
    """The key that is missing has a name, which tells nothing of it."""
    kept = Keys(FIRST).encrypt(DOCUMENT)
    with pytest.raises(KeyMissing, match=r"SYNCCTL_ENCRYPTION_KEY: has no key [0-9a-f]{8},") as caught:
        Keys(text).decrypt(kept)
    assert FIRST not in caught.value.message
    changed = kept[:-3] + ("A" if kept[-3] != "A" else "B") + kept[-2:]
    with pytest.raises(KeyMissing):
        Keys(FIRST).decrypt(changed)


def test_a_long_document_is_no_longer_than_announced() -> None:
    assert len(Keys(FIRST).encrypt(b"x" * 10_000)) <= encryption.most_kept(10_000)
    assert len(Keys(FIRST).encrypt(b"")) <= encryption.most_kept(0)


def test_the_library_is_imported_only_where_a_key_is_set() -> None:
    """It costs a cold start a tenth of a second."""
    code = "import sys; from common.store import states, encryption; encryption.NONE.encrypt(b'{}'); encryption.NONE.decrypt('{}'); sys.exit('cryptography' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
