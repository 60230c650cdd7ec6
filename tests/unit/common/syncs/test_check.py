"""common.syncs.check: files to syncs, or each problem at its file, line and field."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.images import Image
from common.notify import Ending
from common.pods import manifest
from common.protocol.commands import Command
from common.store import Task
from common.syncs import secrets
from common.syncs.check import MAX_PROBLEMS, Checked, check, unknown_after
from common.syncs.model import Sync, Write
from common.syncs.validate import Rules, references, validate

HEAD = "apiVersion: sync-functions.dev/v1alpha1\nkind: Sync\nmetadata: {name: nightly}\n"
MINIMAL = f"{HEAD}spec:\n  image: airbyte/source-faker:7.2.1\n"
FULL = f"""{HEAD}spec:
  syncId: shop/users
  image: airbyte/source-faker:7.2.1
  config:
    count: 1000
    start_date: 2026-11-29
    api_key: {{valueFrom: {{secretKeyRef: {{name: credentials-faker, key: api-key}}}}}}
  streams:
    - {{name: users, namespace: shop, mode: incremental, write: append_dedup, cursor: [updated_at], key: [[id]], table: shop_users}}
    - {{name: purchases}}
  prefix: demo_
  schedule: "0 * * * *"
  timeZone: Europe/Berlin
  suspend: false
  startingDeadlineSeconds: 600
  discoverHours: 24
  after: [customers]
  resources: {{limits: {{memory: 4Gi, cpu: 2}}}}
  env:
    - {{name: LOG_LEVEL, value: INFO}}
    - {{name: PROXY, valueFrom: {{secretKeyRef: {{name: credentials-proxy, key: url}}}}}}
  nodeSelector: {{disk: ssd}}
  tolerations: [{{key: spot, operator: Exists, effect: NoSchedule}}]
  retries: 2
  timeoutHours: 5
  stallTimeoutSeconds: 600
  notify: [{{webhook: {{url: {{valueFrom: {{secretKeyRef: {{name: credentials-chat, key: url}}}}}}}}, when: [failed, recovered]}}]
