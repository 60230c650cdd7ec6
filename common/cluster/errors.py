"""Translates the refusals of the Kubernetes API, and the errors of its library, into our own errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import msgspec
from msgspec import Struct

from common.cluster import quotas
from common.errors import ClusterUnavailable, Conflict, QuotaExceeded, Refused, SyncError, TimedOut, TooLarge

_NO_RESOURCE = "the server could not find the requested resource"
SETTING = "SYNCCTL_KUBERNETES_CLIENT_CONFIG"


class OutcomeUnknown(ClusterUnavailable):
    """The request may have been carried out."""


class Contended(ClusterUnavailable):
    """The server asks to repeat the request: another one changed the same object, such as a quota's count."""


class KindUnknown(ClusterUnavailable):
    """The API server has no such path: a CRD is not installed."""


class _Refusal(Struct):
    """A `Status` object, the API's answer to a failed request."""

    message: str = ""
    reason: str = ""
    kind: str = ""


def of_answer(status: int, body: bytes, doing: str) -> SyncError:
    """Return the error for an unsuccessful answer."""
    if status == HTTPStatus.NOT_FOUND and _lacks_path(body):
        return KindUnknown(f"Kubernetes does not know what was asked for while {doing}.")
    found = _decoded(body)
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "no reason given"
    text = first_line(found.message or phrase)
    match status:
        case 401:
            return ClusterUnavailable(
                f"Kubernetes does not accept our credentials while {doing}; check {SETTING}, or the function's "
                "service account."
            )
        case 403:
            return _forbidden(text, doing)
        case 404:
            return ClusterUnavailable(f"Kubernetes found nothing while {doing} ({text}); check the namespace's name.")
        case 409 if found.reason == "AlreadyExists":
            return Conflict(f"It exists already: {text}.")
        case 409:
            return Contended(f"Kubernetes was busy with a competing change while {doing} ({text}); repeat the request.")
        case 413:
            return TooLarge(f"Kubernetes finds the request too large while {doing}: {text}.")
        case 429:
            return ClusterUnavailable(f"Kubernetes has too much to do while {doing}; repeat the request later.")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return OutcomeUnknown(f"Kubernetes failed while {doing} ({status}: {text}); repeat the request later.")
    return Refused(f"Kubernetes refused {doing} for good: {text}.")


def is_its_own(body: bytes) -> bool:
    """Return whether the API server itself sent this body about an object, and not a proxy in between."""
    return _decoded(body).kind == "Status" and not _lacks_path(body)


def _lacks_path(body: bytes) -> bool:
    """Return whether a 404 is about the path: Go's own words where the group is unknown, a Status for its version."""
    return body.startswith(b"404 page not found") or _decoded(body).message.startswith(_NO_RESOURCE)


def _forbidden(text: str, doing: str) -> SyncError:
    """403 means one of five things: a full quota, one too small, our own rights, an ending namespace, a policy."""
    if "exceeded quota" in text:
        if too_much := quotas.never_fits(text):
            return Refused(
                f"The namespace's quota is smaller than a single task needs of {too_much} ({text}); raise the quota, "
                "or lower what a task may use."
            )
        return QuotaExceeded(f"The namespace's quota is used up ({text}); repeat the same request later.")
    if 'User "system:anonymous"' in text:
        return ClusterUnavailable(
            f"No credentials were sent to Kubernetes while {doing}: the user in {SETTING} has neither a token nor a "
            "certificate that can be used."
        )
    if 'User "' in text and " cannot " in text:
        return ClusterUnavailable(
            f"The function's service account lacks a right in the cluster while {doing} ({text}); apply the roles in "
            "knative/tasks/roles.yaml."
        )
    if "being terminated" in text:
        return ClusterUnavailable(f"The namespace of the task pods is being deleted ({text}).")
    return Refused(f"The cluster's policy refuses {doing}: {text}.")


def _decoded(body: bytes) -> _Refusal:
    try:
        return msgspec.json.decode(body, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Refusal()  # a proxy in between answered


def first_line(text: str) -> str:
    """Return the first line of a message, cut, without its final stop."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    return line[:1000].rstrip(". ")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate what the library and its transport raise."""
    from kubernetes.client.exceptions import ApiException  # noqa: TID251 - failures are known here, and only here
    from urllib3 import exceptions as transport

    try:
        yield
    except transport.MaxRetryError as error:
        raise _of_transport(error.reason or error, doing) from error
    except transport.HTTPError as error:
        raise _of_transport(error, doing) from error
    except ApiException as error:
        # Here raised for TLS alone.
        reason = first_line(str(error.reason).removeprefix("SSLError").strip())
        raise _insecure(reason, doing) from error
    except OSError as error:
        # The service account's token is read every minute.
        raise ClusterUnavailable(f"The credentials for Kubernetes cannot be read ({error.strerror}).") from error


def _insecure(reason: str, doing: str) -> SyncError:
    return ClusterUnavailable(
        f"No secure connection to Kubernetes while {doing} ({reason}); check the certificates in {SETTING}."
    )


def _of_transport(error: Exception, doing: str) -> SyncError:
    from urllib3 import exceptions as transport

    if isinstance(error, transport.SSLError):
        return _insecure(first_line(str(error)), doing)
    if isinstance(error, transport.ProxyError):
        return ClusterUnavailable(
            f"Kubernetes cannot be reached while {doing}: the proxy that HTTPS_PROXY or ALL_PROXY (or proxy-url in "
            f"{SETTING}) names does not answer, or refuses; correct it, or list the API server's host in NO_PROXY."
        )
    if isinstance(error, transport.ConnectTimeoutError | transport.NewConnectionError):
        return ClusterUnavailable(f"Kubernetes cannot be reached while {doing}; check that its API server runs.")
    if isinstance(error, transport.ReadTimeoutError):
        return TimedOut(f"Kubernetes did not answer in time while {doing}; repeating the request is safe.")
    kind = type(error).__name__
    return OutcomeUnknown(f"The connection to Kubernetes broke while {doing} ({kind}); repeating the request is safe.")
