"""What contracts declare of metrics, and how a run keeps it."""

from __future__ import annotations

import pytest

from waypost.contracts.component import EntryPoint, parse_component
from waypost.contracts.metrics import Metric, MetricFacts, metric_tags, metrics_in
from waypost.errors import FindingsError

CONTRACT = "name: c\nentry_points:\n  main:\n    command: x\n    metrics: "


def metrics_of(text: str) -> dict[str, Metric]:
    return parse_component(CONTRACT + text, "c/MLproject").entry_points["main"].metrics


def test_both_forms() -> None:
    """A text describes a metric and declares nothing; a mapping declares direction, kind and unit."""
    found = metrics_of("{a: how far off, b: {description: d, better: lower, kind: quality, unit: '%'}}")
    assert found["a"] == Metric(description="how far off")
    assert found["b"].facts == MetricFacts(better="lower", kind="quality", unit="%")
    assert str(found["b"].facts) == "quality, lower is better, in %"
    assert str(found["a"].facts) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a: {better: less}}", "metrics.a.better: Input should be 'lower'"),
        ("{a: {kind: speed}}", "metrics.a.kind: Input should be 'quality', 'time'"),
        ("{a: {bettr: lower}}", "did you mean 'better'?"),
    ],
)
def test_slips_are_told(text: str, message: str) -> None:
    """A side, a kind or a key that there is not is told with its place."""
    with pytest.raises(FindingsError, match=message.replace("?", r"\?")):
        metrics_of(text)


def test_readers_of_documents_still_get_texts() -> None:
    """In JSON a metric is its description, as for engines of 1.0; what is declared stands beside it."""
    entry_point = EntryPoint.model_validate(
        {"command": "x", "metrics": {"a": {"better": "lower"}, "b": "text"}}
    )
    content = entry_point.model_dump(mode="json")
    assert content["metrics"] == {"a": "", "b": "text"}
    assert content["metric_facts"]["a"] == {"better": "lower", "kind": "", "unit": ""}


def test_a_run_keeps_what_is_declared() -> None:
    """The tags of a run give the facts back in the contract's order, however many there are."""
    metrics = {f"metric {n:04}": Metric(description="d" * 99, better="lower") for n in range(999, 0, -1)}
    tags = metric_tags(metrics)
    assert len(tags) > 1
    assert all(len(text) <= 5000 for text in tags.values())
    assert list(metrics_in(tags)) == list(metrics)
    assert set(metrics_in(tags).values()) == {MetricFacts(better="lower")}
    assert metric_tags({}) == {}
    assert metric_tags({"a": Metric(unit="s"), "b": Metric()}) == {
        "waypost.metrics.1": '{"a": {"unit": "s"}, "b": {}}'
    }


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"a": 1}', '{"a": {"better": "up"}}', '{"a": {}, "a": {}}', "7"]
)
def test_tags_of_others_say_nothing(text: str) -> None:
    """A tag that anybody wrote and that does not read is as good as none."""
    assert metrics_in({"waypost.metrics.1": text}) == {}
