"""A document as runs need it."""

from datetime import UTC, datetime

from common.runs.declared import Invalid, read
from common.syncs.validate import Rules
from tests.support.syncs import declared, document


def test_a_document_and_what_follows_from_it() -> None:
    """Its id is its name; image, deadline and the age of a discovery have defaults."""
    one = declared(schedule="@daily", timeZone="Europe/Berlin")
    assert (one.name, one.sync_id, one.image.package, one.image.version) == (
        "nightly",
        "nightly",
        "airbyte/source-faker",
        "7.2.1",
    )
    assert one.created == datetime(2026, 11, 29, tzinfo=UTC)
    assert (one.deadline_seconds, one.discover_hours) == (600, 24)
    other = declared(syncId="a/b", discoverHours=0, startingDeadlineSeconds=5)
    assert (other.sync_id, other.discover_hours, other.deadline_seconds) == ("a/b", 0, 5)


def test_discoveries_are_of_an_image_and_a_configuration() -> None:
    """Another name, schedule or stream does not ask for another discovery; whatever the source may go by does."""
    same = declared("other", schedule="@daily", streams=[{"name": "s"}], config={"b": 1, "a": 2})
    one = declared(config={"a": 2, "b": 1})
    assert one.storage_key == same.storage_key
    others = [
        declared(config={"a": 3, "b": 1}),
        declared(config={"a": 2, "b": 1}, env=[{"name": "X", "value": "1"}]),
        declared(config={"a": 2, "b": 1}, image="airbyte/source-faker:7.2.2"),
    ]
    assert len({each.storage_key for each in [one, *others]}) == 4


def test_a_document_that_cannot_run_says_why_by_field() -> None:
    """Somebody may have written it past all checks."""
    found = read(document(image="nope", schedule="* * *", config={"k": {"valueFrom": 1}}), Rules())
    assert isinstance(found, Invalid)
    assert found.name == "nightly"
    assert "spec.schedule: expected" in found.why
    assert "spec.image: expected" in found.why
    assert isinstance(read(document(image="airbyte/source-x:1"), Rules(allowed_images="corp/*")), Invalid)
    assert isinstance(read({"metadata": {"name": "x"}}, Rules()), Invalid)
