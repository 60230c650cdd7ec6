"""Signatures of webhooks, as the Standard Webhooks specification has them (version 1, symmetric).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def headers(event_id: str, timestamp: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Return the headers by which a receiver knows a repeat, an old request and a forged one.

    `timestamp`: Unix seconds of this attempt, not of the event. Without keys nothing is signed.
    """
    time = str(timestamp)
    signed = b".".join((event_id.encode(), time.encode(), body))
    signatures = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    found = {"webhook-id": event_id, "webhook-timestamp": time}
    return found | ({"webhook-signature": " ".join(f"v1,{one}" for one in signatures)} if signatures else {})
