"""From a run to a registered model: gate, registration, alias; and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waypost.contracts.gate import Threshold, find_metric, missed, qualities
from waypost.contracts.metrics import SaidSide
from waypost.contracts.mlmodel import MLmodel
from waypost.contracts.provenance import COMMAND_TAG, DIRTY_TAG, OVERRIDES_TAG
from waypost.errors import FindingsError, UsageError
from waypost.inference.example import fits
from waypost.inference.fetching import fetched_model
from waypost.inference.model_cache import Proved, proved
from waypost.inference.proof import Rows, count_of
from waypost.promotion.aliases import previous_of
from waypost.promotion.baseline import Contest, contest, contest_findings
from waypost.promotion.card import Facts, card
from waypost.sources.files import read_mlmodel
from waypost.system.scratch import scratch
from waypost.texts.digests import digest_of
from waypost.tracking.connection import tracking_errors
from waypost.tracking.origins import Origin, StepRun
from waypost.tracking.registry import Registry, Version

_PROOF_ROWS = 5000
_MOST_SHOWN, _MOST_LISTED = 4, 12
_MADE = (COMMAND_TAG, OVERRIDES_TAG, DIRTY_TAG)
_LONGEST_DESCRIPTION = 5000  # characters that the registry keeps


@dataclass(frozen=True)
class PromotionRequest:
    """What to promote (a run's id, or a release), and what it has to show before."""

    target: str
    name: str
    alias: str = "champion"
    thresholds: tuple[Threshold, ...] = ()
    better_than: str = ""
    metric: str = ""
    better: SaidSide = ""
    step: str = ""
    notes: str = ""
    is_trusted: bool = False
    any_data: bool = False


@dataclass(frozen=True)
class Promotion:
    """What was promoted: the new version, and the one that had the alias before; the parameters of its run
    `differing` from params.yaml, the `dirty` files that were not committed.
    """

    version: Version
    alias: str
    before: Version | None
    proved: Proved
    shown: Mapping[str, float]
    differing: tuple[str, ...] = ()
    dirty: str = ""

    @property
    def is_current(self) -> bool:
        """Tells whether the alias named this model already."""
        return self.before is self.version


def promote(request: PromotionRequest, say: Callable[[str], None]) -> Promotion:
    """Registers a run's model, once it passes the gate, and moves the alias.

    Raises UsageError, FindingsError with everything that the gate says.
    """
    with tracking_errors():
        registry = Registry()
        origin = registry.origin(registry.run_of(request.target), request.step)
        findings = missed(origin.metrics(), list(request.thresholds))
        asked = _contest(request, origin)
        findings += contest_findings(registry, asked, request.name, origin) if asked else []
        if findings:
            raise FindingsError(findings, consequence="nothing was promoted")
        folder = registry.file(origin.maker.run_id, origin.artifact)
        if folder is None:
            raise UsageError(f"run {origin.maker.run_id}: its model {origin.artifact!r} is gone")
        say("compiling the model and comparing it with the original on held-out rows")
        mlmodel = read_mlmodel(folder)
        rows = _held_out(registry, origin, mlmodel)
        proved_model = _checked(folder, rows, is_trusted=request.is_trusted)
        before = registry.by_alias(request.name, request.alias)
        shown = _shown(request, asked, origin)
        if before and before.run_id == origin.maker.run_id and _digest(before) == proved_model.digest:
            return Promotion(before, request.alias, before, proved_model, shown, *_differences(origin))
        tags = _tags(origin, proved_model)
        version = registry.register(request.name, origin.maker.run_id, origin.model_id, tags)
        text = card(_facts(request, origin, version, tags, proved_model))
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


def _differences(origin: Origin) -> tuple[tuple[str, ...], str]:
    """Returns the parameters that a run had besides params.yaml, and its files that were not committed."""
    return _lines(origin.tags.get(OVERRIDES_TAG, "")), origin.tags.get(DIRTY_TAG, "")


def _checked(folder: Path, rows: Rows | None, *, is_trusted: bool) -> Proved:
    """Returns a model that a process of its own has checked, and compared on rows that it was measured on."""
    with (
        scratch() as temp,
        fetched_model(str(folder), temp / "model.state", is_trusted=is_trusted, rows=rows),
    ):
        return proved(folder, is_trusted=is_trusted, rows=rows)


def _digest(version: Version) -> str:
    return version.tags.get("waypost.model.digest", "")


def _contest(request: PromotionRequest, origin: Origin) -> Contest | None:
    if not request.better_than:
        return None
    metric = request.metric or (request.thresholds[0].metric if request.thresholds else "")
    return contest(origin, request.better_than, metric, request.better, any_data=request.any_data)


def _held_out(registry: Registry, origin: Origin, mlmodel: MLmodel) -> Rows | None:
    """Returns rows that the model was measured on, None where there are none at hand."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [column.name for column in mlmodel.inputs]
    if not names:
        return None
    for step in origin.steps.values():
        uses_model = any(run == origin.maker.run_id for run, _ in step.inputs.values())
        for run_id, path in step.inputs.values() if uses_model else ():
            if not path.endswith(".parquet") or (file := registry.file(run_id, path)) is None:
                continue
            table = pq.read_table(file).slice(0, _PROOF_ROWS)
            if set(names) <= set(table.schema.names):
                return _fitting({name: _plain(table[name], pa) for name in names}, mlmodel)
    return None


def _fitting(rows: Rows, mlmodel: MLmodel) -> Rows:
    """Returns the rows whose values the model's columns can hold."""
    kinds = [(rows[column.name], column.kind) for column in mlmodel.inputs]
    kept = [row for row in range(count_of(rows)) if all(fits(values[row], kind) for values, kind in kinds)]
    return {name: [values[row] for row in kept] for name, values in rows.items()}


def _plain(column: Any, pa: Any) -> list[Any]:
    """Returns a column as JSON would bring it: numbers, texts, booleans, None."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values: list[Any] = column.to_pylist()
    return values


def _tags(origin: Origin, proved_model: Proved) -> dict[str, str]:
    """Returns what leads back from a registered version to everything that it was made of."""
    kept = ("waypost.release", "waypost.release.url", "waypost.commit", "waypost.lock", "waypost.dev", *_MADE)
    tags = {name: origin.tags[name] for name in kept if name in origin.tags}
    tags |= {
        "waypost.run": origin.run_id,
        "waypost.step": origin.step,
        "waypost.pipeline": origin.tags.get("waypost.pipeline", ""),
        "waypost.model.digest": proved_model.digest,
        "waypost.compiled": "true"
        if proved_model.proof.is_equal
        else f"false: {proved_model.proof.reason}"[:250],
    }
    if proved_model.mlmodel.signature:
        tags["waypost.signature"] = digest_of(proved_model.mlmodel.signature.model_dump())
    for step in origin.steps.values():
        if found := _component(origin, step):
            tags[f"waypost.component.{step.name}"] = found
        for output, digest in step.digests.items():
            tags[f"waypost.data.{step.name}.{output}"] = digest
    return {name: value for name, value in tags.items() if value}


def _component(origin: Origin, step: StepRun) -> str:
    """Returns `core/train 1.0.0 train:TREE kit:TREE` for the step of a pipeline, empty for other runs; where
    another run computed the result, that, too.
    """
    prefix = "waypost.tree."
    trees = [f"{k.removeprefix(prefix)}:{v}" for k, v in sorted(step.tags.items()) if k.startswith(prefix)]
    return " ".join(part for part in (origin.component_of(step), *trees, _computed_by(origin, step)) if part)


def _computed_by(origin: Origin, step: StepRun) -> str:
    """Returns the run that computed a result which this one took over, empty where it did so itself."""
    run_id = step.tags.get("mlflow.parentRunId", origin.run_id)
    if run_id == origin.run_id or not step.name:
        return ""
    with_ = "" if step.component == origin.component_of(step) else f" with {step.component}"
    return f"(computed by run {run_id}{with_})"


def _facts(
    request: PromotionRequest,
    origin: Origin,
    version: Version,
    tags: Mapping[str, str],
    proved_model: Proved,
) -> Facts:
    """Returns what the model's card says: where it comes from, how good it is, how it was proved."""
    components = []
    for step in origin.steps.values():
        uses = step.tags.get("waypost.component", "")
        tree = step.tags.get(f"waypost.tree.{uses.rpartition('/')[2]}", "")
        if uses:
            whose = (origin.component_of(step), _computed_by(origin, step))
            components.append((step.name, " ".join(filter(None, whose)), tree))
    prefix = "waypost.data."
    return Facts(
        name=request.name,
        version=version.version,
        pipeline=tags.get("waypost.pipeline", ""),
        run_id=origin.run_id,
        release=tags.get("waypost.release", ""),
        release_url=tags.get("waypost.release.url", ""),
        commit=tags.get("waypost.commit", ""),
        components=components,
        data={k.removeprefix(prefix): v for k, v in tags.items() if k.startswith(prefix)},
        metrics=origin.metrics(),
        qualities=_qualities(origin),
        mlmodel=proved_model.mlmodel,
        proof=proved_model.proof,
        notes=request.notes,
        command=tags.get(COMMAND_TAG, ""),
        differing=_lines(tags.get(OVERRIDES_TAG, "")),
        dirty=tags.get(DIRTY_TAG, ""),
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines())


def _cut(text: str) -> str:
    """Returns a card as far as the registry keeps it, cut between its parts."""
    if len(text) <= _LONGEST_DESCRIPTION:
        return text
    more = "\n\n(The whole card is an artifact of the run: model_card/)\n"
    return text[: text.rindex("\n\n", 0, _LONGEST_DESCRIPTION - len(more))] + more


def _shown(request: PromotionRequest, asked: Contest | None, origin: Origin) -> dict[str, float]:
    """Returns the metrics that the gate looked at, else those that say how good the model is."""
    metrics = origin.metrics()
    gate = [find_metric(t.metric, metrics) for t in request.thresholds] + ([asked.metric] if asked else [])
    return {name: metrics[name] for name in gate or _qualities(origin)[:_MOST_SHOWN]}


def _qualities(origin: Origin) -> list[str]:
    """Returns the metrics that say how good the model is: of the steps that judged it the declared ones, else
    those of no class and no slice.
    """
    judges = {step.name for step in origin.judges()}
    own = [n for n in origin.metrics() if n.count("/") <= 1 and origin.step_of(n).name in judges]
    return qualities(own, origin.facts()) or sorted(own)[:_MOST_LISTED]