"""


DEFAULT = Rules()


def checked(*texts: str, rules: Rules = DEFAULT) -> Checked:
    return check({f"{number}.yaml": text.encode() for number, text in enumerate(texts)}, rules)


def problems(*texts: str, rules: Rules = DEFAULT) -> list[str]:
    return [str(problem) for problem in checked(*texts, rules=rules).problems]


def test_a_whole_document_becomes_typed_data() -> None:
    """Each field of the design; amounts are texts, and the configuration is what was written."""
    [declared] = checked(FULL).syncs
    spec = declared.sync.spec
    assert (declared.name, declared.place, spec.sync_id, spec.time_zone) == (
        "nightly",
        "0.yaml:1",
        "shop/users",
        "Europe/Berlin",
    )
    assert spec.streams is not None
    assert (spec.streams[0].write, spec.streams[0].key) == (Write.APPEND_DEDUP, [["id"]])
    assert (spec.config["count"], spec.config["start_date"]) == (1000, "2026-11-29")
    assert spec.resources is not None
    assert spec.resources.limits is not None
    assert spec.resources.limits.cpu == "2"
    assert spec.notify is not None
    assert spec.notify[0].when == [Ending.FAILED, Ending.RECOVERED]


def test_references_are_found_wherever_they_are() -> None:
    """In the configuration, in variables and in webhooks."""
    found = [(one.secret, one.key) for one in references(checked(FULL).syncs[0].sync)]
    assert found == [("credentials-faker", "api-key"), ("credentials-proxy", "url"), ("credentials-chat", "url")]


def test_little_is_needed() -> None:
    """A name and an image; and what kubectl shows of an object can be read back."""
    assert checked(MINIMAL).problems == ()
    shown = MINIMAL.replace("{name: nightly}", "{name: nightly, uid: x, generation: 3, managedFields: [{a: 1}]}")
    assert problems(f"{shown}status: {{state: SUCCESS, nextRun: 2026-11-30T03:00:00Z, later: x}}\n") == []


WRONG_FIELDS: list[tuple[str, str]] = [
    ("  imgae: x", "6: spec.imgae: unknown field; did you mean image?"),
    ("  time_zone: UTC", "6: spec.time_zone: unknown field; did you mean timeZone?"),
    ("  schedule: 0 0 31 2 *", '6: spec.schedule: expected a schedule that comes; "0 0 31 2 *" never does'),
    ("  schedule: hourly", "6: spec.schedule: expected five fields such as"),
    ("  schedule: 5", "6: spec.schedule: expected a text; put it in quotes"),
    ("  schedule:", "6: spec.schedule: expected a value; leave the field out"),
    ("  timeZone: Europe/Berln", "6: spec.timeZone: expected the name of a time zone, such as Europe/Berlin or UTC; did you mean Europe/Berlin?"),
    ("  suspend: 'true'", "6: spec.suspend: expected true or false"),
    ("  retries: -1", "6: spec.retries: expected 0 or more"),
    ("  retries: 1.5", "6: spec.retries: expected a whole number"),
    ("  startingDeadlineSeconds: 604801", "6: spec.startingDeadlineSeconds: expected 604,800 or less"),
    ("  prefix: \"a\\nb\"", "6: spec.prefix: expected 1 to 200 printable characters"),
    ("  syncId: a/../b", "6: spec.syncId: expected at most 200 printable characters, no part between slashes empty"),
    ("  after: customers", "6: spec.after: expected a list"),
    ("  after: [nightly]", "6: spec.after: expected other syncs; it would start itself"),
    ("  streams: []", "6: spec.streams: expected at least one entry; or leave it out"),
    ("  streams:\n    - {name: a}\n    - {mode: fast}", "8: spec.streams[1].mode: expected full_refresh or incremental"),
    ("  streams:\n    - {name: a}\n    - {mode: incremental}", "8: spec.streams[1].name: expected a value; it is missing"),
    ("  streams:\n    - a", "7: spec.streams[0]: expected a mapping"),
    ("  streams: [{name: a, mode: incremental, write: overwrite}]", "6: spec.streams[0]: expected write append or append_dedup"),
    ("  streams: [{name: a}, {name: a}]", "6: spec.streams: expected streams that share nothing: the streams 'a' (no namespace)"),
    ("  streams: [{name: a, table: t}, {name: b, table: t}]", "give one of them a table of its own"),
    ("  resources: {limits: {cpu: 0.5}}", '6: spec.resources.limits.cpu: expected an amount such as "500m" or 4Gi'),
    ("  env: [{name: A}]", "6: spec.env[0]: expected either value or valueFrom"),
    ("  env: [{name: A, value: 5}]", "6: spec.env[0].value: expected a text; put it in quotes"),
    ("  notify:\n    - webhook: {url: https://example.com}\n      when: [failed]", "7: spec.notify[0].webhook.url: expected a mapping"),
    ("  notify:\n    - when: [failed]\n      on: [failed]", '8: spec.notify[0]: expected the key "on" in quotes'),
    ("  config:", "6: spec.config: expected a value; leave the field out"),
    ("  config: [1]", "6: spec.config: expected a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "expected"), WRONG_FIELDS)
@pytest.mark.fault(276)
def test_a_wrong_field_is_named_with_its_line(field: str, expected: str) -> None:
    """And nothing else is reported: no sync comes out."""
    found = checked(f"{MINIMAL}{field}\n")
    assert found.syncs == ()
    assert any(expected in str(problem) for problem in found.problems), list(map(str, found.problems))
    assert all(str(problem).startswith("0.yaml:") for problem in found.problems)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("v1alpha1", "v1"), "0.yaml:1: apiVersion: expected sync-functions.dev/v1alpha1"),
        (("kind: Sync", "kind: Secret"), "0.yaml:2: kind: expected Sync"),
        (("kind: Sync\n", ""), "0.yaml:1: kind: expected Sync"),
        (("nightly", "Nightly"), "0.yaml:3: metadata.name: expected at most 63 lower-case letters"),
        (("nightly", "n" * 300), "0.yaml:3: metadata.name: expected at most 63 lower-case letters"),
        (("nightly", "..."), "0.yaml:3: metadata.name: expected at most 63 lower-case letters"),
        (("{name: nightly}", "{}"), "0.yaml:3: metadata.name: expected a value; it is missing"),
        (("airbyte/source-faker:7.2.1", "airbyte/source-faker"), "0.yaml:5: spec.image: expected an image with a version"),
        (("airbyte/source-faker:7.2.1", "../x:1"), "0.yaml:5: spec.image: expected an image with a version"),
        ((MINIMAL, "[1, 2]"), "0.yaml:1: expected a mapping with apiVersion, kind, metadata and spec"),
    ],
)  # fmt: skip
@pytest.mark.fault(276)
def test_another_document_is_refused(change: tuple[str, str], expected: str) -> None:
    """Version, kind, name and image, in one sentence each."""
    [found] = problems(MINIMAL.replace(*change))
    assert found.startswith(expected)


def _config(value: str) -> str:
    return f"{MINIMAL}  config:\n    a: 1\n    key: {value}\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{valueFrom: {secretKeyRef: {name: sync-secrets, key: a}}}", ".valueFrom.secretKeyRef.name: expected a Secret called credentials-* (SYNCCTL_SECRETS)"),
        ("{valueFrom: {secretKeyRef: {name: credentials-a}}}", ".valueFrom.secretKeyRef.key: expected a value; it is missing"),
        ("{valueFrom: {configMapKeyRef: {name: a, key: b}}}", ".valueFrom.configMapKeyRef: unknown field; expected secretKeyRef"),
        ("{valueFrom: {secretKeyRef: {name: credentials-a, key: b, optional: true}}}", ".optional: unknown field"),
        ("{valueFrom: hunter2}", ".valueFrom: expected a mapping"),
        ("{valueFrom: {secretKeyRef: {name: credentials-a, key: b}}, other: 1}", ".other: unknown field"),
        ("[[{valueFrom: {secretKeyRef: {name: ../a, key: b}}}]]", "[0][0].valueFrom.secretKeyRef.name: expected the name of a Secret"),
    ],
)  # fmt: skip
@pytest.mark.fault(277)
def test_a_reference_that_is_wrong_or_not_allowed_is_refused(value: str, expected: str) -> None:
    """At its place within the configuration; the value is not repeated."""
    found = problems(_config(value))
    assert any(text.startswith("0.yaml:8: spec.config.key") and expected in text for text in found), found
    assert "hunter2" not in "".join(found)


@pytest.mark.fault(316)
@pytest.mark.parametrize("name", ["AIRBYTE_ENTRYPOINT", "MOUNT_CONFIG"])
def test_variables_of_the_pod_s_own_are_refused(name: str) -> None:
    """What runs is the image's, which the operator may have limited; the CRD refuses them as well."""
    [problem] = problems(f"{MINIMAL}  env: [{{name: {name}, value: x}}]")
    assert "spec.env[0]: expected another variable" in problem


