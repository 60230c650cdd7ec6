"""common.syncs.manifest: a low-code connector's manifest in place of an image."""

import json
from typing import Any

import pytest

from common.syncs import manifest
from common.syncs.check import check
from common.syncs.model import Sync
from common.syncs.validate import Rules, references

HEAD = "apiVersion: sync-functions.dev/v1alpha1\nkind: Sync\nmetadata: {name: nightly}\nspec:\n"
MANIFEST = """\
  manifest:
    version: 6.5.2
    type: DeclarativeSource
    check: {type: CheckStream, stream_names: [posts]}
    streams:
      - type: DeclarativeStream
        name: posts
        primary_key: null
        retriever:
          type: SimpleRetriever
          requester: {type: HttpRequester, url_base: "https://api.example.com", path: /posts}
          record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
        schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {valueFrom: {type: string}}}}
"""
REFERENCE = "{valueFrom: {secretKeyRef: {name: credentials-api, key: token}}}"
CONFIG = f"  config: {{token: {REFERENCE}}}\n"


def problems(spec: str, rules: Rules | None = None) -> list[str]:
    return [str(problem) for problem in check({"a.yaml": (HEAD + spec).encode()}, rules or Rules()).problems]


def declared(spec: str) -> Sync:
    found = check({"a.yaml": (HEAD + spec).encode()}, Rules())
    assert not found.problems
    return found.syncs[0].sync


def test_a_manifest_needs_no_image() -> None:
    """The CDK's own image runs it, in a known version; an image beside it is another one."""
    assert declared(MANIFEST).spec.image == manifest.IMAGE
    mirror = "  image: registry.example.com/airbyte/source-declarative-manifest:7.0.0\n"
    assert declared(mirror + MANIFEST).spec.image == "registry.example.com/airbyte/source-declarative-manifest:7.0.0"


def test_one_of_both_is_needed() -> None:
    """The message names the field that most syncs have."""
    assert problems("  config: {}\n") == ["a.yaml:4: spec.image: expected a value; it is missing"]


def test_the_connector_is_given_the_manifest_in_its_configuration() -> None:
    """Where the CDK looks for it; references stay as they are written, nulls too."""
    spec = declared(MANIFEST + CONFIG).spec
    assert spec.manifest is not None
    assert spec.connector_config == {**spec.config, "__injected_declarative_manifest": spec.manifest}
    assert spec.manifest["streams"][0]["primary_key"] is None
    without = declared("  image: a/b:1\n  config: {x: 1}\n").spec
    assert without.connector_config == {"x": 1}


@pytest.mark.fault(392)
def test_a_manifest_holds_no_references() -> None:
    """A column may be called valueFrom; what looks like a reference belongs into the configuration."""
    assert [one.secret for one in references(declared(MANIFEST + CONFIG))] == ["credentials-api"]
    wrong = MANIFEST.replace("https://api.example.com", "x").replace('"x"', REFERENCE)
    [problem] = problems(wrong)
    assert problem == (
        "a.yaml:15: spec.manifest.streams[0].retriever.requester.url_base: expected a text; a reference to a Secret "
        "goes into the configuration, which a manifest reads: {{ config['NAME'] }}"
    )


@pytest.mark.parametrize(
    ("written", "instead", "expected"),
    [
        ("    version: 6.5.2\n", "", "a.yaml:5: spec.manifest.version: expected a version in quotes, such as \"6.5.2\""),
        ("version: 6.5.2", "version: 6.5", "a.yaml:6: spec.manifest.version: expected a version in quotes, such as \"6.5.2\""),
        ("version: 6.5.2", "version: 99.0.0", f"a.yaml:6: spec.manifest.version: expected at most {manifest.VERSION}, the version of its image"),
        ("type: DeclarativeSource", "type: Source", "a.yaml:7: spec.manifest.type: expected DeclarativeSource"),
        ("check: {type: CheckStream, stream_names: [posts]}", "check: posts", "a.yaml:8: spec.manifest.check: expected a mapping with type"),
        ("    streams:", "    stream:", "a.yaml:5: spec.manifest.streams: expected a list of streams; or give dynamic_streams"),
    ],
)  # fmt: skip
def test_what_no_cdk_reads_is_refused(written: str, instead: str, expected: str) -> None:
    """The connector itself checks the rest, at its first run."""
    assert problems(MANIFEST.replace(written, instead, 1)) == [expected]


def test_a_newer_image_reads_newer_manifests() -> None:
    """A tag that is no version, or a digest, tells nothing."""
    newer = MANIFEST.replace("6.5.2", "99.0.0")
    assert problems(f"  image: airbyte/source-declarative-manifest:99.1.0\n{newer}") == []
    assert problems(f"  image: airbyte/source-declarative-manifest:latest\n{newer}") == []


@pytest.mark.fault(392)
def test_python_code_is_not_run() -> None:
    """Components of one's own are classes, which the CDK imports only where the image has and trusts them."""
    custom = MANIFEST.replace(
        "{type: DpathExtractor, field_path: []}", "{type: CustomRecordExtractor, class_name: components.Rows}"
    )
    [problem] = problems(custom)
    assert problem == (
        "a.yaml:16: spec.manifest.streams[0].retriever.record_selector.extractor: expected a component of the CDK; "
        "CustomRecordExtractor is Python code, which a manifest alone does not bring: name an image that has it and the "
        "variable AIRBYTE_ENABLE_UNSAFE_CODE=true"
    )
    assert problems('  env: [{name: AIRBYTE_ENABLE_UNSAFE_CODE, value: "true"}]\n' + custom) == []
    assert problems("  image: me/source-mine:1\n" + custom) == []


def test_the_configuration_does_not_bring_a_second_one() -> None:
    """It would be replaced."""
    found = problems(MANIFEST + "  config: {__injected_declarative_manifest: {}}\n")
    assert found == [
        "a.yaml:18: spec.config.__injected_declarative_manifest: expected no such key beside spec.manifest"
    ]


def test_the_image_has_to_be_allowed() -> None:
    """SYNCCTL_ALLOWED_IMAGES counts for the CDK's image, too."""
    [problem] = problems(MANIFEST, Rules(allowed_images="airbyte/source-faker"))
    assert problem.startswith(
        "a.yaml:4: spec.image: expected another image: airbyte/source-declarative-manifest is not"
    )


@pytest.mark.parametrize("value", ["[]", "text", "5"])
def test_it_is_a_mapping(value: str) -> None:
    """As YAML, never as a text that holds YAML."""
    [problem] = problems(f"  manifest: {value}\n")
    assert problem.startswith("a.yaml:5: spec.manifest: expected a ")


def test_what_it_adds_is_json() -> None:
    """The whole configuration can be sent."""
    spec: Any = declared(MANIFEST + CONFIG).spec
    assert json.loads(json.dumps(spec.connector_config)) == spec.connector_config
