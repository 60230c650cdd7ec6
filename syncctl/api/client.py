"""The HTTP client of a deployment: the only importer of httpx, and where its errors become sentences for users.

A GET of tasks is always retried. A start is retried where nothing was started (no connection, 429, 503), and the start
of a read in any case: a read with the same taskId and the same request is answered as the first time.
"""

import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import httpx
import msgspec
from msgspec import Raw

from common import proxies
from common.images import Image
from syncctl.api import models, paths
from syncctl.api.errors import DeploymentError, NoSuchTask, RequestRefused, Unreachable
from syncctl.settings import is_local, without_password

SHORT_RETRIES = (0.2, 0.6)
"""Pauses in seconds while a user waits for a first answer."""
LONG_RETRIES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses in seconds while a task is followed: a deployment that is being replaced comes back."""
LONGEST_PAUSE_SECONDS = 30.0
REPORTED_PAUSE_SECONDS = 1.0
# A function that has scaled to zero starts first; it does not wait for the connector's pod.
TIMEOUT = httpx.Timeout(60, connect=10)
MAX_EXCERPT = 200
_KEPT_ANSWERS = 8
"""Of addresses that are asked again and again: a task, a list, the end of a log."""

T = TypeVar("T")
FUNCTION = "{function}"
"""In a deployment's address, stands for the name of the function: without a gateway each has a host of its own."""
_NOTHING_STARTED = frozenset({429, 503})
_UNKNOWN_OUTCOME = frozenset({502, 504})
_HINTS = {
    401: "Pass the deployment's token with --token or SYNCCTL_TOKEN; `syncctl serve` prints a line that sets it.",
    403: "Pass the deployment's token with --token or SYNCCTL_TOKEN, or ask who runs the gateway in between.",
}


