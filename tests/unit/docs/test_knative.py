"""The files in knative/: who may reach what, and that nothing in them gives anything away. docs/explanation/security.md names these."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import reduce
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.pods import manifest
from common.protocol.commands import Command
from common.store import Task
from tests.support.docs import ROOT, read, rows
from tests.support.fake_deployment import BROKEN, fake_deployment
from tests.support.wire import pod_settings

KNATIVE = ROOT / "knative"

Network = IPv4Network | IPv6Network


def _documents(folder: str = "") -> Iterator[dict[str, Any]]:
    for path in sorted((KNATIVE / folder).rglob("*.yaml")):
        if "overlays" not in path.parts and path.name != "fields.yaml":  # kustomize's own, no object
            found = filter(None, yaml.safe_load_all(path.read_text(encoding="utf-8")))
            yield from (one for one in found if one["kind"] not in {"Kustomization", "Component"})


def _of(kind: str, folder: str = "") -> list[dict[str, Any]]:
    return [one for one in _documents(folder) if one["kind"] == kind]


def _namespace(folder: str) -> str:
    """The namespace of all objects of a folder, which its kustomization.yaml alone names."""
    return str(yaml.safe_load((KNATIVE / folder / "kustomization.yaml").read_text(encoding="utf-8"))["namespace"])


def _job(name: str) -> dict[str, Any]:
    [job] = [one for one in _of("CronJob") if one["metadata"]["name"] == name]
    return job


def _pods(value: Any) -> Iterator[dict[str, Any]]:
    """The specs of all pods within a document."""
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for inner in value.values():
            yield from _pods(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pods(inner)


def _metadata_services() -> Iterator[tuple[set[Network], set[Network]]]:
    """The addresses of each service of docs/reference/metadata-services.md, and the networks that cover them."""
    for _, addresses, networks, _ in rows(read("docs/reference/metadata-services.md")):
        yield set(map(ip_network, addresses.split(", "))), set(map(ip_network, networks.split(", ")))


def _translated(network: Network) -> Network:
    """The IPv4 network as IPv6 reaches it through NAT64 (RFC 6052)."""
    return ip_network((int(ip_address("64:ff9b::")) + int(network.network_address), 96 + network.prefixlen))


@pytest.mark.fault(233)
def test_a_task_pod_is_called_by_nobody_and_calls_no_metadata_service() -> None:
    """One policy for the whole namespace: no way in, and out to everything but what hands out a node's credentials."""
    [policy] = _of("NetworkPolicy", "tasks")
    spec = policy["spec"]
    # An empty list is the same, but the API server drops it, and each diff would show it.
    assert (spec["podSelector"], "ingress" in spec) == ({}, False)
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    everywhere, names = spec["egress"]
    blocked = {to["ipBlock"]["cidr"]: set(map(ip_network, to["ipBlock"]["except"])) for to in everywhere["to"]}
    listed = set.union(*(networks for _, networks in _metadata_services()))
    assert blocked["0.0.0.0/0"] == {network for network in listed if network.version == 4}
    translated = set(map(_translated, blocked["0.0.0.0/0"]))
    assert blocked["::/0"] == {network for network in listed if network.version == 6} | translated
    assert names["to"] == [{"ipBlock": {"cidr": "169.254.0.0/16"}}]
    assert {port["port"] for port in names["ports"]} == {53}


def test_each_metadata_service_is_covered_by_its_networks() -> None:
    """So that no address of the list is without one, and no network without an address."""
    for addresses, networks in _metadata_services():
        covers = {
            one: {net for net in networks if net.version == one.version and _within(one, net)} for one in addresses
        }
        assert all(covers.values())
        assert set.union(*covers.values()) == networks


def _within(one: Network, other: Network) -> bool:
    return one.network_address in other and one.prefixlen >= other.prefixlen


def test_functions_are_reached_through_knative_alone() -> None:
    """Of the pods of Knative's services; from the namespaces of Knative and its ingress."""
    [policy] = _of("NetworkPolicy", "base")
    assert policy["spec"]["podSelector"]["matchExpressions"] == [
        {"key": "serving.knative.dev/service", "operator": "Exists"}
    ]
    [rule] = policy["spec"]["ingress"]
    [source] = rule["from"]
    [named] = source["namespaceSelector"]["matchExpressions"]
    assert named["values"] == ["knative-serving", "kourier-system"]


