"""Each function on its own, served as it is deployed, without a database or a cluster to talk to."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import canaries
from tests.support.functions import ROOT, Server, running

FUNCTIONS = {
    "spec": "GET",
    "check": "POST",
    "discover": "POST",
    "read": "POST",
    "tasks": "GET",
    "cancel": "GET",
    "syncs": "GET",
    "metrics": "GET",
    "sweeper": "POST",
}
TOKEN = canaries.TOKEN
# Port 1 answers nobody.
NOWHERE = f"postgresql://app:{canaries.DATABASE}@127.0.0.1:1/app?search_path=newjitsu&sslmode=disable"
IMAGE = "package=airbyte/source-faker&version=1.2.3"
CONFIG = json.dumps({"config": {"password": canaries.CONFIG}})
READ = json.dumps({"config": {"password": canaries.CONFIG}, "catalog": {"streams": []}})
VALID = {
    "spec": (f"/spec?{IMAGE}", ""),
    "check": (f"/check?{IMAGE}&storageKey=k", CONFIG),
    "discover": (f"/discover?{IMAGE}&storageKey=k&connectorType=airbyte", CONFIG),
    "read": (f"/read?{IMAGE}&syncId=s&taskId=t", READ),
    "tasks": ("/tasks", ""),
    "cancel": ("/cancel?taskId=t", ""),
    "syncs": ("/syncs", ""),
    "metrics": ("/metrics", ""),
    "sweeper": ("/sweeper", ""),
}

# The API server at port 1 answers nobody either.
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: c, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: c}}]
"""

# One worker, and so one server each.
pytestmark = pytest.mark.xdist_group("functions-alone")


@pytest.fixture(scope="module", params=FUNCTIONS)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    """One function after the other; its settings end in line breaks, as Secrets made with `echo` do."""
    with running(
        request.param,
        SYNCCTL_DATABASE_URL=f"{NOWHERE}\n",
        SYNCCTL_AUTH_TOKENS=f"{TOKEN},caller-token-2\n",
        SYNCCTL_LOG_FORMAT="json\r\n",
        SYNCCTL_KUBERNETES_CLIENT_CONFIG=KUBECONFIG,
    ) as server:
        yield request.param, Server(server.port, server.log, TOKEN)


def test_health_answers_everyone(served: tuple[str, Server]):
    """Without a token, at once, and by HEAD too."""
    name, server = served
    answer = server.ask("GET", "/health", token="")
    assert (answer.status, answer.json) == (200, {"status": "pass"}), name
    assert server.ask("HEAD", "/health", token="").status == 200


def test_the_document_of_the_api_answers_everyone(served: tuple[str, Server]):
    """Without a token, at each function, as it is in the reference; for reading alone."""
    name, server = served
    answer = server.ask("GET", "/openapi.json", token="")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), name
    assert answer.json == json.loads((ROOT / "docs/reference/openapi.json").read_text())
    assert server.ask("POST", "/openapi.json", token="").status == 405


@pytest.mark.fault(48)
def test_each_function_answers_at_its_name_and_at_the_root(served: tuple[str, Server]):
    """The same request by both paths comes to the same answer: here that Postgres cannot be reached."""
    name, server = served
    target, body = VALID[name]
    for path in (f"/{name}", f"/{name}/", "/"):
        answer = server.ask(FUNCTIONS[name], target.replace(f"/{name}", path, 1), body)
        assert answer.status == 503, answer.body
        assert answer.headers["retry-after"].isdigit()
        away = "Kubernetes" if name == "syncs" else "Postgres"
        assert (answer.json["ok"], away in answer.error) == (False, True)
        assert canaries.MARK.encode() not in answer.body


@pytest.mark.fault(66)
def test_each_configured_token_opens(served: tuple[str, Server]):
    """Also the last one, before the line break; 401 otherwise, whatever the path and method."""
    name, server = served
    target, body = VALID[name]
    assert server.ask(FUNCTIONS[name], target, body, token="caller-token-2").status == 503
    for token in ("", "wrong", "caller-token-2x"):
        for method, path in ((FUNCTIONS[name], target), ("PUT", "/"), ("GET", "/nowhere/else")):
            answer = server.ask(method, path, token=token)
            assert answer.status == 401
            assert token == "" or token not in answer.error


