"""Webhooks as targets of the outbox: the deployment's, and those of declared syncs (`spec.notify`)."""

import threading
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from msgspec import Struct

from common import VERSION
from common.cluster import Cluster
from common.errors import SyncError, SyncsNotInstalled
from common.notify import MOST, Ending, Form
from common.outbox import connection, message, post, signing
from common.outbox.event import Event
from common.outbox.target import DeliveryFailed, Target
from common.settings import Settings
from common.webhook_types import is_webhook_url, signing_keys

if TYPE_CHECKING:
    from common.syncs.model import Notify, SecretValue

_HEADERS = {"Content-Type": "application/json", "User-Agent": f"sync-functions/{VERSION}"}


class Webhook(Struct, frozen=True):
    """What is called, and how; `name` is for errors, and holds nothing of the URL."""

    name: str
    url: str
    secret: str
    form: Form

    def call(self, event: Event, allowed_hosts: Collection[str], began: float | None = None) -> None:
        """POST an event; raise DeliveryFailed, which names the webhook, and of its URL the host alone.

        `began`: when it was begun to find out what is called (time.monotonic), which is a part of the time for it.
        """
        began = time.monotonic() if began is None else began
        if not is_webhook_url(self.url):
            raise DeliveryFailed(f"{self.name} is not a URL such as https://host/path")
        try:
            keys = signing_keys(self.secret)
        except ValueError as error:
            raise DeliveryFailed(f"the key that signs calls of {self.name}: {error}") from None
        body = message.body(event, self.form)
        try:
            self._post(body, signing.headers(_id(event), int(time.time()), body, keys), allowed_hosts, began)
        except DeliveryFailed as error:
            host = urlsplit(self.url).hostname
            raise DeliveryFailed(f"{host} ({self.name}): {error}", retryable=error.retryable) from None

    def _post(self, body: bytes, signed: Mapping[str, str], allowed_hosts: Collection[str], began: float) -> None:
        parts = urlsplit(self.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {**_HEADERS, **connection.login("Authorization", parts), **signed}
        opened = connection.to(self.url, allowed_hosts)
        try:
            post.post(opened, path, headers, body, began=began)
        except DeliveryFailed as error:
            advice = "" if error.retryable else f"; it may take another form than {self.form}: {', '.join(Form)}"
            raise DeliveryFailed(f"{error}{advice}", retryable=error.retryable) from None


def _id(event: Event) -> str:
    """Return an event's id as the specification has it: ASCII without a full stop, which parts what is signed."""
    return quote(event.id).replace(".", "%2E")


class DeploymentWebhook:
    """SYNCCTL_WEBHOOK_URL."""

    name = "webhook"

    def __init__(self, settings: Settings, url: str) -> None:
        self._webhook = Webhook(
            "SYNCCTL_WEBHOOK_URL", url, settings.webhook_secret.get_secret_value(), settings.webhook_form
        )
        self._when = {Ending(part) for part in _parts(settings.webhook_when)}
        self._allowed_hosts = _parts(settings.webhook_allowed_hosts.lower())

    def wants(self, event: Event) -> bool:
        """Return whether it is one of SYNCCTL_WEBHOOK_WHEN."""
        return bool(message.endings(event) & self._when)

    def send(self, event: Event) -> None:
        """Call it; raise DeliveryFailed."""
        self._webhook.call(event, self._allowed_hosts)


class DeclaredWebhooks:
    """The webhooks of all declared syncs, looked up once something is to be sent: most sweeps do not ask."""

    def __init__(self, settings: Settings, where: Cluster) -> None:
        self._settings, self._where = settings, where
        self._lock = threading.Lock()
        self._found: Mapping[str, list[Notify]] | None = None
        self.allowed_hosts = _parts(settings.webhook_allowed_hosts.lower())

    def of(self, sync_id: str) -> "list[Notify]":
        """Return a sync's; raise SyncError if that is not known now."""
        with self._lock:  # several threads send
            if self._found is None:
                self._found = self._look()
        return self._found.get(sync_id, [])

    def resolve(self, notify: "Notify") -> Webhook:
        """Return what is called, with the values of its Secrets as they are now; raise SyncError."""
        webhook = notify.webhook
        name, url = self._value(webhook.url)
        secret = self._value(webhook.secret)[1] if webhook.secret else ""
        return Webhook(name, url, secret, webhook.form or Form.EVENT)

    def _look(self) -> "Mapping[str, list[Notify]]":
        # Not for each sweep: they take long to import, and the sweep after an event needs neither.
        from common.runs import look
        from common.runs.declared import Declared

        try:
            documents = {str(one["metadata"]["name"]): one for one in self._where.list_syncs()}
        except SyncsNotInstalled:
            return {}
        syncs = look.read(documents, self._settings).values()
        return {one.sync_id: one.spec.notify for one in syncs if isinstance(one, Declared) and one.spec.notify}

    def _value(self, value: "SecretValue") -> tuple[str, str]:
        """Return the name of a key of a Secret, and what it holds."""
        ref = value.value_from.secret_key_ref
        held = (self._where.read_secret(ref.name) or {}).get(ref.key)
        if held is None:
            raise DeliveryFailed(f"the Secret {ref.name} does not exist, or has no key {ref.key}")
        return f"key {ref.key} of the Secret {ref.name}", held.decode("utf-8", "replace").strip()


class SyncWebhook:
    """The webhook at one place of each sync's `notify`; a target each, so that one that fails repeats no other."""

    def __init__(self, place: int, webhooks: DeclaredWebhooks) -> None:
        self.name = f"sync-webhook-{place + 1}"
        self._place, self._webhooks = place, webhooks

    def wants(self, event: Event) -> bool:
        """Return whether it is called for the event, also if that is not known now: `send` asks once more."""
        try:
            return self._notify(event) is not None
        except SyncError:
            return True

    def send(self, event: Event) -> None:
        """Call it as the sync's document is now; raise DeliveryFailed."""
        began = time.monotonic()
        try:
            notify = self._notify(event)
            webhook = notify and self._webhooks.resolve(notify)
        except SyncError as error:
            raise DeliveryFailed(error.message) from None
        if webhook:
            webhook.call(event, self._webhooks.allowed_hosts, began)

    def _notify(self, event: Event) -> "Notify | None":
        endings = message.endings(event)
        found = self._webhooks.of(event.sync_id)[self._place :] if endings else []
        return found[0] if found and endings & set(found[0].when) else None


def targets(settings: Settings, where: Cluster) -> list[Target]:
    """Return the deployment's webhook, if it has one, and those of declared syncs, whether or not any sync has one."""
    url, webhooks = settings.webhook_url, DeclaredWebhooks(settings, where)
    found: list[Target] = [] if url is None else [DeploymentWebhook(settings, url.get_secret_value())]
    return [*found, *(SyncWebhook(place, webhooks) for place in range(MOST))]


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
