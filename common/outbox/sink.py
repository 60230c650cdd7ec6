"""The sink of CloudEvents: K_SINK, a broker or whatever a SinkBinding names, by HTTP in binary mode.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://knative.dev/docs/eventing/custom-event-source/sinkbinding/
"""

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec
from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from common.outbox import post
from common.outbox.event import Event

_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What the binding leaves as it is in a header's value (3.1.3.2)."""


class Sink:
    """Takes all events."""

    name = "sink"

    def __init__(self, url: str, extensions: Mapping[str, str], ca_certs: str = "") -> None:
        self._url = urlsplit(url)
        self._extensions = dict(extensions)
        self._ca_certs = ca_certs

    def wants(self, _event: Event) -> bool:
        """Return True."""
        return True

    def send(self, event: Event) -> None:
        """POST it; raise DeliveryFailed."""
        headers, body = message(event, self._extensions)
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        post.post(self._connection(), path, headers, body)

    def _connection(self) -> http.client.HTTPConnection:
        host, tls = self._url.hostname or "", self._url.scheme == "https"
        # Without a port, http.client takes the end of an IPv6 address for one.
        port = self._url.port or (http.client.HTTPS_PORT if tls else http.client.HTTP_PORT)
        if tls:
            return http.client.HTTPSConnection(host, port, timeout=post.SECONDS, context=self._context())
        return http.client.HTTPConnection(host, port, timeout=post.SECONDS)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca_certs:
            context.load_verify_locations(cadata=self._ca_certs)
        return context


def message(event: Event, extensions: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    """Return an event as headers and body in binary mode; `extensions` are added, and win over its own."""
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "type": str(event.type),
        "source": event.source,
        "subject": event.subject,
        "time": event.at.isoformat(),
        "datacontenttype": "application/json",
        **event.extensions,
        **extensions,
    }
    made = CloudEvent({name: quote(value, safe=_PRINTABLE) for name, value in attributes.items()}, event.data)
    return to_binary(made, data_marshaller=msgspec.json.encode)
