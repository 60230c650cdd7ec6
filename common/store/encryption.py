"""Encrypt what is kept in Postgres and holds secrets of users: Fernet, by the keys of SYNCCTL_ENCRYPTION_KEY.

Kept is `fernet:ID:TOKEN`, where ID tells the key, so that a statement finds what an older key has encrypted. A text
without that beginning is in the clear, from before there was a key. The only importer of cryptography, and only where a
key is set.
"""

import base64
import hashlib

from common.errors import SettingsError

_MARK = "fernet:"
_ID_LENGTH = 8
PREFIX_LENGTH = len(_MARK) + _ID_LENGTH + 1


class KeyMissing(SettingsError):
    """What is kept was encrypted with a key that is not among those of the setting."""


class Keys:
    """The keys of a setting, separated by commas: the first one encrypts, all decrypt; without any it stays plain."""

    def __init__(self, text: str = "") -> None:
        keys = (key.strip() for key in text.split(","))
        self._keys = {_id(key): key for key in keys if key}

    def __bool__(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    @property
    def first(self) -> str:
        """The key that encrypts; "" without one."""
        return next(iter(self._keys.values()), "")

    @property
    def current(self) -> str:
        """How what the first key has encrypted begins; raise StopIteration without a key."""
        return f"{_MARK}{next(iter(self._keys))}:"

    @property
    def older(self) -> list[str]:
        """How what the other keys have encrypted begins."""
        return [f"{_MARK}{name}:" for name in list(self._keys)[1:]]

    def encrypt(self, document: bytes) -> str:
        """Return a document as it is kept: without a key as it is, which has to be text."""
        if not self._keys:
            return document.decode()
        from cryptography.fernet import Fernet

        name, key = next(iter(self._keys.items()))
        return f"{_MARK}{name}:{Fernet(key).encrypt(document).decode()}"

    def decrypt(self, kept: str) -> bytes:
        """Return a document that `encrypt` was given; raise KeyMissing."""
        if not kept.startswith(_MARK):
            return kept.encode()
        from cryptography.fernet import Fernet, InvalidToken

        _, name, token = kept.split(":", 2)
        try:
            return Fernet(self._keys[name]).decrypt(token)
        except (KeyError, InvalidToken) as error:
            raise KeyMissing(
                f"SYNCCTL_ENCRYPTION_KEY: has no key {name}, which a configuration that a connector has changed was "
                "encrypted with; add that key behind the first one. If it is lost, docs/how-to/operate.md says what to "
                "do."
            ) from error


NONE = Keys()
"""Nothing is encrypted."""


def most_kept(size: int) -> int:
    """Return how long a kept document of so many bytes may be."""
    return size * 4 // 3 + 200


def _standard(key: str) -> str:
    return key.replace("-", "+").replace("_", "/")


def _id(key: str) -> str:
    return hashlib.sha256(base64.b64decode(_standard(key))).hexdigest()[:_ID_LENGTH]
