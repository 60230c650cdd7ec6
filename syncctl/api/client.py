"""The HTTP side: the only module that knows httpx, and where its errors become sentences.

What is safe to repeat is repeated: a GET of tasks always; a start when nothing was started (no connection, 503,
429) and, for a read, in every case: the same taskId with the same request answers as the first time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Raw

from common.images import Image
from syncctl.api import models
from syncctl.api.errors import DeploymentError, NoSuchTask, RequestRefused, Unreachable
from syncctl.settings import is_local, without_password

SHORT_RETRIES = (0.2, 0.6)
"""Seconds between attempts when somebody waits for a first answer."""
LONG_RETRIES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between attempts while following: a deployment that is being replaced comes back."""
LONGEST_PAUSE_SECONDS = 30.0
REPORTED_PAUSE_SECONDS = 1.0
# An endpoint that scaled to zero starts first; a connector's pod does not hold the answer up.
TIMEOUT = httpx.Timeout(60, connect=10)
MAX_EXCERPT = 200

T = TypeVar("T")
_NOTHING_STARTED = frozenset({429, 503})
_UNKNOWN_OUTCOME = frozenset({502, 504})
_NO_SUCH_TASK = 404
_HINTS = {
    401: "Pass the deployment's token with --token or SYNCCTL_TOKEN; `syncctl serve` prints the embedded edition's.",
    403: "Pass the deployment's token with --token or SYNCCTL_TOKEN, or ask who runs the gateway in between.",
}


