"""CloudEvents about pods: what names the pod to look at, and nothing else. An event is a hint, never a fact.

Attributes come as `ce-` headers (binary mode) or as members of the body (structured mode). Which pod: the name and
namespace that ApiServerSource gives as extensions, else the subject. https://github.com/cloudevents/spec/tree/v1.0.2
"""

import json
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from common import nesting
from common.errors import BadRequest
from common.settings import Settings
from common.sweep.apply import SweepStats
from common.sweep.sweep import keep_sweeping, sweep_pod

_REQUIRED = ("specversion", "id", "source", "type")
_STRUCTURED, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_SUBJECT = re.compile(r"/?(?:apis|api)/v1/namespaces/(?P<namespace>[^/]+)/pods/(?P<name>[^/]+)")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_NO_EVENT = (
    "The body is no event that is understood here. Send a CloudEvent in binary mode (ce-specversion, ce-id, ce-source "
    f"and ce-type as headers) or in structured mode (Content-Type: {_STRUCTURED}); to sweep everything, send no body."
)


class Hint(Struct, frozen=True):
    """The pod that an event names; "" where it names none of ours."""

    pod: str = ""


def sweep_as_asked(headers: Mapping[str, str], body: bytes, settings: Settings) -> dict[str, Any]:
    """Answers the CronJob's plain POST with a sweep of everything, and an event with a look at its pod."""
    hint = parse(headers, body, settings.kubernetes_namespace)
    if hint is None:
        return {"ok": True, "status": "ok", **msgspec.to_builtins(keep_sweeping(settings))}
    swept = _looks.look(settings, hint.pod) if hint.pod else SweepStats()
    return {"ok": True, "status": "ok", "pod": hint.pod, **msgspec.to_builtins(swept or SweepStats())}


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether a request is a CloudEvent, or means to be one, by its headers (their names in lower case)."""
    return _content_type(headers) in {_STRUCTURED, _BATCH} or any(name.startswith("ce-") for name in headers)


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(headers: Mapping[str, str], body: bytes, namespace: str) -> Hint | None:
    """The hint of an event, None where the request is none; raises BadRequest for what is only half of one.

    The names of `headers` are in lower case.
    """
    kind = _content_type(headers)
    if kind == _BATCH:
        raise BadRequest("Batches of events are not taken; send each CloudEvent by itself.")
    if kind == _STRUCTURED:
        return _hint(_members(body), namespace)
    attributes = {name[3:].lower(): unquote(value) for name, value in headers.items() if name.lower().startswith("ce-")}
    if attributes:
        return _hint(attributes, namespace)
    if body.strip() not in {b"", b"{}"}:
        raise BadRequest(_NO_EVENT)
    return None


def _members(body: bytes) -> dict[str, Any]:
    try:
        nesting.check(body)
        document = json.loads(body)  # which, unlike msgspec, takes a byte order mark
    except (ValueError, RecursionError):
        raise BadRequest(f"The body is not usable JSON, as {_STRUCTURED} wants it.") from None
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object with a CloudEvent's attributes.")
    return document


def _hint(attributes: Mapping[str, Any], namespace: str) -> Hint:
    if missing := [name for name in _REQUIRED if not attributes.get(name)]:
        raise BadRequest(f"Not a CloudEvent: the attributes {', '.join(missing)} are missing.")
    if str(attributes["specversion"]) != "1.0":
        raise BadRequest("specversion: expected 1.0.")
    found = _SUBJECT.fullmatch(str(attributes.get("subject") or ""))
    named = (found["namespace"], found["name"]) if found else (attributes.get("namespace"), attributes.get("name"))
    if attributes.get("kind", "Pod") != "Pod" or named[0] != namespace or not _NAME.fullmatch(str(named[1] or "")):
        return Hint()
    return Hint(str(named[1]))


class _Looks:
    """One look at a pod at a time: events that come during one make it look once more, however many they are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._again: dict[str, bool] = {}

    def look(self, settings: Settings, pod: str) -> SweepStats | None:
        """What the last look came to; None where another request looks already, and will look again."""
        with self._lock:
            if pod in self._again:
                self._again[pod] = True
                return None
            self._again[pod] = False
        try:
            while True:
                swept = sweep_pod(settings, pod)
                with self._lock:
                    if not self._again[pod]:
                        del self._again[pod]
                        return swept
                    self._again[pod] = False
        except BaseException:
            with self._lock:
                self._again.pop(pod, None)
            raise


_looks = _Looks()
