"""A contract's declarations about metrics: the better side, the kind of figure, the unit."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError

from waypost.errors import FindingsError
from waypost.texts.json_text import read_json
from waypost.texts.parsing import Strict

Side = Literal["lower", "higher"]
DeclaredSide = Literal["lower", "higher", ""]
Kind = Literal["quality", "time", "count", ""]
SYSTEM = "system/"
"""Prefix of the names of metrics about machine usage: they are in no record."""
SECONDS, CPU_SECONDS, PEAK_MEMORY = f"{SYSTEM}seconds", f"{SYSTEM}cpu_seconds", f"{SYSTEM}peak_memory_mb"
_TAG = "waypost.metrics"
_MOST = 5000  # length limit of tags on every tracking server


def is_finite(value: float | None) -> bool:
    """Returns whether a metric was measured and is a finite number: only such metrics can be compared.

    MLflow's databases keep an infinite value as the largest number there is.
    """
    return value is not None and abs(value) < sys.float_info.max


class MetricFacts(Strict):
    """Declarations of a figure. Empty ones are not declared, and never guessed.

    `quality` says how good a result is, `time` how long it took, and `count` how much there was. `interval`
    names the metrics with the ends of its interval.
    """

    better: DeclaredSide = ""
    kind: Kind = ""
    unit: Annotated[str, StringConstraints(max_length=40)] = ""
    interval: tuple[str, str] | None = Field(default=None, exclude_if=lambda value: value is None)

    def __str__(self) -> str:
        side = f"{self.better} is better" if self.better else ""
        return ", ".join(part for part in (self.kind, side, self.unit and f"in {self.unit}") if part)


class Metric(MetricFacts):
    """A figure that a step logs."""

    description: str = ""

    @property
    def facts(self) -> MetricFacts:
        return MetricFacts(better=self.better, kind=self.kind, unit=self.unit, interval=self.interval)


def _described_only(value: Any) -> Any:
    return {"description": value} if isinstance(value, str) else value


WrittenMetric = Annotated[Metric, BeforeValidator(_described_only, json_schema_input_type=str | Metric)]
"""`name: description` is the short form."""


def metric_tags(metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Returns the tags that declare the metrics of a step's run; several if there are many metrics."""
    entries = [
        f"{json.dumps(name)}: {json.dumps(metric.facts.model_dump(exclude_defaults=True))}"
        for name, metric in metrics.items()
    ]
    return {f"{_TAG}.{number}": text for number, text in enumerate(_packed(entries), 1)}


def _packed(entries: Iterable[str]) -> Iterator[str]:
    """Yields JSON mappings of the members, each at most as long as a tag may be."""
    found: list[str] = []
    for member in entries:
        if found and len(", ".join([*found, member])) > _MOST:
            yield f"{{{', '.join(found)}}}"
            found = []
        found.append(member)
    if found:
        yield f"{{{', '.join(found)}}}"


def metrics_in(tags: Mapping[str, str]) -> dict[str, MetricFacts]:
    """Returns the metrics declared in the tags of a step's run, in the contract's order.

    Anybody may write a tag: an unreadable one is ignored.
    """
    found: dict[str, MetricFacts] = {}
    number = 1
    while text := tags.get(f"{_TAG}.{number}"):
        with contextlib.suppress(FindingsError, ValidationError, AttributeError):
            facts = read_json(text, _TAG).items()
            found |= {name: MetricFacts.model_validate(fact) for name, fact in facts}
        number += 1
    return found