def test_unknown_paths_and_methods_are_refused_in_json(served: tuple[str, Server]):
    """Also where functions-framework or Flask would answer by themselves."""
    name, server = served
    for path in (
        "/robots.txt",
        "/favicon.ico",
        "/static/x",
        *([] if name in {"tasks", "syncs"} else [f"/{name}/x", "/x"]),
    ):
        answer = server.ask(FUNCTIONS[name], path)
        assert (answer.status, answer.json["ok"]) == (404, False), path
    other = "POST" if FUNCTIONS[name] == "GET" else "GET"
    others = ["PUT" if name == "cancel" else other, "DELETE", "OPTIONS"]  # cancel takes both
    for method in others:
        answer = server.ask(method, f"/{name}")
        assert (answer.status, answer.json["ok"]) == (405, False)
        assert FUNCTIONS[name] in answer.headers["allow"]


def test_every_answer_is_json_that_no_browser_reinterprets(served: tuple[str, Server]):
    """Errors included."""
    name, server = served
    for path in ("/health", "/", f"/{name}?x=1", "/robots.txt", f"//{name}//", "/%00", "/%ff"):
        answer = server.ask(FUNCTIONS[name], path)
        assert answer.headers["content-type"] == "application/json", path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert isinstance(answer.json, dict)


def test_log_lines_are_json_without_secrets(served: tuple[str, Server]):
    """What failed is in the log once per request, and nothing that was sent."""
    name, server = served
    target, body = VALID[name]
    before = server.log.read_text().count('"A request failed')
    server.ask(FUNCTIONS[name], target, body)
    text = server.log.read_text()
    assert text.count('"A request failed') == before + 1
    assert canaries.MARK not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert {"action": name, "level": "ERROR"}.items() <= lines[-1].items()


def test_one_task_is_found_at_its_path():
    """Both paths of a task lead to the database; what is no taskId is refused before."""
    with running("tasks", token=TOKEN, SYNCCTL_DATABASE_URL=NOWHERE) as server:
        for path in ("/tasks/2f0c-1", "/2f0c-1", "/tasks/nightly/2026-01-01", "/tasks/%F0%9F%9A%9A"):
            assert server.ask("GET", path).status == 503
        for path in ("/tasks/a%00b", f"/tasks/{'a' * 201}", "/tasks/a?limit=1", "/tasks?limit=0", "/tasks?state=x"):
            assert server.ask("GET", path).status == 400


def test_a_function_starts_without_settings_and_says_what_is_missing():
    """Health works; the first request names the variable. Without tokens nobody needs one."""
    with running("spec") as server:
        assert server.ask("GET", "/health").status == 200
        answer = server.ask("GET", f"/spec?{IMAGE}")
        assert answer.status == 500
        assert "SYNCCTL_DATABASE_URL is not set" in answer.error


def test_tasks_can_be_switched_off():
    """A valid request is answered with the setting's name, an invalid one with its problem."""
    with running("spec", SYNCCTL_SYNCS_ENABLED="false") as server:
        answer = server.ask("GET", f"/spec?{IMAGE}")
        assert (answer.status, "SYNCCTL_SYNCS_ENABLED" in answer.error) == (503, True)
        assert server.ask("GET", "/spec").status == 400


def test_a_bug_is_answered_in_json_and_logged(tmp_path: Path):
    """functions-framework's own 500 is HTML, and an exception's text may hold anything."""
    source = tmp_path / "main.py"
    source.write_text(
        "import functions_framework\nfrom common import web\nROUTE = web.route('broken', 'GET')\n"
        "def use_case(call):\n    raise RuntimeError('hunter2')\n"
        "@functions_framework.http\ndef broken(request):\n    return web.answer(request, ROUTE, use_case)\n"
    )
    with running("broken", source=source) as server:
        answer = server.ask("GET", "/")
        assert (answer.status, answer.json["ok"]) == (500, False)
        assert "hunter2" not in answer.error
        assert server.log.read_text().count("Traceback") == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_one_short_file(name: str):
    """functions-framework puts the folder on sys.path, so nothing else may be in it."""
    files = [path.name for path in (ROOT / "functions" / name).iterdir() if path.name != "__pycache__"]
    assert files == ["main.py"]
    tree = ast.parse((ROOT / "functions" / name / "main.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 15
