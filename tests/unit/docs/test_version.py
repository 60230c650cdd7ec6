"""The project's version stands in common/__init__.py; what cannot read it there repeats it, and is compared here."""

import re
from importlib.metadata import version

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common import VERSION
from tests.support.docs import ROOT

_FOLDERS = ("bench", "common", "docs", "embedded", "images", "knative", "scripts", "syncctl", "tests")
_TAG = re.compile(r"sync-functions/(?:functions|sidecar|development):[0-9]")


def test_the_package_has_the_version() -> None:
    """Hatch reads it at the installation."""
    assert version("sync-functions") == VERSION


@pytest.mark.parametrize("name", ["sync-functions/functions", "sync-functions/sidecar"])
def test_the_deployment_s_images_have_the_version(name: str) -> None:
    """kustomize can only read its own files."""
    base = yaml.safe_load((ROOT / "knative/base/kustomization.yaml").read_text(encoding="utf-8"))
    assert {"name": name, "newTag": VERSION} in base["images"]


def test_the_deployment_s_objects_are_labelled_with_the_version() -> None:
    """The component that labels them is a file of its own."""
    labels = yaml.safe_load((ROOT / "knative/labels/kustomization.yaml").read_text(encoding="utf-8"))["labels"]
    assert labels[0]["pairs"]["app.kubernetes.io/version"] == VERSION


def test_the_newest_changes_are_the_version_s() -> None:
    """CHANGELOG.md begins with them."""
    found = re.search(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    assert found[1] in {VERSION, "Unreleased"}


def test_no_other_file_names_an_image_of_ours_with_a_version() -> None:
    """A release changes common/__init__.py, knative/base and labels/kustomization.yaml, and CHANGELOG.md."""
    files = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.*")]
    texts = {path: path.read_text(encoding="utf-8") for path in files if path.suffix in {".md", ".py", ".yaml"}}
    assert [path for path, text in texts.items() if _TAG.search(text)] == []
