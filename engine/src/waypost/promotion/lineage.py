"""Lineage of a promoted model: the tags of its version, and the facts of its card."""

from __future__ import annotations

from collections.abc import Mapping

from waypost.contracts.gate import qualities
from waypost.contracts.provenance import COMMAND_TAG, DIRTY_TAG, OVERRIDES_TAG
from waypost.inference.model_cache import ProvedModel
from waypost.promotion.card import Facts
from waypost.texts.digests import digest_of
from waypost.tracking.origins import ModelOrigin, StepRun
from waypost.tracking.registry import ModelVersion

_MOST_LISTED = 12
_MADE = (COMMAND_TAG, OVERRIDES_TAG, DIRTY_TAG)


def version_tags(origin: ModelOrigin, proved_model: ProvedModel) -> dict[str, str]:
    """Returns the tags that lead from a registered version back to everything that it was built from."""
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


def _component(origin: ModelOrigin, step: StepRun) -> str:
    """Returns `core/train 1.0.0 train:TREE kit:TREE` for the step of a pipeline, empty for other runs; with
    the run that computed a reused result.
    """
    prefix = "waypost.tree."
    trees = [f"{k.removeprefix(prefix)}:{v}" for k, v in sorted(step.tags.items()) if k.startswith(prefix)]
    return " ".join(part for part in (origin.component_of(step), *trees, _computed_by(origin, step)) if part)


def _computed_by(origin: ModelOrigin, step: StepRun) -> str:
    """Returns the run that computed a reused result, empty if this run computed it itself."""
    run_id = step.tags.get("mlflow.parentRunId", origin.run_id)
    if run_id == origin.run_id or not step.name:
        return ""
    with_ = "" if step.component == origin.component_of(step) else f" with {step.component}"
    return f"(computed by run {run_id}{with_})"


def card_facts(
    origin: ModelOrigin,
    version: ModelVersion,
    tags: Mapping[str, str],
    proved_model: ProvedModel,
    *,
    notes: str,
) -> Facts:
    """Returns the content of the model's card: its origin, its quality, its proof."""
    components = []
    for step in origin.steps.values():
        uses = step.tags.get("waypost.component", "")
        tree = step.tags.get(f"waypost.tree.{uses.rpartition('/')[2]}", "")
        if uses:
            whose = (origin.component_of(step), _computed_by(origin, step))
            components.append((step.name, " ".join(filter(None, whose)), tree))
    prefix = "waypost.data."
    return Facts(
        name=version.name,
        version=version.version,
        pipeline=tags.get("waypost.pipeline", ""),
        run_id=origin.run_id,
        release=tags.get("waypost.release", ""),
        release_url=tags.get("waypost.release.url", ""),
        commit=tags.get("waypost.commit", ""),
        components=components,
        data={k.removeprefix(prefix): v for k, v in tags.items() if k.startswith(prefix)},
        metrics=origin.metrics(),
        qualities=quality_metrics(origin),
        mlmodel=proved_model.mlmodel,
        proof=proved_model.proof,
        notes=notes,
        command=tags.get(COMMAND_TAG, ""),
        differing=lines_of(tags.get(OVERRIDES_TAG, "")),
        dirty=tags.get(DIRTY_TAG, ""),
    )


def lines_of(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines())


def quality_metrics(origin: ModelOrigin) -> list[str]:
    """Returns the metrics of the model's quality: those declared by the steps that judged it, else those of
    no class and no slice.
    """
    judges = {step.name for step in origin.judges()}
    own = [n for n in origin.metrics() if n.count("/") <= 1 and origin.step_of(n).name in judges]
    return qualities(own, origin.facts()) or sorted(own)[:_MOST_LISTED]
