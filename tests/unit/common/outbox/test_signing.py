"""Signatures as the Standard Webhooks specification has them."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.outbox import signing
from common.webhook_types import signing_keys


def test_the_published_example() -> None:
    """Of the specification's own libraries (standard-webhooks, test `sign function works`)."""
    keys = signing_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', keys)
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3), st.binary(max_size=200))
def test_each_key_signs(keys: list[bytes], body: bytes) -> None:
    """So a receiver may know the old one or the new one while they change."""
    text = ", ".join(base64.b64encode(key).decode() for key in keys)
    signatures = signing.headers("e.1", 7, body, signing_keys(text))["webhook-signature"].split(" ")
    expected = [base64.b64encode(hmac.digest(key, b"e.1.7." + body, hashlib.sha256)).decode() for key in keys]
    assert signatures == [f"v1,{one}" for one in expected]


def test_without_a_key_nothing_is_signed() -> None:
    """The other headers are there: a receiver finds repeats by the id."""
    assert set(signing.headers("e.1", 7, b"", signing_keys(""))) == {"webhook-id", "webhook-timestamp"}


@pytest.mark.parametrize("text", ["hunter2", "whsec_+", "whsec_" + "A" * 28, "A" * 32 + ",", "A" * 200, "ä" * 32])
def test_a_text_that_is_not_a_key_is_not_repeated(text: str) -> None:
    """Too short, too long, or not base64."""
    with pytest.raises(ValueError, match=r"24 to 64 bytes.*whsec_") as caught:
        signing_keys(text)
    assert text not in str(caught.value)
