"""The functions' namespace: Services, settings, Secrets and tokens."""

from collections.abc import Iterator

from common import VERSION
from common.setting_sources import CONFIG_PATH
from syncctl.doctor.finding import Finding, failed, ok, warning
from syncctl.doctor.installation import CONSOLE, FUNCTIONS, STARTERS, Installation, Object, container, secret_names
from syncctl.kn.locate import Functions

_APPLY = "Apply the overlay again: `kubectl apply -k your-overlay/`."
_CONSOLE = f"All else works without it. {_APPLY}"
_SECRETS = "docs/how-to/deploy.md has the commands that make it, under Secrets."
_REVISIONS = "Then make new revisions: docs/how-to/operate.md, under Configure."
_DATABASE = "SYNCCTL_DATABASE_URL"
_TOKENS, _RAW, _SWEEP = "SYNCCTL_AUTH_TOKENS", "SYNCCTL_RAW_AUTH_TOKENS", "SWEEP_TOKEN"


def services(installation: Installation) -> Iterator[Finding]:
    """Yield a line for each function that is missing, not ready or of another version, or one that all are there."""
    found: list[Finding] = []
    for name in FUNCTIONS:
        service = installation.services.get(name)
        if service is None and name == CONSOLE:
            found.append(warning("functions", f"The console is not deployed in {installation.namespace}.", _CONSOLE))
        elif service is None:
            found.append(failed("functions", f"The function {name} is missing in {installation.namespace}.", _APPLY))
        elif (problem := _problem(service)) is not None:
            advice = f"Look at `kubectl describe ksvc {name} -n {installation.namespace}`."
            found.append(failed("functions", f"The function {name} is not ready: {problem}", advice))
    yield from found or [ok("functions", f"All {len(FUNCTIONS)} functions are ready.")]
    yield _version(installation)


def _problem(service: Object) -> str | None:
    """Return why a Knative Service is not ready; None if it is."""
    status = service.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True" and status.get("observedGeneration") == service["metadata"].get("generation"):
        return None
    return str(ready.get("message") or ready.get("reason") or "Knative has not looked at it yet.")


def _version(installation: Installation) -> Finding:
    deployed = Functions(installation.namespace, installation.services).version
    if deployed == VERSION:
        return ok("version", f"The deployment and this syncctl are of version {VERSION}.")
    return warning(
        "version",
        f"The deployment is of version {deployed or 'unknown'}, and this syncctl of {VERSION}: it judges by its own.",
        "Use the syncctl of the deployment's version.",
    )


def settings(installation: Installation) -> Iterator[Finding]:
    """Yield whether the ConfigMaps are there that the functions name."""
    missing = [name for name, there in installation.maps.items() if not there]
    for name in missing:
        yield failed("settings", f"The ConfigMap {name} is missing in {installation.namespace}.", _APPLY)
    if not missing:
        yield ok("settings", f"The settings are there; tasks run in {installation.tasks}.")


def secrets(installation: Installation) -> Iterator[Finding]:
    """Yield which Secrets or keys are missing, by the functions that need them."""
    found = list(_secrets(installation))
    yield from found or [ok("secrets", "The functions' Secrets are there, with the keys that they need.")]


def _secrets(installation: Installation) -> Iterator[Finding]:
    for name in sorted(installation.hidden):
        yield warning("secrets", f"Not looked at: you may not read the Secret {name}.", "Ask an administrator.")
    for name, values in installation.secrets.items():
        if values is None:
            users = [one for one, service in installation.services.items() if name in secret_names(service)]
            yield failed(
                "secrets",
                f"The Secret {name} is missing in {installation.namespace}: {', '.join(users)} cannot start.",
                _SECRETS,
            )
    if installation.hidden:
        return
    given = installation.values()
    if _DATABASE not in given and CONFIG_PATH not in given:
        yield failed("secrets", f"No Secret of the functions has the key {_DATABASE}.", f"{_SECRETS} {_REVISIONS}")


def tokens(installation: Installation) -> Iterator[Finding]:
    """Yield whether callers need a token, and whether the CronJob and the sweeper have one."""
    given = installation.values()
    listed = [(name, one.strip()) for name in (_RAW, _TOKENS) for one in given.get(name, "").split(",") if one.strip()]
    sweep = given.get(_SWEEP, "")
    if installation.hidden or CONFIG_PATH in given:
        yield warning("tokens", "The functions' tokens cannot be seen from here.", "Look at them where they are kept.")
    elif not listed:
        yield warning(
            "tokens", "The functions require no token: everyone who reaches them may run connectors.",
            f"Set {_TOKENS} and {_SWEEP} in the Secret sync-secrets. {_REVISIONS}",
        )  # fmt: skip
    elif not sweep:
        yield failed(
            "tokens", f"Tokens are required, and {_SWEEP} is missing: the CronJob's calls are refused with 401.",
            f"Set {_SWEEP} in the Secret sync-secrets to one of the tokens, plain. {_REVISIONS}",
        )  # fmt: skip
    elif sweep not in [one for _, one in listed] and not any(name == _TOKENS and "." in one for name, one in listed):
        yield failed(
            "tokens", f"{_SWEEP} is none of the tokens: the CronJob's calls are refused with 401.",
            f"Add it to {_TOKENS}, or set it to one of these. {_REVISIONS}",
        )  # fmt: skip
    else:
        yield ok("tokens", "Callers need a token, and the sweep has one.")


def unseen(installation: Installation, *keys: str) -> bool:
    """Tell whether one of these is missing only because it is where this program cannot read it."""
    given = installation.values()
    return bool(installation.hidden or CONFIG_PATH in given) and not all(given.get(key) for key in keys)


def connections(installation: Installation) -> int | None:
    """Return how many connections to Postgres all functions may have at once; None for any number."""
    total = 0
    for name, service in installation.services.items():
        if name == CONSOLE:
            continue
        template = service["spec"]["template"]
        notes = template.get("metadata", {}).get("annotations") or {}
        instances = int(notes.get("autoscaling.knative.dev/max-scale") or 0)
        requests = int(template["spec"].get("containerConcurrency") or 0)
        if not instances * requests:
            return None
        total += instances * requests
    return total


def starter(installation: Installation) -> Object | None:
    """Return the container of a function that starts tasks, if there is one."""
    found = next((installation.services[name] for name in STARTERS if name in installation.services), None)
    return container(found) if found else None