class Deployment:
    """A running set of functions, wherever it is.

    `report` gets a sentence whenever an attempt is repeated. Every method raises Unreachable or RequestRefused.
    """

    def __init__(self, url: str, token: str = "", report: Callable[[str], None] = lambda _: None) -> None:
        self.url = without_password(url).rstrip("/")
        self._report = report
        self._check_host(url)
        # Without TLS there is no certificate to check, and loading the authorities costs a tenth of a second;
        # a proxy for the outside world cannot reach this machine.
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers=_headers(token),
            timeout=TIMEOUT,
            verify=url.startswith("https:"),
            trust_env=not is_local(url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def spec(self, image: Image) -> models.Started:
        """Starts a spec."""
        return self._start("GET", "/spec", _named(image))

    def check(self, image: Image, storage_key: str, config: Raw) -> models.Started:
        """Starts a check of a configuration; `storage_key` names its row."""
        return self._start("POST", "/check", _named(image, storageKey=storage_key), {"config": config})

    def discover(self, image: Image, storage_key: str, config: Raw) -> models.Started:
        """Starts a discovery of streams; `storage_key` names its row."""
        return self._start("POST", "/discover", _named(image, storageKey=storage_key), {"config": config})

    def read(self, image: Image, query: Mapping[str, str], body: Mapping[str, Raw]) -> models.Started:
        """Starts a read; `query` as contract A names it (syncId, taskId, ...), `body` config, catalog, state."""
        return self._start("POST", "/read", _named(image, **query), body, repeat=True)

    def tasks(self, query: Mapping[str, str]) -> models.TaskPage:
        """The newest tasks that match `query` (syncId, status, command, limit, cursor)."""
        return self._decode(self._ask("GET", "/tasks", query, repeat=True), models.TaskPage)

    def task(self, task_id: str, log_lines: int | None = None, pauses: Sequence[float] = SHORT_RETRIES) -> models.Task:
        """One task with its result and its last log lines."""
        query = {} if log_lines is None else {"logs": str(log_lines)}
        try:
            answer = self._ask("GET", f"/tasks/{quote(task_id, safe='')}", query, repeat=True, pauses=pauses)
            found = self._decode(answer, models.TaskAnswer).task
        except RequestRefused as refused:
            if refused.code != _NO_SUCH_TASK:
                raise
            raise NoSuchTask(f"There is no task {task_id} at {self.url}; `syncctl tasks` lists them.") from refused
        return self.decode(found)

    def cancel(self, task: models.Task) -> str:
        """Asks for the task's end; one that has ended stays as it is. Returns what there is to know of it."""
        query = {"package": task.package, "syncId": task.sync_id, "taskId": task.task_id}
        return self._decode(self._ask("GET", "/cancel", query, repeat=True), models.Cancelled).note

    def decode(self, raw: Raw) -> models.Task:
        """One task of a page."""
        try:
            return models.decode_task(raw)
        except models.DECODE_ERRORS as exc:
            raise self._strange(exc) from exc

    def _check_host(self, url: str) -> None:
        """Before anything is sent: the libraries below find some impossible names only in the middle of a request."""
        try:
            address = httpx.URL(url)
            address.host.encode("idna")
            address.raw_host.decode("ascii").encode("idna")
        except (httpx.InvalidURL, UnicodeError) as exc:
            raise RequestRefused(f"{self.url} names a host that cannot exist. Look at --url or SYNCCTL_URL.") from exc

    def _start(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None, *, repeat: bool = False
    ) -> models.Started:
        return self._decode(self._ask(method, path, query, body, repeat=repeat), models.Started)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        *,
        repeat: bool,
        pauses: Sequence[float] = SHORT_RETRIES,
    ) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = self._http.build_request(method, path, params=dict(query), content=content, headers=headers)
        waits = iter(pauses)
        while True:
            try:
                return self._send(request, repeat=repeat)
            except DeploymentError as error:
                wait = next(waits, None)
                if wait is None or not error.repeatable:
                    raise
                wait = max(wait, error.wait_seconds)
                if wait >= REPORTED_PAUSE_SECONDS:
                    self._report(f"{error} Trying again in {wait:.2g} s.")
            time.sleep(wait)

    def _send(self, request: httpx.Request, *, repeat: bool) -> httpx.Response:
        """One attempt; `repeat` says that repeating is safe even if the first may have had an effect."""
        try:
            response = self._http.send(request)
        except httpx.DecodingError as exc:
            # Something in between says that it has packed the answer, and has not.
            raise self._strange(exc) from exc
        except httpx.RequestError as exc:
            raise self._unreachable(exc, repeat=repeat) from exc
        if not response.is_success:
            raise self._refusal(response, repeat=repeat)
        return response

    def _decode(self, response: httpx.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except models.DECODE_ERRORS as exc:
            raise self._strange(exc) from exc

    def _strange(self, exc: Exception) -> RequestRefused:
        return RequestRefused(
            f"{self.url} answers, but not as sync-functions do ({exc}). Check that --url (SYNCCTL_URL) names the "
            "deployment's own address."
        )

    def _refusal(self, response: httpx.Response, *, repeat: bool) -> RequestRefused:
        code = response.status_code
        again = code in _NOTHING_STARTED or (repeat and code in _UNKNOWN_OUTCOME)
        try:
            sentence = msgspec.json.decode(response.content, type=models.Refusal).error
            sentence = f"{sentence} {_HINTS.get(code, '')}".strip()
        except models.DECODE_ERRORS:
            sentence, code = self._foreign(response), 0
        return RequestRefused(sentence, repeatable=again, wait_seconds=_retry_after(response), code=code)

    def _foreign(self, response: httpx.Response) -> str:
        """An answer that none of our functions gave: a gateway's, or somebody else's server."""
        if response.is_redirect:
            target = response.headers.get("Location", "elsewhere")
            return f"{self.url} redirects to {target}. If you trust that address, pass it as --url."
        # Not `response.text`: the charset that it names may be none of a text.
        text = " ".join(response.content.decode(errors="replace").split())[:MAX_EXCERPT] or "an empty body"
        hint = _HINTS.get(
            response.status_code, "Check --url (SYNCCTL_URL), and that the deployment's functions are ready."
        )
        return (
            f"What answers at {self.url} is no deployment of sync-functions, or something in front of one. It said: "
            f"{response.status_code} {response.reason_phrase}: {text}. {hint}"
        )

    def _unreachable(self, exc: httpx.RequestError, *, repeat: bool) -> Unreachable:
        if "WRONG_VERSION_NUMBER" in str(exc):
            return Unreachable(f"What answers at {self.url} does not speak TLS; write the address with http://.")
        if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
            return Unreachable(
                f"Nothing answers at {self.url} ({_cause(exc)}). Start the embedded edition with `syncctl serve`, "
                "or name your deployment with --url or SYNCCTL_URL.",
                repeatable=True,
            )
        late = isinstance(exc, httpx.TimeoutException)
        what = f"gave no answer within {TIMEOUT.read:.0f} seconds" if late else f"broke the connection ({_cause(exc)})"
        return Unreachable(
            f"{self.url} {what}. What was asked may have been started: `syncctl tasks` shows it. Repeating a read "
            "with the same --task is safe.",
            repeatable=repeat,
        )


def _headers(token: str) -> dict[str, str]:
    # A token from a file or a Secret often ends in a line break; a header cannot hold one.
    token = token.strip()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise RequestRefused(
            "The token holds characters that no HTTP header can carry. Look at --token or SYNCCTL_TOKEN: it "
            "should be one line of plain ASCII."
        )
    return {"Authorization": f"Bearer {token}"}


def _named(image: Image, **query: str) -> dict[str, str]:
    return {"package": image.package, "version": image.version, **query}


def _retry_after(response: httpx.Response) -> float:
    """Seconds of a Retry-After header; its other form, a date, is rare and counts as none."""
    value = response.headers.get("Retry-After", "")
    return min(float(value), LONGEST_PAUSE_SECONDS) if value.isdecimal() else 0.0


def _cause(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
