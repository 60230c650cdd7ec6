"""docs/reference/metrics.md, the dashboard and the alerts against the metrics that there are."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from common.metrics.definitions import METRICS, Kind
from common.store.totals import BOUNDS, MOST_SYNCS
from tests.support.docs import ROOT, read

PAGE = read("docs/reference/metrics.md")
FOLDER = ROOT / "knative/observability"
_NAMES = {
    name
    for metric in METRICS
    for name in (
        [f"{metric.prometheus}_{part}" for part in ("bucket", "sum", "count")]
        if metric.kind is Kind.HISTOGRAM
        else [metric.prometheus]
    )
}
_LABELS = {label for metric in METRICS for label in metric.labels} | {"le"}


def _queries() -> Iterator[Any]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        yield from (pytest.param(one["expr"], id=panel["title"]) for one in panel["targets"])
    rules = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
    for rule in (rule for group in rules["spec"]["groups"] for rule in group["rules"]):
        yield pytest.param(rule["expr"], id=rule["alert"])
    for block in re.findall(r"```promql\n(.*?)```", read("docs/how-to/measure.md"), re.DOTALL):
        yield from (pytest.param(line, id=line) for line in block.splitlines())


@pytest.mark.parametrize("query", list(_queries()))
def test_a_query_asks_for_what_there_is(query: str) -> None:
    """Names and labels; that Prometheus understands the rest was tried with one."""
    assert set(re.findall(r"\bsyncctl_\w+", query)) <= _NAMES
    assert re.search(r"\bsyncctl_\w+", query)
    for labels in re.findall(r"(?:by|on) \(([^)]*)\)", query):
        assert set(labels.split(", ")) <= _LABELS
    assert set(re.findall(r"(\w+)(?:=~|!=|=)\"", query)) <= _LABELS


def test_the_reference_is_the_table_of_definitions() -> None:
    """Names, kinds, labels and words; the message shows the table to paste."""
    lines = ["| name | kind | labels | what | pushed as |", "|---|---|---|---|---|"]
    for one in METRICS:
        labels = ", ".join(f"`{label}`" for label in one.labels) or "-"
        lines.append(f"| `{one.prometheus}` | {one.kind} | {labels} | {one.text} | `{one.name}` |")
    table = "\n".join(lines)
    assert f"\n{table}\n" in PAGE, f"The table of metrics.md must be:\n\n{table}\n"
    for name, bounds in BOUNDS.items():
        assert f"`{name}`: {', '.join(map(str, bounds))}." in PAGE
    assert f"{MOST_SYNCS:,} syncs" in PAGE


def test_names_follow_the_conventions() -> None:
    """Of Prometheus and of OpenTelemetry: one prefix, base units, _total for counters alone."""
    for one in METRICS:
        assert re.fullmatch(r"syncctl(\.[a-z]+(_[a-z]+)*)+", one.name)
        assert one.prometheus.endswith("_total") == (one.kind is Kind.COUNTER)
        assert all(re.fullmatch("[a-z_]+", label) for label in one.labels)
        assert one.text.endswith(".")
    assert len({one.prometheus for one in METRICS}) == len(METRICS)