def test_only_the_sweeper_reads_a_secret_and_none_lists_them() -> None:
    """Roles of the tasks' namespace alone, without stars; the sweeper gets a Secret by its name: to start a read again, to call a webhook."""
    assert not _of("ClusterRole")
    assert not _of("ClusterRoleBinding")
    roles = _of("Role")
    assert roles == _of("Role", "tasks")
    for rule in (rule for role in roles for rule in role["rules"]):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    verbs = {
        role["metadata"]["name"]: {
            verb for rule in role["rules"] if "secrets" in rule["resources"] for verb in rule["verbs"]
        }
        for role in roles
    }
    assert verbs.pop("sweeper") == {"get", "create"}
    assert set.union(*verbs.values()) <= {"create"}


@pytest.mark.fault(333)
def test_only_the_function_syncs_changes_what_is_declared() -> None:
    """The sweeper sees it and writes its status; no other account has any right to it."""
    rights = {
        f"{role['metadata']['name']} {resource}": rule["verbs"]
        for role in _of("Role")
        for rule in role["rules"]
        for resource in rule["resources"]
        if rule["apiGroups"] != [""]
    }
    assert rights == {
        "syncs syncs": ["get", "list", "create", "update", "delete"],
        "sweeper syncs": ["list"],
        "sweeper syncs/status": ["patch"],
    }
    bound = {one["metadata"]["name"]: [to["name"] for to in one["subjects"]] for one in _of("RoleBinding")}
    assert (bound["syncs"], bound["sweeper"]) == (["syncs"], ["sweeper"])


def test_the_sweeper_has_no_address_outside() -> None:
    """Knative keeps it inside, no gateway has a way to it, and it alone takes events without a token."""
    services = {one["metadata"]["name"]: one for one in _of("Service", "functions")}
    label = "networking.knative.dev/visibility"
    assert services["sweeper"]["metadata"]["labels"][label] == "cluster-local"
    for path in (KNATIVE / "gateway").rglob("*.*"):
        text = re.sub("#.*", "", path.read_text(encoding="utf-8"))
        assert "sweeper" not in text, path
    lax = [name for name, one in services.items() if "SYNCCTL_EVENTS_WITHOUT_TOKEN" in str(one)]
    assert lax == ["sweeper"]


