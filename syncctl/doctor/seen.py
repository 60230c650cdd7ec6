"""Judges what the pods have seen (sidecar/look.py prints it): Postgres, Bulker, network and clocks. Pure."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from syncctl.doctor.finding import Finding, failed, ok, warning

_OLDEST_POSTGRES = 140000
_FULL = 0.9
_CLOCK_SECONDS = 5.0
"""More than a request takes; limits and pauses are tens of seconds."""
_GRANTS = "Run the grants of docs/how-to/operate.md, under Database users."
_URL = {"functions": "SYNCCTL_DATABASE_URL", "tasks": "SYNCCTL_SIDECAR_DATABASE_URL, else SYNCCTL_DATABASE_URL"}
_SECRET = "Correct it in the functions' Secrets, and make new revisions (docs/how-to/operate.md, under Configure)."  # noqa: S105 - no secret
_REACHED = frozenset({200, 400, 404, 422})
"""What Bulker itself answers where the token is right: it does not know the destination, or takes an empty request."""
_UNAUTHORIZED, _TOO_LARGE = (401, 403), 413


class Postgres(Struct, frozen=True):
    """See sidecar/look.py."""

    error: str = ""
    version: str = ""
    number: int = 0
    user_name: str = ""
    standby: bool = False
    read_only: bool = False
    seats: int = 0
    taken: int = 0
    user_limit: int = -1
    database_limit: int = -1
    clock: float = 0.0
    seen_at: float = 0.0
    lacking: list[str] = []
    missing: list[str] = []
    schema: str = ""
    ours: bool = False
    applied: int | None = None
    newest: int = 0


class Bulk(Struct, frozen=True):
    """See sidecar/look.py."""

    status: int = 0
    error: str = ""
    location: str = ""


class Bulker(Struct, frozen=True):
    """See sidecar/look.py."""

    where: str = ""
    empty: Bulk = Bulk()
    large: Bulk = Bulk()


class Looked(Struct, frozen=True):
    """See sidecar/look.py."""

    place: str
    clock: float
    postgres: Postgres | None = None
    bulker: Bulker | None = None
    reached: dict[str, bool] = {}


def postgres(looked: Looked) -> Iterator[Finding]:
    """Yield what is wrong with Postgres as one place sees it, or a line that nothing is."""
    check, found = f"postgres-{looked.place}", looked.postgres
    if found is None:
        yield failed(check, f"The {looked.place} have no database URL.", f"Set {_URL[looked.place]}. {_SECRET}")
    elif found.error:
        yield failed(check, f"Postgres, as {looked.place} see it: {found.error}", f"{_URL[looked.place]}: {_SECRET}")
    else:
        problems = list(_postgres(check, looked.place, found))
        yield from problems or [
            ok(check, f"Postgres {found.version} lets {found.user_name} do all that {looked.place} do.")
        ]


def _postgres(check: str, place: str, found: Postgres) -> Iterator[Finding]:
    if found.number < _OLDEST_POSTGRES:
        yield failed(check, f"Postgres is {found.version}; 14 or later is needed.", "Upgrade it.")
    if found.read_only or found.standby:
        what = "a standby" if found.standby else "read-only"
        yield failed(check, f"Postgres is {what} for {found.user_name}: nothing can be written.", "Name the primary.")
    for words in found.lacking:
        yield failed(check, f"{words}: the user {found.user_name} of the {place} lacks it.", _GRANTS)
    yield from _tables(check, place, found)


def _tables(check: str, place: str, found: Postgres) -> Iterator[Finding]:
    if not found.ours and len(found.missing) == 6:
        yield warning(
            check, "The database has none of the tables yet.", "The first request makes them; then look again."
        )  # fmt: skip
        return
    if found.missing:
        yield failed(
            check, f"The search_path of the {place} does not find: {', '.join(found.missing)}.",
            "Correct search_path in the database URL, or let the functions' user make them (the next request does).",
        )  # fmt: skip
    if not found.ours:
        yield failed(
            check, f"The schema {found.schema} has none of our tables.",
            "Check SYNCCTL_DATABASE_SCHEMA; the next request makes what is missing, if its user may.",
        )  # fmt: skip
    elif place == "functions":
        yield from _version(check, found)


def _version(check: str, found: Postgres) -> Iterator[Finding]:
    if found.applied is None:
        yield failed(
            check, f"The versions of our tables cannot be read ({found.schema}.syncctl_migration).", _GRANTS
        )  # fmt: skip
    elif found.applied < found.newest:
        yield warning(
            check, f"Our tables are of version {found.applied}, and this version has {found.newest}.",
            "The next request migrates them, if its user owns them; docs/how-to/operate.md, under Upgrade.",
        )  # fmt: skip
    elif found.applied > found.newest:
        yield warning(
            check, f"Our tables are of version {found.applied}, newer than the {found.newest} of this version.",
            "A newer deployment shares them, or this one was rolled back; both work.",
        )  # fmt: skip


def connections(looked: Looked, functions: int | None, tasks: int | None) -> Iterator[Finding]:
    """Yield whether Postgres has connections for what is configured: of all functions, and one for each task pod."""
    found = looked.postgres
    if found is None or found.error:
        return
    limits = [found.seats, *(one for one in (found.user_limit, found.database_limit) if one >= 0)]
    seats = min(limits)
    advice = (
        "Raise max_connections, lower max-scale, or put a pooler between: docs/how-to/operate.md, How many at once."
    )
    if found.taken >= _FULL * found.seats:
        yield failed("connections", f"{found.taken} of Postgres' {found.seats} connections are taken.", advice)
    elif functions is None or tasks is None:
        what = "A function has no limit of instances or requests" if functions is None else "No quota limits task pods"
        yield warning("connections", f"{what}: more than the {seats} connections of Postgres may be asked for.", advice)
    elif functions + tasks > seats:
        yield warning(
            "connections",
            f"Functions may ask for {functions} connections and tasks for {tasks}; Postgres has {seats}.", advice,
        )  # fmt: skip
    else:
        yield ok("connections", f"Postgres has {seats} connections for {functions} of functions and {tasks} of tasks.")


def bulker(looked: Looked) -> Iterator[Finding]:
    """Yield what is wrong with Bulker as task pods see it, or a line that nothing is."""
    found = looked.bulker
    if found is None:
        yield failed("bulker", "The tasks have no Bulker.", "Set SYNCCTL_BULKER_URL.")
    elif not found.empty.status:
        yield failed(
            "bulker", f"Bulker at {found.where} cannot be reached from a task pod: {found.empty.error}.",
            "Check SYNCCTL_BULKER_URL, Bulker's Service, and the NetworkPolicies on both sides.",
        )  # fmt: skip
    elif found.empty.status in _UNAUTHORIZED:
        yield failed(
            "bulker", f"Bulker at {found.where} refuses the token ({found.empty.status}).",
            f"Set SYNCCTL_BULKER_AUTH_TOKEN to one of BULKER_AUTH_TOKENS. {_SECRET}",
        )  # fmt: skip
    elif found.empty.status not in _REACHED:
        to = f" and redirects to {found.empty.location}" if found.empty.location else ""
        yield failed(
            "bulker", f"What answers at {found.where} is not Bulker, or is ill: {found.empty.status}{to}.",
            "Check SYNCCTL_BULKER_URL, and Bulker's own log.",
        )  # fmt: skip
    else:
        yield _size(found)


def _size(found: Bulker) -> Finding:
    if found.large.status == _TOO_LARGE:
        return failed(
            "bulker", f"What stands before Bulker at {found.where} refuses a request of 101 MB (413).",
            "Raise its limit (nginx: client_max_body_size 0), or name Bulker's own address.",
        )  # fmt: skip
    if found.large.status not in _REACHED:
        why = found.large.error or str(found.large.status)
        return failed(
            "bulker", f"Bulker at {found.where} breaks off a request of 101 MB: {why}.",
            "Look at what stands between, such as a proxy with a limit of time or size.",
        )  # fmt: skip
    return ok("bulker", f"Bulker answers at {found.where}, takes the token, and requests of 101 MB.")


def network(tasks: Looked, functions: Looked | None) -> Iterator[Finding]:
    """Yield whether the NetworkPolicy is in force, as tried from both sides."""
    advice = "Use a network plugin that enforces NetworkPolicies, such as Calico or Cilium."
    if any(tasks.reached.values()):
        yield failed(
            "network", f"A task pod reaches the metadata service ({', '.join(tasks.reached)}): no policy is in force.",
            advice,
        )  # fmt: skip
    elif functions is None or not functions.reached:
        return
    elif any(functions.reached.values()):
        yield failed("network", "A pod of another namespace reaches a task pod: no policy is in force.", advice)
    else:
        yield ok("network", "The NetworkPolicy is in force: nobody reaches a task pod.")


def clocks(looked: Looked, asked_at: float, created_at: str, answered_at: float, read_at: float) -> Iterator[Finding]:
    """Yield how far clocks differ: this machine's, the API server's, the node's and Postgres's.

    The API server made the pod between `asked_at` and `answered_at`, and the pod looked between `asked_at` and
    `read_at`, all but `created_at` by this machine's clock.
    """
    found = {"this machine's clock and the node's": _outside(looked.clock, asked_at, read_at)}
    if created_at:
        created = datetime.fromisoformat(created_at).timestamp()  # whole seconds
        found["this machine's clock and the API server's"] = _outside(created, asked_at - 1, answered_at)
    if looked.postgres and looked.postgres.clock:
        found["the node's clock and Postgres's"] = abs(looked.postgres.clock - looked.postgres.seen_at)
    wrong = {what: seconds for what, seconds in found.items() if seconds > _CLOCK_SECONDS}
    for what, seconds in wrong.items():
        yield warning(
            "clock", f"{what[0].upper()}{what[1:]} differ by {seconds:.0f} s.",
            "Let each keep its time by NTP: time limits, schedules and ages are wrong by as much.",
        )  # fmt: skip
    if not wrong:
        yield ok("clock", f"Clocks differ by less than {_CLOCK_SECONDS:.0f} s.")


def _outside(moment: float, earliest: float, latest: float) -> float:
    return max(earliest - moment, moment - latest, 0.0)
