"""Why a pod could not be prepared for its source (sidecar.prepare), as the failure that its task ends with."""

from common.errors import Refused
from common.failures import Failure, FailureKind
from sidecar.prepare import SourceHasBegun

_AGAIN = "The sidecar was started again while its source ran: of the rows before that nothing is known."


def failure(trouble: Exception) -> Failure:
    """Return the failure; what is in the connector's files is never quoted."""
    if isinstance(trouble, SourceHasBegun):
        return Failure(FailureKind.SIDECAR_KILLED, _AGAIN)
    if isinstance(trouble, Refused):  # which Secret, and which key
        return Failure(FailureKind.SECRET_MISSING, trouble.message[:1].upper() + trouble.message[1:])
    why = trouble.strerror if isinstance(trouble, OSError) else ""
    why = why or f"they cannot be read ({type(trouble).__name__})"
    text = f"The sidecar could not make the pipes and files that the source waits for: {why}."
    return Failure(FailureKind.INIT_FAILED, text)