class Deployment:
    """A running set of functions. Methods raise Unreachable or RequestRefused; `report` gets a sentence per retry."""

    def __init__(self, url: str, token: str = "", report: Callable[[str], None] = lambda _: None) -> None:
        self.url = without_password(url).rstrip("/")
        self._address = url.rstrip("/")
        self._report = report
        self._tagged: dict[str, httpx.Response] = {}
        """The last answers that have a tag, by address."""
        if not _can_exist(url.replace(FUNCTION, "tasks")):
            raise RequestRefused(
                f"{self.url} names a host that cannot exist. Check --url or SYNCCTL_URL; in it, only {FUNCTION} stands "
                "for something else."
            )
        # A proxy for the outside world cannot reach this machine.
        self._proxy = None if is_local(url) else proxies.used_for(url)
        if self._proxy and (problem := self._proxy.problem()):
            raise RequestRefused(problem)
        self._http = httpx.Client(
            headers=_headers(token),
            timeout=TIMEOUT,
            # Without TLS there is no certificate to check, and loading the authorities takes a tenth of a second.
            verify=_authorities() if url.startswith("https:") else False,
            proxy=self._proxy.url if self._proxy else None,
            # httpx fails on entries of NO_PROXY that other programs take, such as [::1].
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def spec(self, image: Image) -> models.Started:
        """Start a spec."""
        return self._start("GET", "spec", image, {})

    def check(self, image: Image, config: Raw) -> models.Started:
        """Start a check of a configuration."""
        return self._start("POST", "check", image, _own_row(), {"config": config})

    def discover(self, image: Image, config: Raw) -> models.Started:
        """Start a discovery of streams."""
        return self._start("POST", "discover", image, _own_row(), {"config": config})

    def read(self, image: Image, query: Mapping[str, str], body: Mapping[str, Raw]) -> models.Started:
        """Start a read; `query` as contract A names it (syncId, taskId, ...), `body` config, catalog, state."""
        return self._start("POST", "read", image, query, body, repeat=True)

    def tasks(self, query: Mapping[str, str], pauses: Sequence[float] = SHORT_RETRIES) -> models.TaskPage:
        """Return the newest tasks that match `query` (as contract A names it: syncId, from, cursor ...)."""
        return self.ask(models.TaskPage, "GET", "/tasks", query, repeat=True, pauses=pauses)

    def task(
        self,
        task_id: str,
        log_lines: int | None = None,
        pauses: Sequence[float] = SHORT_RETRIES,
        *,
        since: str = "",
        wait_seconds: int = 0,
    ) -> models.Task:
        """Return a task with its result and its last log lines.

        With `since`, an earlier answer's revision, the deployment may hold the answer until the task has changed.
        """
        query = {} if log_lines is None else {"logs": str(log_lines)}
        query |= {"since": since, "wait": str(wait_seconds)} if since and wait_seconds else {}
        found = self._of_task(models.TaskAnswer, task_id, "", query, pauses)
        return msgspec.structs.replace(self.decode(found.task), revision=found.revision)

    def logs(self, task_id: str, query: Mapping[str, str], pauses: Sequence[float] = SHORT_RETRIES) -> models.LogPage:
        """Return a page of a task's log; `query` as contract A names it (after, before, level, q, since, limit)."""
        return self._of_task(models.LogPage, task_id, "/logs", query, pauses)

    def _of_task(
        self, answer: type[T], task_id: str, below: str, query: Mapping[str, str], pauses: Sequence[float]
    ) -> T:
        path = f"/tasks/{paths.part(task_id)}{below}"
        try:
            return self.ask(answer, "GET", path, query, repeat=True, pauses=pauses)
        except RequestRefused as refused:
            if refused.code != httpx.codes.NOT_FOUND:
                raise
            raise NoSuchTask(f"There is no task {task_id} at {self.url}; `syncctl tasks` lists them.") from refused

    def cancel(self, task: models.Task) -> str:
        """Cancel a task, unless it has ended; return the deployment's note on it."""
        query = {"package": task.package, "syncId": task.sync_id, "taskId": task.task_id}
        return self.ask(models.Cancelled, "GET", "/cancel", query, repeat=True).note

    def decode(self, raw: Raw) -> models.Task:
        """Decode one task of a page."""
        try:
            return models.decode_task(raw)
        except models.DECODE_ERRORS as exc:
            raise self._strange(exc) from exc

    def _start(
        self,
        method: str,
        command: str,
        image: Image,
        query: Mapping[str, str],
        body: Mapping[str, Raw] | None = None,
        *,
        repeat: bool = False,
    ) -> models.Started:
        query = {"package": image.package, "version": image.version, **query}
        return self.ask(models.Started, method, f"/{command}", query, body, repeat=repeat)

    def ask(
        self,
        answer: type[T],
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        *,
        repeat: bool,
        pauses: Sequence[float] = SHORT_RETRIES,
    ) -> T:
        """Send a request until it succeeds; `repeat`: even where an attempt may have had an effect."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        address = self._address.replace(FUNCTION, path.split("/")[1]) + path
        request = self._http.build_request(method, address, params=dict(query), content=content, headers=headers)
        waits = iter(pauses)
        while True:
            try:
                return self._decode(self._send_tagged(request, repeat=repeat), answer)
            except DeploymentError as error:
                wait = next(waits, None)
                if wait is None or not error.repeatable:
                    raise
                wait = max(wait, error.wait_seconds)
                if wait >= REPORTED_PAUSE_SECONDS:
                    self._report(f"{error} Trying again in {wait:.2g} s.")
            time.sleep(wait)

    def _send_tagged(self, request: httpx.Request, *, repeat: bool) -> httpx.Response:
        """Send a request with the tag of the answer that its address had before; return that one if it still holds."""
        address = str(request.url)
        if last := self._tagged.get(address):
            request.headers["If-None-Match"] = last.headers["ETag"]
        response = self._send(request, repeat=repeat)
        if last and response.status_code == httpx.codes.NOT_MODIFIED:
            return last
        if "ETag" in response.headers:
            self._tagged.pop(address, None)
            self._tagged[address] = response
            if len(self._tagged) > _KEPT_ANSWERS:
                del self._tagged[next(iter(self._tagged))]
        return response

    def _send(self, request: httpx.Request, *, repeat: bool) -> httpx.Response:
        try:
            response = self._http.send(request)
        except httpx.DecodingError as exc:  # a Content-Encoding that the body does not have
            raise self._strange(exc) from exc
        except httpx.RequestError as exc:
            raise self._unreachable(exc, repeat=repeat) from exc
        if not response.is_success and response.status_code != httpx.codes.NOT_MODIFIED:
            raise self._refusal(response, repeat=repeat)
        return response

    def _decode(self, response: httpx.Response, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=answer)
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
            answer = msgspec.json.decode(response.content, type=models.Refusal)
            error = answer.error
            sentence = f"{error.removesuffix('.')}. {_HINTS[code]}" if code in _HINTS else error
        except models.DECODE_ERRORS:
            sentence, code, answer = self._foreign(response), 0, None
        # A Retry-After may also be a date, which is rare and ignored.
        after = response.headers.get("Retry-After", "")
        seconds = min(float(after), LONGEST_PAUSE_SECONDS) if after.isdecimal() else 0.0
        return RequestRefused(sentence, repeatable=again, wait_seconds=seconds, code=code, answer=answer)

    def _foreign(self, response: httpx.Response) -> str:
        """Describe an answer that none of the functions gave: a gateway's, or another server's."""
        if response.is_redirect:
            target = response.headers.get("Location", "elsewhere")
            return f"{self.url} redirects to {target}. If you trust that address, pass it as --url."
        # Not `response.text`: its charset may be unknown, or not for text.
        text = " ".join(response.content.decode(errors="replace").split())[:MAX_EXCERPT] or "an empty body"
        hint = _HINTS.get(
            response.status_code, "Check --url (SYNCCTL_URL), and that the deployment's functions are ready."
        )
        return (
            f"{self.url} is not a deployment of sync-functions, or something in front of one answered: "
            f"{response.status_code} {response.reason_phrase}: {text}. {hint}"
        )

    def _unreachable(self, exc: httpx.RequestError, *, repeat: bool) -> Unreachable:
        cause = str(exc) or type(exc).__name__
        if "WRONG_VERSION_NUMBER" in cause:
            return Unreachable(f"The server at {self.url} does not speak TLS; write the address with http://.")
        if self._proxy and isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            return Unreachable(
                f"{self.url} cannot be reached through the proxy that {self._proxy.name} names ({cause}). Correct that "
                "variable, or list the host in NO_PROXY.",
                repeatable=True,
            )
        if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout):
            return Unreachable(
                f"Nothing answers at {self.url} ({cause}). Start the embedded edition with `syncctl serve`, or name "
                "your deployment with --url or SYNCCTL_URL.",
                repeatable=True,
            )
        late = isinstance(exc, httpx.TimeoutException)
        what = f"gave no answer within {TIMEOUT.read:.0f} seconds" if late else f"broke the connection ({cause})"
        return Unreachable(
            f"{self.url} {what}. The request may have started a task: `syncctl tasks` shows it. Repeating a read with "
            "the same --task is safe.",
            repeatable=repeat,
        )


def _can_exist(url: str) -> bool:
    """Tell whether a host can have that name; httpx and its libraries would fail in the middle of a request."""
    try:
        address = httpx.URL(url)
        address.host.encode("idna")
        address.raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        return False
    return "{" not in address.host


def _authorities() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context(trust_env=True)
    except OSError as exc:
        raise RequestRefused(
            f"SSL_CERT_FILE or SSL_CERT_DIR names certificates that cannot be read ({exc.strerror or exc}). Correct or "
            "unset it."
        ) from exc


def _headers(token: str) -> dict[str, str]:
    token = token.strip()  # one from a file or a Secret often ends in a line break
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise RequestRefused(
            "The token holds characters that no HTTP header can carry. Check --token or SYNCCTL_TOKEN: it should be "
            "one line of plain ASCII."
        )
    return {"Authorization": f"Bearer {token}"}


def _own_row() -> dict[str, str]:
    """Return a storageKey for the row of one check or discovery, which no other caller's answer can overwrite."""
    return {"storageKey": f"syncctl-{uuid.uuid4().hex}"}
