"""docs/how-to/pod-templates.md: its example is accepted, and its refusal is the one that is shown."""

import re

import pytest

from common.errors import SettingsError
from common.pods import manifest
from common.pods.manifest import Payload
from common.protocol.commands import Command
from common.settings import Settings
from common.store import Task
from tests.support.docs import ROOT
from tests.support.wire import pod_settings

HOW_TO = (ROOT / "docs/how-to/pod-templates.md").read_text(encoding="utf-8")


def test_the_example_is_accepted_and_reaches_a_pod() -> None:
    """Each of its entries."""
    [example, _] = re.findall(r"```yaml\n(.*?)```", HOW_TO, re.DOTALL)
    settings = pod_settings(pod_templates=example)
    task = Task(Command.CHECK, "t", "registry.example.com/team/source-own", "1", storage_key="k")
    source = manifest.pod(task, Payload(b"{}"), settings)["spec"]["containers"][1]
    assert source["resources"]["limits"]["memory"] == "6Gi"
    assert "SSL_CERT_FILE" in {variable["name"] for variable in source["env"]}
    assert len(settings.pod_templates) == 4


def test_the_refusal_is_the_one_that_is_shown() -> None:
    """Word by word."""
    shown = re.search(r"^Settings are not usable.*$", HOW_TO, re.MULTILINE)
    assert shown
    text = "[{}, {spec: {containers: [{name: source, command: [x]}]}}]"
    with pytest.raises(SettingsError) as caught:
        Settings.load({"SYNCCTL_POD_TEMPLATES": text, "SYNCCTL_RAW_AUTH_TOKENS": "t"})
    assert str(caught.value) == shown[0]


def test_every_folder_of_a_task_s_own_is_named() -> None:
    """As places where nothing can be mounted."""
    from common import pod_templates

    assert set(re.findall(r"`/(\w+)`", HOW_TO)) == pod_templates.VOLUMES
