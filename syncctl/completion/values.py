"""Values that a shell offers behind an option: what the deployment knows, within a moment, or nothing.

Typer calls these with what stands on the line so far; whatever goes wrong there is nobody to tell.
"""

import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
import typer
from msgspec import Raw

from common.errors import SyncError
from common.protocol.states import GLOBAL_STATE_KEY, GlobalState
from syncctl import settings
from syncctl.api.client import Deployment
from syncctl.api.models import Task
from syncctl.api.states import SyncStates
from syncctl.api.syncs import DeclaredSyncs
from syncctl.catalogs import DiscoveredStream

SECONDS = 10.0
"""How long a person waits for a list."""
TASKS = 50
Value = tuple[str, str]
"""A value, and what explains it."""
Complete = Callable[[typer.Context, str], list[Value]]


def _offered(find: Callable[[Deployment, dict[str, Any]], Iterator[Value]]) -> Complete:
    """Make a completion out of a function that yields values, newest first: each once, if the word fits."""

    @wraps(find)
    def complete(ctx: typer.Context, incomplete: str) -> list[Value]:
        found: dict[str, str] = {}
        # A late answer is cut off: what was found until then is offered.
        with suppress(Exception, KeyboardInterrupt), _within(SECONDS), _deployment(ctx.params) as deployment:
            for value, text in find(deployment, ctx.params):
                if value.startswith(incomplete):
                    found.setdefault(value, text)
        return list(found.items())

    vars(complete).pop("__wrapped__")  # typer would take its parameters
    complete.__annotations__ = {"ctx": typer.Context, "incomplete": str}
    return complete


@_offered
def tasks(deployment: Deployment, _: dict[str, Any]) -> Iterator[Value]:
    """Yield the newest tasks."""
    for task in _tasks(deployment):
        yield task.task_id, f"{task.command} {task.image} {task.state}"


@_offered
def syncs(deployment: Deployment, _: dict[str, Any]) -> Iterator[Value]:
    """Yield the declared syncs."""
    for document in DeclaredSyncs(deployment).list_all():
        yield document["metadata"]["name"], str(document.get("status", {}).get("state", ""))


@_offered
def sync_ids(deployment: Deployment, _: dict[str, Any]) -> Iterator[Value]:
    """Yield the ids of syncs that have read something lately."""
    for task in _tasks(deployment, command="read"):
        yield task.sync_id, task.image


@_offered
def images(deployment: Deployment, _: dict[str, Any]) -> Iterator[Value]:
    """Yield the connectors of the newest tasks, and after those the published ones, whose version is left to type."""
    with suppress(SyncError, TimeoutError):  # the published ones are known without a deployment
        for task in _tasks(deployment):
            yield task.image, ""
    try:
        from embedded.connectors import published
    except ModuleNotFoundError:
        return
    for name in sorted(published.known()):
        yield f"airbyte/{name}:", ""


@_offered
def streams(deployment: Deployment, given: dict[str, Any]) -> Iterator[Value]:
    """Yield the streams of --catalog, else of the connector's newest discovery."""
    if catalog := given.get("catalog"):
        yield from _of_catalog(Path(catalog).read_bytes())
        return
    # An option that still lacks its value hides the arguments from `given`.
    words = settings.completed_words()
    if "run" in words:
        yield from _of_sync(deployment, words)
        return
    for task in _tasks(deployment, command="discover", status="SUCCESS"):
        if task.image in words:
            yield from _of_catalog(deployment.task(task.task_id).result)
            return


@_offered
def streams_with_state(deployment: Deployment, given: dict[str, Any]) -> Iterator[Value]:
    """Yield the streams of the sync `name` whose states are saved, and the states of all streams."""
    found = SyncStates(deployment, given["name"]).get()
    for key, state in found.states.items():
        yield key, f"saved {found.saved_at.get(key, '')}"
        if key == GLOBAL_STATE_KEY:
            for part in msgspec.json.decode(state, type=GlobalState).stream_states or ():
                yield part.stream_descriptor.key, "its part"


def _of_sync(deployment: Deployment, words: Collection[str]) -> Iterator[Value]:
    """Yield the streams of the declared sync that the line names: those that it selects, or has read."""
    found = [one["metadata"]["name"] for one in DeclaredSyncs(deployment).list_all()]
    for name in (one for one in found if one in words):
        view = DeclaredSyncs(deployment).view(name)
        for stream in view.sync.get("spec", {}).get("streams") or ():
            yield ".".join(filter(None, [stream.get("namespace"), stream["name"]])), ""
        yield from ((one.stream, one.status) for one in view.streams)


def _of_catalog(data: bytes) -> Iterator[Value]:
    for raw in msgspec.json.decode(data, type=dict[str, list[Raw]])["streams"]:
        entry = msgspec.json.decode(raw, type=dict[str, Any])
        one = msgspec.convert(entry.get("stream", entry), DiscoveredStream)
        yield one.key, ", ".join(one.supported_sync_modes or [])


def _tasks(deployment: Deployment, **query: str) -> Iterator[Task]:
    for raw in deployment.tasks(query | {"limit": str(TASKS)}).tasks:
        yield deployment.decode(raw)


@contextmanager
def _deployment(given: dict[str, Any]) -> Iterator[Deployment]:
    """Yield the deployment that the options on the line name, in syncctl or in the plugin."""
    if "kubeconfig" in given:
        from syncctl.kn.target import target

        names = ("kubeconfig", "context", "namespace", "url", "token")
        found = target(**{name: given.get(name) or "" for name in names})
        url, token = found.url, found.token
    else:
        from syncctl.commands.options import DEFAULT_URL  # which imports this module

        url, token = given.get("url") or DEFAULT_URL, given.get("token") or ""
    with Deployment(url, token or settings.saved_token(url)) as deployment:
        yield deployment


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds; a shell's completion is a process of its own."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