@pytest.mark.fault(671)
def test_the_console_is_given_nothing() -> None:
    """It hands out files to everyone: no setting, no Secret, no token of Kubernetes, nothing to read them from."""
    [service] = [one for one in _of("Service", "functions") if one["metadata"]["name"] == "console"]
    pod = service["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert "envFrom" not in container
    assert [one["name"] for one in container["env"]] == ["FUNCTION_TARGET", "THREADS"]
    assert (pod["automountServiceAccountToken"], pod["serviceAccountName"]) == (False, "console")
    assert [volume.keys() for volume in pod["volumes"]] == [{"name", "emptyDir"}]
    assert "console" not in {to["name"] for one in _of("RoleBinding") for to in one["subjects"]}


def test_both_gateways_lead_to_every_function_but_the_sweeper() -> None:
    """To the console at / exactly, and below /console."""
    names = {one["metadata"]["name"] for one in _of("Service", "functions")} - {"sweeper"}
    nginx = (KNATIVE / "gateway/nginx/nginx.conf").read_text(encoding="utf-8")
    [listed] = re.findall(r"\^/\(\?<function>([a-z|]+)\)\(/\|\$\)", nginx)
    assert set(listed.split("|")) == names
    assert nginx.count("location = / {") == 2
    [route] = _of("HTTPRoute")
    hosts = {
        (match["path"]["type"], match["path"]["value"]): rule["filters"][0]["urlRewrite"]["hostname"].partition(".")[0]
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    }
    expected = {("PathPrefix", f"/{name}"): name for name in names}
    assert hosts == expected | {("Exact", "/"): "console", ("Exact", "/openapi.json"): "spec"}


def test_every_pod_of_ours_is_restricted() -> None:
    """No root, no privileges, no capabilities, nothing to write to but what is mounted, in namespaces that enforce it."""
    for namespace in _of("Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = [pod for document in _documents() for pod in _pods(document)]
    assert len(pods) >= 9
    for pod in pods:
        for container in pod["containers"]:
            security = pod.get("securityContext", {}) | container["securityContext"]
            assert (security["runAsNonRoot"], security["readOnlyRootFilesystem"]) == (True, True), container
            assert not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def test_who_does_not_call_kubernetes_has_no_token_for_it() -> None:
    """The account of the task pods, `tasks`, `metrics`, `console`, the pods of the CronJob that sweeps, and the gateway's."""
    closed = {
        one["metadata"]["name"] for one in _of("ServiceAccount") if one.get("automountServiceAccountToken") is False
    }
    assert closed == {"task", "tasks", "metrics", "console"}
    for document in (_job("sweep"), *_of("Deployment")):
        [pod] = _pods(document)
        assert pod["automountServiceAccountToken"] is False, document["metadata"]["name"]


def test_no_file_holds_a_secret() -> None:
    """Secrets are the operator's to make; what is in a pod's definition refers to them."""
    assert not _of("Secret")
    for pod in (pod for document in _documents() for pod in _pods(document)):
        for variable in (variable for container in pod["containers"] for variable in container.get("env", [])):
            secret = re.search("TOKEN$|PASSWORD|SECRET|DATABASE_URL", variable["name"])
            assert (
                not secret
                or variable["name"] == "SYNCCTL_EVENTS_WITHOUT_TOKEN"
                or "secretKeyRef" in variable["valueFrom"]
            )


def test_each_namespace_is_named_once() -> None:
    """Renaming one is a change of one line; tests/cluster renders the rest."""
    functions, tasks = _namespace("base/functions"), _namespace("tasks")
    texts = [path.read_text(encoding="utf-8") for path in KNATIVE.rglob("*") if path.is_file()]
    assert sum(len(re.findall(rf"{tasks}(?!-)\b", text)) for text in texts) == 1
    # It is the project's name too, in images and labels.
    named = [rf"namespace: {functions}\b", rf"\.{functions}\.svc"]
    assert [sum(len(re.findall(one, text)) for text in texts) for one in named] == [1, 0]
    assert not [one for one in _documents() if one["metadata"].get("namespace", "kourier-system") != "kourier-system"]


def test_every_object_and_pod_names_its_component() -> None:
    """The other standard labels come from knative/labels."""
    component = "app.kubernetes.io/component"
    for document in _documents():
        assert component in document["metadata"]["labels"], document
    for document in (*_of("Service", "functions"), *_of("Deployment"), *_of("CronJob")):
        spec = document["spec"].get("jobTemplate", document)["spec"]
        assert component in spec["template"]["metadata"]["labels"], document


@pytest.mark.fault(97)
def test_traffic_goes_to_the_newest_revision() -> None:
    """Else `kn service update --traffic` would hold it where it is, and no later apply would have an effect."""
    for service in _of("Service", "functions"):
        assert service["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


def _sweep_job(url: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What the CronJob's pod runs, against another address."""
    job = _job("sweep")
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    program = container["args"][0].replace("http://sweeper.%s.svc.cluster.local", f"{url}/%s")
    command = [sys.executable, "-c", program]
    given = {"NAMESPACE": "functions", **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)


def _amount(quantity: str) -> float:
    units = {"m": 0.001, "Mi": 2.0**20, "Gi": 2.0**30}
    unit = next((unit for unit in units if quantity.endswith(unit)), "")
    return float(quantity.removesuffix(unit)) * units.get(unit, 1.0)


@pytest.mark.fault(216)
def test_the_example_quota_holds_as_many_tasks_as_it_names() -> None:
    """Each container names what the quota counts, disk too: Kubernetes refuses a pod that does not."""
    [quota] = _of("ResourceQuota")
    hard = quota["spec"]["hard"]
    task = Task(Command.READ, "t", "airbyte/source-garden", "1", "s", started_at=1)
    spec = manifest.pod(task, manifest.Payload(b"{}"), pod_settings())["spec"]
    for name, most in hard.items():
        of, _, resource = name.partition(".")
        if of in {"requests", "limits"}:
            every = [_amount(one["resources"][of][resource]) for one in spec["containers"]]
            assert sum(every) * int(hard["pods"]) <= _amount(most), name
    assert {"requests.ephemeral-storage", "limits.ephemeral-storage"} <= hard.keys()


@pytest.mark.parametrize(
    ("status", "body", "line"),
    [
        (503, b'{"ok":false,"error":"Postgres cannot be reached."}', '503 {"ok":false,"error":"Postgres cannot be reached."}'),
        (404, b"", "404 from Knative, not from the sweeper: is its service there and ready?"),
        (502, b"<html>\n<h1>Bad \xff</h1>\n", "502 <html> <h1>Bad \ufffd</h1>"),
    ],
)  # fmt: skip
def test_a_sweep_that_is_refused_says_why_in_one_line(status: int, body: bytes, line: str) -> None:
    """docs/how-to/operate.md sends people there: the status alone would not tell Postgres from Kubernetes."""
    with fake_deployment() as sweeper:
        sweeper.faults = [(status, {}, body)]
        done = _sweep_job(sweeper.url)
    assert (done.returncode, done.stderr) == (1, f"{line}\n")


@pytest.mark.fault(96)
def test_a_sweep_that_finds_no_sweeper_says_so_in_one_line() -> None:
    """Nobody listens, the connection breaks, or its token is no header: never a traceback, and never the token."""
    with fake_deployment() as sweeper:
        sweeper.faults = [(BROKEN, {}, b"")]
        broken = _sweep_job(sweeper.url)
    gone, unknown = _sweep_job(sweeper.url), _sweep_job("http://sweeper.invalid")
    for done in (broken, gone, unknown):
        assert done.returncode == 1
        assert re.fullmatch(r"http://.*/functions/sweeper cannot be reached, or broke off: .+\n", done.stderr), (
            done.stderr
        )
    odd = _sweep_job(sweeper.url, TOKEN="planted\ntoken")
    assert odd.stderr.startswith("SWEEP_TOKEN: expected one line")
    assert "planted" not in odd.stderr


@pytest.mark.fault(96)
def test_a_failed_sweep_leaves_nothing_for_long() -> None:
    """Also where no later one follows: the CronJob is suspended, or the sweeper is not there."""
    job = _job("sweep")
    assert job["spec"]["failedJobsHistoryLimit"] == 1
    assert job["spec"]["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] <= 3600


def test_what_ends_everything_never_runs_by_itself() -> None:
    """knative/leave.sh makes a Job of it, with the rights of the sweeper, whose work it does."""
    leave = _job("leave")
    [pod] = _pods(leave)
    assert (leave["spec"]["suspend"], pod["serviceAccountName"]) == (True, "sweeper")
    [container] = pod["containers"]
    assert container["command"] == ["python3", "-m", "common.sweep.leave"]
    text = (KNATIVE / "leave.sh").read_text(encoding="utf-8")
    assert "--from=cronjob/leave" in text
    starts = {one["metadata"]["name"] for one in _of("Service", "functions")} - {
        "tasks",
        "cancel",
        "metrics",
        "console",
    }
    assert set(re.findall(r"--ignore-not-found (\w+(?: \w+)+)$", text, re.MULTILINE)[0].split()) == starts


def _patched(target: dict[str, str]) -> list[dict[str, Any]]:
    """The objects that kustomize would choose; the ConfigMap is generated."""
    if target["kind"] == "ConfigMap":
        return [{"metadata": {"name": "sync-settings"}, "data": {}}]
    found = [one for one in _of(target["kind"]) if one["apiVersion"].startswith(target.get("group", ""))]
    return [one for one in found if re.fullmatch(target.get("name", ".*"), one["metadata"]["name"])]


def _parent(place: Any, path: str) -> Any:
    parts = [int(part) if part.isdigit() else part for part in path.split("/")[1:-1]]
    return reduce(lambda inner, part: inner[part], parts, place)


@pytest.mark.parametrize("guide", ["move-from-sync-controller", "operate"])
def test_the_patches_of_a_guide_fit_the_files(guide: str) -> None:
    """They name objects that are there, and places within them where nothing is yet."""
    text = (ROOT / f"docs/how-to/{guide}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    patches = [patch for block in blocks for patch in yaml.safe_load(textwrap.dedent(block))]
    assert patches
    for patch in patches:
        objects, change = _patched(patch["target"]), yaml.safe_load(patch["patch"])
        assert objects, patch["target"]
        for step in change if isinstance(change, list) else []:
            for one in objects:
                parent, name = _parent(one, step["path"]), step["path"].rsplit("/", 1)[1]
                assert name == "-" if isinstance(parent, list) else name not in parent, step["path"]
