"""The console through the real Knative: its files, from nothing and without a right, and the page in a browser."""

import gzip
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cluster import kube
from tests.cluster.kube import FUNCTIONS
from tests.cluster.stack import ROOT, Stack, replicas
from tests.support import browser

pytestmark = pytest.mark.timeout(600)

STATIC = ROOT / "functions/console/static"
_SELECTOR = "serving.knative.dev/service=console"


@pytest.fixture
def gateway(deployed: Stack) -> str:
    """The gateway's address, as this machine reaches it."""
    service = kube.get("service", "gateway", FUNCTIONS)
    if service is None:
        pytest.skip("no gateway is deployed here")
    return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"


def _version(page: str) -> str:
    found = re.search(r'"console/([0-9a-f]{16})/main\.js"', page)
    assert found, page[:500]
    return found[1]


def test_the_console_wakes_and_has_all_its_files(deployed: Stack):
    """From no instance at all; each file byte for byte, compressed on the way, and with the page's policy."""
    kube.wait_for("no instance of the console", lambda: replicas("console") == 0, 240)
    page = deployed.call("console", "GET")
    assert page.status_code == 200, page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in sorted(path for path in STATIC.rglob("*") if path.is_file() and path.name != "index.html"):
        name = path.relative_to(STATIC).as_posix()
        answer = deployed.call("console", "GET", path=f"/{_version(page.text)}/{name}")
        assert (answer.status_code, answer.content) == (200, path.read_bytes()), name
        assert answer.headers["content-encoding"] == "gzip"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "immutable" in answer.headers["cache-control"]
    unknown = deployed.call("console", "GET", path="/nowhere")
    assert (unknown.status_code, unknown.json()["ok"]) == (404, False)
    assert replicas("console") == 1


@pytest.mark.fault(671)
def test_the_console_s_pod_is_given_nothing(deployed: Stack):
    """No token of Kubernetes, no Secret, no setting, and nothing to write to but its own empty folder."""
    assert deployed.call("console", "GET").status_code == 200
    pods = kube.wait_for("its pod is there", lambda: kube.items("pod", FUNCTIONS, _SELECTOR))
    for pod in pods:
        spec = pod["spec"]
        assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("console", False)
        [container] = [one for one in spec["containers"] if one["name"] == "user-container"]
        assert not container.get("envFrom")
        assert not [one for one in container["env"] if "valueFrom" in one]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]


def test_the_console_is_at_the_gateway_s_root(gateway: str):
    """Its page at / and /console, its files below; with their headers and their encoding as the function sends them."""
    with httpx.Client(base_url=gateway, timeout=120) as client:
        page = client.get("/")
        assert page.status_code == 200, page.text
        assert client.get("/console").text == page.text
        assert client.get("/console/", follow_redirects=True).text == page.text
        name = f"/console/{_version(page.text)}/vendor/pico.css"
        style = client.get(name)
        assert (style.status_code, style.content) == (200, (STATIC / "vendor/pico.css").read_bytes())
        with client.stream("GET", name) as answer:
            assert gzip.decompress(b"".join(answer.iter_raw())) == style.content
        assert client.get(name, headers={"If-None-Match": style.headers["etag"]}).status_code == 304
        for answer in (page, style, client.get(f"{name}x"), client.post("/")):
            assert "default-src 'none'" in answer.headers["content-security-policy"], answer.url
        assert client.get("/tasks").json()["ok"] is True  # under the same address, as the page needs it


@pytest.fixture
def watched(gateway: str) -> Iterator[browser.Watched]:
    """A page at the gateway. The development overlay requires no token; the console wants one all the same."""
    if not browser.CHROMIUM:
        pytest.skip(browser.MISSING)
    with browser.chromium() as chromium:
        one = browser.Watched(chromium, gateway, "none")
        one.context.set_default_timeout(120_000)  # functions that sleep have to wake first
        one.expected.append("Cross-Origin-Opener-Policy")  # has no effect without TLS, which Chromium notes
        yield one
        problems = one.problems()
        one.close()
        assert not problems


def test_a_browser_shows_the_deployment(watched: browser.Watched):
    """The page loads through the gateway, under its policy, and asks the functions beside it."""
    asked: list[str] = []
    watched.page.on("response", lambda answer: asked.append(f"{urlsplit(answer.url).path} {answer.status}"))
    page = watched.open("#/")
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_role("link", name="Tasks").click()
    page.get_by_role("heading", name="Tasks").wait_for()
    page.wait_for_load_state("networkidle")
    assert "/ 200" in asked
    assert not [one for one in asked if one.rpartition(" ")[2] not in {"200", "304"}]