@pytest.mark.fault(277)
def test_the_secret_of_a_task_is_never_allowed() -> None:
    """Whatever the setting is: it holds another sync's configuration. The names are those that manifests have."""
    image = Image("airbyte/source-faker", "7.2.1")
    pod = manifest.pod_name(Task(Command.READ, "t", image.package, image.version, "s", "", ""))
    for name in (manifest.secret_name(pod), manifest.resume_secret_name(pod)):
        [found] = problems(
            _config(f"{{valueFrom: {{secretKeyRef: {{name: {name}, key: a}}}}}}"), rules=Rules(secrets="*")
        )
        assert found.endswith("expected a Secret of yours; this one belongs to a task")


@pytest.mark.parametrize(
    ("patterns", "name", "allowed"),
    [
        ("credentials-*", "credentials-a", True),
        ("credentials-*", "my-credentials-a", False),
        ("credentials-*", "credentials", False),
        ("a, b-*", "b-c", True),
        ("a.c", "abc", False),
        ("", "credentials-a", False),
    ],
)
def test_patterns_of_secrets(patterns: str, name: str, allowed: bool) -> None:
    """A star alone is special; an empty list allows none."""
    assert (secrets.refusal(name, patterns) == "") is allowed


@pytest.mark.fault(277)
def test_an_image_outside_the_allow_list_is_refused() -> None:
    """Named with the setting, as a request is."""
    [found] = problems(MINIMAL, rules=Rules(allowed_images="airbyte/source-shop*"))
    assert found.startswith("0.yaml:5: spec.image: expected another image: airbyte/source-faker is not among")


