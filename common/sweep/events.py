"""Read CloudEvents about pods: an event names the pod to sweep, and none of its other content is trusted.

Attributes come as `ce-` headers (binary mode) or as members of the body (structured mode). The pod is named by
ApiServerSource's extensions `name` and `namespace`, or by the subject.
https://github.com/cloudevents/spec/tree/v1.0.2
"""

import codecs
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import msgspec

from common import nesting
from common.errors import BadRequest
from common.settings import Settings
from common.store.sweeps import SweepStats
from common.sweep.calls import calls
from common.sweep.sweep import sweep_pod

if TYPE_CHECKING:
    from common.sweep import answers

MAX_BYTES = 64 * 1024
"""Of a structured event: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#size-limits"""

_STRUCTURED, _BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_SUBJECT = re.compile(r"/?(?:apis|api)/v1/namespaces/(?P<namespace>[^/]+)/pods/(?P<name>[^/]+)")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "kind", "namespace", "name")
_NO_EVENT = (
    "The body is not a CloudEvent. Send one in binary mode (ce-specversion, ce-id, ce-source and ce-type as headers) "
    f"or in structured mode (Content-Type: {_STRUCTURED}); to sweep everything, send no body."
)


_Attributes = msgspec.defstruct("_Attributes", [(name, Any, None) for name in _ATTRIBUTES])
"""Of a structured event: all other members, `data` above all, are skipped without being decoded."""


def sweep_on_request(headers: Mapping[str, str], body: bytes, settings: Settings) -> "answers.Swept":
    """Sweep everything on the CronJob's plain POST, one pod on an event; return the answer."""
    pod = parse(headers, body, settings.kubernetes_namespace)
    if pod is None:
        return cast("answers.SweptAll", {"ok": True, "status": "ok", **msgspec.to_builtins(calls.sweep(settings))})
    stats = _pod_sweeps.run(settings, pod) if pod else None
    if stats and stats.active:
        calls.go_on(settings)
    seen = msgspec.to_builtins(stats or SweepStats())
    return cast("answers.SweptPod", {"ok": True, "status": "ok", "pod": pod, **seen})


def is_event(headers: Mapping[str, str]) -> bool:
    """Return whether a request is meant as a CloudEvent, by its headers (names in lower case)."""
    return _content_type(headers) in {_STRUCTURED, _BATCH} or any(name.startswith("ce-") for name in headers)


def has_body(headers: Mapping[str, str]) -> bool:
    """Return whether the body matters: in binary mode it is the event's data, which nobody reads."""
    return not is_event(headers) or _content_type(headers) in {_STRUCTURED, _BATCH}


def _content_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(headers: Mapping[str, str], body: bytes, namespace: str) -> str | None:
    """Return the name of an event's pod, "" if it names none of this namespace; None if the request is not an event.

    The names of `headers` are in lower case. Raise BadRequest for a batch, an incomplete event, or one in an ordinary
    body.
    """
    if not is_event(headers):
        if body.strip() not in {b"", b"{}"}:
            raise BadRequest(_NO_EVENT)
        return None
    event = _read(headers, body)
    found = _SUBJECT.fullmatch(event.get("subject", ""))
    place, name = (found["namespace"], found["name"]) if found else (event.get("namespace"), event.get("name", ""))
    return name if event.get("kind", "Pod") == "Pod" and place == namespace and _NAME.fullmatch(name) else ""


def _read(headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
    """Return an event's attributes as `cloudevents` reads them, from headers in both modes.

    Given a body, it would decode `data` and repeat the body in its errors.
    """
    kind = _content_type(headers)
    if kind == _BATCH:
        raise BadRequest("Batches of events are not accepted; send each CloudEvent by itself.")
    given = _members(body) if kind == _STRUCTURED else {n: unquote(headers.get(f"ce-{n}", "")) for n in _ATTRIBUTES}
    if missing := [name for name in _ATTRIBUTES[:4] if not given[name]]:
        raise BadRequest(f"Not a CloudEvent: the attributes {', '.join(missing)} are missing.")
    if str(given["specversion"]) != "1.0":
        raise BadRequest("specversion: expected 1.0.")
    from cloudevents.http import from_http

    return from_http({f"ce-{name}": str(value) for name, value in given.items() if value}, b"").get_attributes()


def _members(body: bytes) -> dict[str, Any]:
    try:
        nesting.check(body)
        return msgspec.structs.asdict(msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8), type=_Attributes))
    except (ValueError, RecursionError):
        raise BadRequest(f"The body is not a JSON object, as {_STRUCTURED} requires.") from None


class _PodSweeps:
    """Sweep each pod once at a time: any number of events during a sweep cause one more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._again: dict[str, bool] = {}

    def run(self, settings: Settings, pod: str) -> SweepStats | None:
        """Return the last sweep's result; None if another request is sweeping the pod, and will sweep it once more."""
        with self._lock:
            if pod in self._again:
                self._again[pod] = True
                return None
            self._again[pod] = False
        try:
            while True:
                stats = sweep_pod(settings, pod)
                with self._lock:
                    if not self._again[pod]:
                        del self._again[pod]
                        return stats
                    self._again[pod] = False
        except BaseException:
            with self._lock:
                self._again.pop(pod, None)
            raise


_pod_sweeps = _PodSweeps()
