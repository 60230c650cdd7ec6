"""Bearer tokens, plain and salted."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import auth
from common.errors import Unauthorized
from common.settings import Settings


def _settings(**values: str) -> Settings:
    return Settings.model_validate(values)


def _digest(token: str, salt: str, secret: str) -> bytes:
    return hashlib.sha512((token + salt + secret).encode()).digest()


def _hashed(token: str, salt: str = "salt", secret: str = auth.DEFAULT_SECRET) -> str:
    return f"{salt}.{_digest(token, salt, secret).hex()}"


def _as_wsgi(header: str) -> str:
    return header.encode().decode("latin-1")


def test_without_tokens_everyone_may_call():
    """No configured token means an open installation, with and without a header."""
    auth.authenticate(None, _settings())
    auth.authenticate("Bearer anything", _settings())


@pytest.mark.parametrize("field", ["auth_tokens", "raw_auth_tokens"])
@pytest.mark.parametrize("header", ["Bearer two", "bearer two", "BEARER  two", "two", " Bearer two "])
def test_plain_tokens_work_in_both_settings(field: str, header: str):
    """Each of several plain tokens opens, with or without the scheme, in any case."""
    auth.authenticate(header, _settings(**{field: "one, two"}))


@pytest.mark.parametrize("token", ["my bearer token", "bearer-token", "tokenbearer", "the bearer"])
def test_the_word_within_a_token_is_a_part_of_it(token: str):
    """With the scheme or without; nothing but the scheme in front is left out."""
    for header in (f"Bearer {token}", token):
        auth.authenticate(header, _settings(auth_tokens=token))
    with pytest.raises(Unauthorized):
        auth.authenticate("one bearer two", _settings(auth_tokens="one two,onetwo,one "))


@pytest.mark.parametrize("header", [None, "", "  ", "Bearer", "Bearer ", "bearer"])
def test_a_missing_token_is_refused_in_the_original_s_words(header: str | None):
    """The sentence callers already know."""
    with pytest.raises(Unauthorized, match=r"^Authorization header with Bearer token is required$"):
        auth.authenticate(header, _settings(auth_tokens="one"))


@pytest.mark.parametrize("token", ["wrong", "on", "one1", "ONE", "one,two", "Basic one", "é", "one\0"])
def test_a_wrong_token_is_refused_and_not_repeated(token: str):
    """Nothing of what was sent is in the answer: it is the same for all."""
    with pytest.raises(Unauthorized, match=r"^The token is not one of those that this installation accepts; "):
        auth.authenticate(_as_wsgi(f"Bearer {token}"), _settings(auth_tokens="one"))


def test_salted_tokens_open_with_the_default_secret():
    """salt.hash is the hex SHA-512 of token, salt and the default secret; the hash itself opens nothing."""
    settings = _settings(auth_tokens=f"other,{_hashed('one')}")
    auth.authenticate("Bearer one", settings)
    for wrong in ("two", _hashed("one"), _hashed("one").split(".")[1]):
        with pytest.raises(Unauthorized):
            auth.authenticate(f"Bearer {wrong}", settings)


def test_each_of_several_secrets_counts_and_replaces_the_default():
    """TOKEN_SECRET is a comma-separated list, so that secrets can be rotated."""
    for secret in ("new", "old"):
        auth.authenticate("Bearer one", _settings(auth_tokens=_hashed("one", secret=secret), token_secret="new, old"))
    with pytest.raises(Unauthorized):
        auth.authenticate("Bearer one", _settings(auth_tokens=_hashed("one"), token_secret="new"))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_base64_hash_has_no_default_secret(encode):
    """The unpadded base64 form is made with the configured secret, or with none."""
    plain = encode(_digest("one", "salt", "")).decode().rstrip("=")
    auth.authenticate("Bearer one", _settings(auth_tokens=f"salt.{plain}"))
    secret = encode(_digest("one", "salt", "s")).decode().rstrip("=")
    auth.authenticate("Bearer one", _settings(auth_tokens=f"salt.{secret}", token_secret="s"))
    default = encode(_digest("one", "salt", auth.DEFAULT_SECRET)).decode().rstrip("=")
    with pytest.raises(Unauthorized):
        auth.authenticate("Bearer one", _settings(auth_tokens=f"salt.{default}"))


def test_a_plain_token_with_a_dot_is_a_raw_one():
    """In the other list a dot means a hash, which a test of the settings' refuses if it is cut."""
    auth.authenticate("Bearer a.b.c", _settings(raw_auth_tokens="a.b.c"))


@pytest.mark.parametrize("token", ["schlüssel", "à", "ключ", "🔑"])
def test_tokens_beyond_ascii_work(token: str):
    """A header's bytes are compared as UTF-8, also where the last one looks like white space."""
    auth.authenticate(_as_wsgi(f"Bearer {token}"), _settings(auth_tokens=token))


@given(st.one_of(st.none(), st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_no_header_does_anything_but_open_or_refuse(header: str | None):
    """Whatever arrives, the answer is a clean refusal."""
    with pytest.raises(Unauthorized):
        auth.authenticate(header, _settings(auth_tokens=f"{'x' * 40},{_hashed('y' * 40)}"))