@pytest.mark.fault(278)
def test_two_syncs_of_one_name_are_refused() -> None:
    """In one file or in two; the second names the place of the first."""
    assert problems(f"{MINIMAL}---\n{MINIMAL}", MINIMAL) == [
        "0.yaml:9: metadata.name: expected another name; 0.yaml:1 declares nightly",
        "1.yaml:3: metadata.name: expected another name; 0.yaml:1 declares nightly",
    ]


@pytest.mark.fault(278)
def test_two_syncs_of_one_id_are_refused() -> None:
    """They would share states; an id may be another one's name."""
    other = MINIMAL.replace("nightly", "hourly") + "  syncId: nightly\n"
    assert problems(MINIMAL, other) == [
        "1.yaml:6: spec.syncId: expected another syncId; 0.yaml:1 declares a sync with it"
    ]


@pytest.mark.fault(278)
def test_a_circle_of_syncs_is_refused() -> None:
    """They would start each other without end."""
    texts = [f"{MINIMAL.replace('nightly', one)}  after: [{two}]\n" for one, two in ("ab", "bc", "ca")]
    assert problems(*texts) == ["0.yaml:6: spec.after: expected no circle: a starts c starts b starts a"]


def test_a_sync_may_follow_one_that_is_declared_elsewhere() -> None:
    """It is named, and no problem."""
    assert unknown_after(checked(FULL).syncs) == ["customers"]


@pytest.mark.fault(279)
def test_a_megabyte_of_configuration_is_refused() -> None:
    """kubectl could not keep it; nor as many streams."""
    [found] = problems(f"{MINIMAL}  config: {{a: {'x' * 900_000}}}\n")
    assert "0.yaml:1: expected at most 250,000 bytes as JSON; found 900," in found
    [found] = problems(f"{MINIMAL}  streams:\n" + "".join(f"  - {{name: s{n}}}\n" for n in range(10_000)))
    assert found == "0.yaml:6: spec.streams: expected at most 2,000 entries"


@pytest.mark.fault(279)
def test_ten_thousand_problems_are_not_all_shown() -> None:
    """The first of them, and how many more there are."""
    found = problems(f"{MINIMAL}  streams:\n" + "".join(f"  - {{nam: s{n}}}\n" for n in range(1_000)))
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].endswith("and 1,950 more problems in this document")


def test_a_file_that_cannot_be_read_leaves_the_others() -> None:
    """Each file has its own problems."""
    found = checked("a: *b", MINIMAL)
    assert [problem.file for problem in found.problems] == ["0.yaml"]
    assert [one.name for one in found.syncs] == ["nightly"]


def test_what_came_through_json_is_checked_alike() -> None:
    """As from the cluster or over HTTP: without lines."""
    sync, findings = validate(
        json.loads(
            '{"apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync", "metadata": {"name": "a"}, "spec": {"image": 5}}'
        ),
        Rules(),
    )
    assert (sync, findings) == (None, {("spec", "image"): "expected a text; put it in quotes"})


def test_a_document_survives_its_own_output() -> None:
    """What the model writes, it reads."""
    [declared] = checked(FULL).syncs
    again = declared.sync.model_dump_json(by_alias=True, exclude_none=True)
    assert Sync.model_validate_json(again, strict=True) == declared.sync


KEYS = st.sampled_from(
    [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "name",
        "image",
        "config",
        "streams",
        "after",
        "valueFrom",
        "secretKeyRef",
        "schedule",
        "env",
        "x",
    ]
)
VALUES = st.sampled_from(["sync-functions.dev/v1alpha1", "Sync", "a", "airbyte/source-faker:7.2.1", "@daily", "UTC"])
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)


@given(st.dictionaries(KEYS, DATA, max_size=4))
def test_any_data_is_a_sync_or_has_findings(data: Mapping[str, Any]) -> None:
    """No other error comes out."""
    for one in (dict(data), {**data, "apiVersion": "sync-functions.dev/v1alpha1", "kind": "Sync"}):
        sync, findings = validate(one, Rules())
        assert (sync is None) == bool(findings)
