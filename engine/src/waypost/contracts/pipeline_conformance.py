"""Rules for pipelines beyond what a run refuses: problems that their users would meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, Pipeline
from waypost.contracts.plan import Location, Plan
from waypost.contracts.urls import scheme_of
from waypost.errors import Finding
from waypost.texts.canonical_yaml import flat
from waypost.texts.expressions import Expression, Parts, ProblemError, has_expression, key_names, parsed
from waypost.texts.limits import WRITTEN

_NEVER_CHANGES = ("runs", "models", "wandb")


def unused_parameters(pipeline: Pipeline, content: Mapping[str, Any]) -> Iterator[Finding]:
    """Yields the parameters that no step and no other parameter refers to: setting one changes nothing."""
    used = set(_references([step.arguments for step in pipeline.steps.values()]))
    used |= set(_references(content))
    for key in flat(content):
        names = tuple(key.split("."))
        if not any(_is_within(names, other) or _is_within(other, names) for other in used):
            hint = f"remove it, or give it to a step: ${{{key}}}"
            yield Finding(f"{PARAMETERS_FILE}: {key}", "no step uses it", hint, "parameters")


def _is_within(names: tuple[str, ...], group: tuple[str, ...]) -> bool:
    return names[: len(group)] == group


def _references(value: Any) -> Iterator[tuple[str, ...]]:
    """Yields the names of what is referred to anywhere in a value; () where that is not known beforehand."""
    if isinstance(value, Mapping):
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _references(child)
    elif has_expression(value):
        try:
            yield from _named(parsed(value, WRITTEN))
        except ProblemError:
            return  # a run says what is wrong with it


def _named(parts: Parts) -> Iterator[tuple[str, ...]]:
    for part in parts:
        if isinstance(part, Expression) and not part.resolver:
            yield from _named(part.parts)
            if all(isinstance(inner, str) for inner in part.parts):
                dots, names = key_names("".join(map(str, part.parts)).strip())
                yield () if dots else names  # relative ones: any may be meant
            else:
                first = part.parts[0]
                yield tuple(str(first).strip(".").split(".")) if isinstance(first, str) else ()


def unpinned_data(plan: Plan) -> Iterator[Finding]:
    """Yields the addresses without a sha256: if their content changes, nobody notices."""
    for step in plan.steps:
        for name, argument in step.arguments.items():
            scheme = scheme_of(argument.text) if isinstance(argument, Location) else ""
            if not scheme or scheme in ("file", *_NEVER_CHANGES):
                continue
            digest = step.entry_point.digest_parameter(name)
            if digest and str(step.arguments.get(digest, "")):
                continue
            mend = f"set {digest}" if digest else "download it by a step that takes a sha256"
            place = f"{FILE}: steps.{step.name}.with.{name}"
            yield Finding(place, "nothing says which content is meant", mend, "data")


def two_versions(pipeline: Pipeline) -> Iterator[Finding]:
    """Yields the components of which steps use more than one version."""
    asked: dict[str, dict[str, list[str]]] = {}
    for name, step in pipeline.steps.items():
        versions = asked.setdefault(f"{step.source}/{step.component}", {})
        versions.setdefault(step.requirement, []).append(name)
    for uses, versions in asked.items():
        if len(versions) > 1:
            told = "; ".join(
                f"{', '.join(steps)}: {version or 'as the source asks'}"
                for version, steps in versions.items()
            )
            hint = "say why beside it, or move the older one: waypost update"
            yield Finding(f"{FILE}: {uses}", f"it is used in two versions: {told}", hint, "versions")
