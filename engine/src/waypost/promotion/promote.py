"""From a run to a registered model: gate, registration, alias; and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.gate import Threshold, find_metric, missed
from waypost.contracts.metrics import DeclaredSide
from waypost.contracts.provenance import DIRTY_TAG, OVERRIDES_TAG
from waypost.errors import FindingsError, UsageError
from waypost.inference.fetching import fetched_model
from waypost.inference.model_cache import ProvedModel, proved
from waypost.inference.probes import ColumnValues
from waypost.promotion.aliases import previous_of
from waypost.promotion.baseline import Comparison, comparison_findings, comparison_of
from waypost.promotion.card import card
from waypost.promotion.held_out import held_out_rows
from waypost.promotion.lineage import card_facts, lines_of, quality_metrics, version_tags
from waypost.sources.files import read_mlmodel
from waypost.system.scratch import scratch
from waypost.tracking.connection import tracking_errors
from waypost.tracking.origins import ModelOrigin
from waypost.tracking.registry import ModelVersion, Registry

_MOST_SHOWN = 4  # metrics, if the gate used none
_LONGEST_DESCRIPTION = 5000  # characters that the registry keeps


@dataclass(frozen=True)
class PromotionRequest:
    """What to promote (`target`: a run's id, or a release), and the conditions of the gate."""

    target: str
    name: str
    alias: str = "champion"
    thresholds: tuple[Threshold, ...] = ()
    better_than: str = ""
    metric: str = ""
    better: DeclaredSide = ""
    step: str = ""
    notes: str = ""
    is_trusted: bool = False
    any_data: bool = False


@dataclass(frozen=True)
class Promotion:
    """The promoted version, and the one that had the alias before; `differing` are the parameters of its run
    other than in params.yaml, `dirty` its uncommitted files.
    """

    version: ModelVersion
    alias: str
    before: ModelVersion | None
    proved: ProvedModel
    shown: Mapping[str, float]
    differing: tuple[str, ...] = ()
    dirty: str = ""

    @property
    def is_current(self) -> bool:
        """Whether the alias already pointed to this model."""
        return self.before is self.version


def promote(request: PromotionRequest, notify: Callable[[str], None]) -> Promotion:
    """Registers a run's model if it passes the gate, and moves the alias.

    Raises UsageError, FindingsError with all findings of the gate.
    """
    with tracking_errors():
        registry = Registry()
        origin = registry.origin(registry.run_of(request.target), request.step)
        findings = missed(origin.metrics(), list(request.thresholds))
        comparison = _comparison(request, origin)
        findings += comparison_findings(registry, comparison, request.name, origin) if comparison else []
        if findings:
            raise FindingsError(findings, consequence="nothing was promoted")
        folder = registry.file(origin.maker.run_id, origin.artifact)
        if folder is None:
            raise UsageError(f"run {origin.maker.run_id}: its model {origin.artifact!r} is gone")
        notify("compiling the model and comparing it with the original on held-out rows")
        mlmodel = read_mlmodel(folder)
        rows = held_out_rows(registry, origin, mlmodel)
        proved_model = _checked(folder, rows, is_trusted=request.is_trusted)
        before = registry.by_alias(request.name, request.alias)
        shown = _shown(request, comparison, origin)
        if before and before.run_id == origin.maker.run_id and _digest(before) == proved_model.digest:
            return Promotion(before, request.alias, before, proved_model, shown, *_differences(origin))
        tags = version_tags(origin, proved_model)
        version = registry.register(request.name, origin.maker.run_id, origin.model_id, tags)
        text = card(card_facts(origin, version, tags, proved_model, notes=request.notes))
        registry.describe(version, _cut(text))
        place = f"model_card/{request.name}-{version.version}"
        registry.keep(origin.maker.run_id, text, f"{place}.md")
        registry.keep(
            origin.maker.run_id, proved_model.proof.model_dump_json(indent=1), f"{place}-proof.json"
        )
        if before:
            registry.move(request.name, previous_of(request.alias), before.version)
        registry.move(request.name, request.alias, version.version)
        return Promotion(version, request.alias, before, proved_model, shown, *_differences(origin))


def _differences(origin: ModelOrigin) -> tuple[tuple[str, ...], str]:
    """Returns the parameters of a run that differ from params.yaml, and its uncommitted files."""
    return lines_of(origin.tags.get(OVERRIDES_TAG, "")), origin.tags.get(DIRTY_TAG, "")


def _checked(folder: Path, rows: ColumnValues | None, *, is_trusted: bool) -> ProvedModel:
    """Returns a model that a separate process has checked and compared on held-out rows."""
    with (
        scratch() as temp,
        fetched_model(str(folder), temp / "model.state", is_trusted=is_trusted, rows=rows),
    ):
        return proved(folder, is_trusted=is_trusted, rows=rows)


def _digest(version: ModelVersion) -> str:
    return version.tags.get("waypost.model.digest", "")


def _comparison(request: PromotionRequest, origin: ModelOrigin) -> Comparison | None:
    if not request.better_than:
        return None
    metric = request.metric or (request.thresholds[0].metric if request.thresholds else "")
    return comparison_of(origin, request.better_than, metric, request.better, any_data=request.any_data)


def _cut(text: str) -> str:
    """Returns a card shortened to the registry's limit, between two sections."""
    if len(text) <= _LONGEST_DESCRIPTION:
        return text
    more = "\n\n(The complete card is an artifact of the run: model_card/)\n"
    return text[: text.rindex("\n\n", 0, _LONGEST_DESCRIPTION - len(more))] + more


def _shown(request: PromotionRequest, comparison: Comparison | None, origin: ModelOrigin) -> dict[str, float]:
    """Returns the metrics that the gate used, else those of the model's quality."""
    metrics = origin.metrics()
    gate = [find_metric(t.metric, metrics) for t in request.thresholds] + (
        [comparison.metric] if comparison else []
    )
    return {name: metrics[name] for name in gate or quality_metrics(origin)[:_MOST_SHOWN]}
