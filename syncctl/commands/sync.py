"""`syncctl sync validate`: checks files of declared syncs, and shows when each would run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import Raw

from syncctl.commands.options import AsJson
from syncctl.commands.sync_files import Filenames, Files, read_files
from syncctl.display.console import Grid, Output
from syncctl.exit_codes import ExitCode

if TYPE_CHECKING:
    from common.syncs.check import Checked, Declared

_RUNS = 3

Secrets = Annotated[
    str,
    typer.Option(
        "--secrets",
        envvar="SYNCCTL_SECRETS",
        metavar="PATTERNS",
        help="Secrets that syncs may refer to, separated by commas; a star matches anything.",
    ),
]
AllowedImages = Annotated[
    str,
    typer.Option(
        "--allowed-images",
        envvar="SYNCCTL_ALLOWED_IMAGES",
        metavar="PATTERNS",
        show_default="all",
        help="Connectors that the deployment runs, such as airbyte/source-*.",
    ),
]


def validate(
    files: Files = None,
    filenames: Filenames = None,
    secrets: Secrets = "credentials-*",
    allowed_images: AllowedImages = "",
    as_json: AsJson = False,
) -> None:
    """Check declared syncs, and show when they would run. Nothing is written, no deployment is asked.

    Each problem is a line FILE:LINE: FIELD: what was expected. Files given together are checked together: two syncs of
    one name, or a circle of `after`, are found. Exit code 0: all can be used. 2: something is wrong.

    A sync is a document such as this one; docs/how-to/declare-a-sync.md has more of it:

      apiVersion: sync-functions.dev/v1alpha1
      kind: Sync
      metadata: {name: nightly}
      spec:
        image: airbyte/source-faker:7.2.1
        schedule: "0 3 * * *"
        timeZone: Europe/Berlin

    Examples:

      syncctl sync validate -f nightly.yaml
      syncctl sync validate -f syncs/ --json | jq .problems
      git show main:nightly.yaml | syncctl sync validate -f -
    """
    from common.syncs.check import check, unknown_after
    from common.syncs.validate import Rules

    output = Output(as_json=as_json)
    found = check(read_files([*(filenames or ()), *(files or ())]), Rules(secrets, allowed_images))
    output.json(Raw(msgspec.json.encode(_as_json(found))))
    for problem in found.problems:
        output.line(str(problem))
    if found.syncs:
        output.table(Grid(("sync", "declared at", "runs"), [(one.name, one.place, _runs(one)) for one in found.syncs]))
    if found.problems:
        raise typer.Exit(ExitCode.USAGE)
    for name in unknown_after(found.syncs):
        output.note(f"{name}: is in `after`, and not declared in these files.")


def _as_json(found: "Checked") -> Mapping[str, object]:
    return {
        "ok": not found.problems,
        "problems": found.problems,
        "syncs": [
            {
                "name": one.name,
                "file": one.file,
                "line": one.document.line(()),
                "schedule": one.sync.spec.schedule,
                "timeZone": one.sync.spec.time_zone,
                "after": one.sync.spec.after or [],
                "suspended": bool(one.sync.spec.suspend),
                "nextRuns": _next_runs(one),
            }
            for one in found.syncs
        ],
    }


def _runs(one: "Declared") -> str:
    spec = one.sync.spec
    if spec.suspend:
        return "suspended"
    ways = [", ".join(run.replace("T", " ") for run in _next_runs(one)), f"after {', '.join(spec.after or ())}"]
    return "; ".join(way for way, there in zip(ways, (spec.schedule, spec.after), strict=True) if there) or "on request"


def _next_runs(one: "Declared") -> list[str]:
    """Return the next moments of the schedule, by the clock of its zone; none of a sync that is suspended."""
    from common.syncs import schedule

    spec = one.sync.spec
    if spec.schedule is None or spec.suspend:
        return []
    parsed = schedule.parse(spec.schedule, spec.time_zone or schedule.UTC_NAME)
    moments = islice(parsed.after(datetime.now(UTC)), _RUNS)
    return [moment.astimezone(parsed.zone).isoformat(timespec="minutes") for moment in moments]
