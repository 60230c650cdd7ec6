"""What settings and documents add to task pods, and what the real kubelet makes of it."""

import base64
import hashlib
import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.cluster import declared, kube
from tests.cluster.declared import ended, reference, runs
from tests.cluster.kube import TASKS
from tests.cluster.stack import TEST, TEST_VERSION, Stack, catalog, ids, started, variant

pytestmark = [pytest.mark.usefixtures("connectors"), pytest.mark.timeout(600)]

VALUE = f"in-a-secret-{uuid4().hex}"


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


@pytest.fixture
def secret() -> Iterator[str]:
    """A Secret with a value that no log may show."""
    with declared.secret(password=VALUE) as name:
        yield name


@pytest.fixture
def certificates() -> Iterator[str]:
    """A ConfigMap with a file."""
    name = "company-ca"
    metadata = {"name": name, "namespace": TASKS}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "a certificate"}})
    yield name
    kube.kubectl("delete", "configmap", name, "-n", TASKS)


def test_a_pod_template_reaches_the_connector(deployed: Stack, secret: str, certificates: str) -> None:
    """Labels, a file, a plain variable and a Secret's; the Secret's value is masked in what the connector prints."""
    source = {
        "name": "source",
        "env": [{"name": "PLAIN", "value": "plain"}, {"name": "PROXY", **reference(secret)}],
        "volumeMounts": [{"name": "ca", "mountPath": "/etc/company", "readOnly": True}],
    }
    template = {
        "images": "dev.local/source-*",
        "metadata": {"labels": {"cost-centre": "data"}},
        "spec": {"volumes": [{"name": "ca", "configMap": {"name": certificates}}], "containers": [source]},
    }
    with variant("read", "read-template", SYNCCTL_POD_TEMPLATES=yaml.safe_dump([template])):
        shows = ["PLAIN", "PROXY", "/etc/company/ca.crt"]
        task = deployed.start("rows", "read-template", shows=shows, says=VALUE, every=1, pause=0.5)["taskId"]
        assert started(task)["metadata"]["labels"]["cost-centre"] == "data"
        assert deployed.ended(task)["status"] == "SUCCESS"
    log = declared.log(deployed, task)
    for value in ("plain", VALUE, "a certificate"):
        assert _hash(value) in log
    assert VALUE not in log


def test_a_document_s_variables_and_order(deployed: Stack, secret: str) -> None:
    """A sync's own `env` with a Secret's value; once it has succeeded, the sync that comes `after` it runs by itself."""
    env = [{"name": "PLAIN", "value": "plain"}, {"name": "KEY", **reference(secret)}]
    config = {"do": "rows", "shows": ["PLAIN", "KEY"]}
    with declared.declared(config=config, env=env) as first, declared.declared(after=[first]) as second:
        kube.wait_for("both are seen", lambda: all(declared.status(name).get("state") for name in (first, second)), 70)
        task = declared.run(deployed, first)
        assert ended(deployed, task)["state"] == "SUCCESS"
        log = declared.log(deployed, task)
        assert (_hash("plain") in log, _hash(VALUE) in log) == (True, True)
        [after] = kube.wait_for("the run after it", lambda: runs(deployed, second), 90)
        assert ended(deployed, after["task_id"])["state"] == "SUCCESS"
        assert len(runs(deployed, second)) == 1


def test_what_a_connector_changes_is_kept_encrypted(deployed: Stack) -> None:
    """With a key it is never in a table in the clear; the sync's next read has it."""
    password, given = f"first-{uuid4().hex}", {"package": TEST, "version": TEST_VERSION, **ids()}
    body = {"config": {"do": "rotate", "password": password}, "catalog": catalog("plants")}
    encrypted = "SELECT config FROM syncctl.syncctl_changed_config WHERE config LIKE 'fernet:%'"
    before = len(deployed.rows(encrypted))
    with variant("read", "read-key", SYNCCTL_ENCRYPTION_KEY=base64.b64encode(os.urandom(32)).decode()):
        for expected in (password, f"{password}-next"):
            given["taskId"] = str(uuid4())
            assert deployed.call("read-key", "POST", body, **given).status_code == 200
            assert deployed.ended(given["taskId"])["status"] == "SUCCESS"
            assert _hash(expected) in declared.log(deployed, given["taskId"])
    assert len(deployed.rows(encrypted)) == before + 1
    clear = f"SELECT 1 FROM syncctl.syncctl_changed_config WHERE config LIKE '%{password}%'"
    assert deployed.rows(clear) == []
