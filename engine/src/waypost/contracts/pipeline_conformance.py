"""Rules for pipelines beyond what a run refuses: problems that users would run into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from waypost.contracts.component import Component
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, Pipeline, step_place
from waypost.contracts.plan import Location, Plan
from waypost.contracts.urls import scheme_of
from waypost.errors import Finding
from waypost.texts.canonical_yaml import flat
from waypost.texts.expressions import Expression, Parts, ProblemError, has_expression, key_names, parsed
from waypost.texts.limits import WRITTEN

_NEVER_CHANGES = ("runs", "models", "wandb")


def unused_parameters(pipeline: Pipeline, content: Mapping[str, Any]) -> Iterator[Finding]:
    """Yields the parameters that no step or other parameter refers to: setting one has no effect."""
    used = set(_references([step.arguments for step in pipeline.steps.values()]))
    used |= set(_references(content))
    for key in flat(content):
        names = tuple(key.split("."))
        if not any(_is_within(names, other) or _is_within(other, names) for other in used):
            hint = f"remove it, or use it in a step: ${{{key}}}"
            yield Finding(f"{PARAMETERS_FILE}: {key}", "no step uses it", hint, "parameters")


def _is_within(names: tuple[str, ...], group: tuple[str, ...]) -> bool:
    return names[: len(group)] == group


def _references(value: Any) -> Iterator[tuple[str, ...]]:
    """Yields the names that are referenced anywhere in a value; () if not known in advance."""
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
            return  # a run reports the problem


def _named(parts: Parts) -> Iterator[tuple[str, ...]]:
    for part in parts:
        if isinstance(part, Expression) and not part.resolver:
            yield from _named(part.parts)
            if all(isinstance(inner, str) for inner in part.parts):
                dots, names = key_names("".join(map(str, part.parts)).strip())
                yield () if dots else names  # relative references may mean any key
            else:
                first = part.parts[0]
                yield tuple(str(first).strip(".").split(".")) if isinstance(first, str) else ()


def unpinned_data(plan: Plan) -> Iterator[Finding]:
    """Yields URLs without a sha256: nobody would notice if their content changed."""
    for step in plan.steps:
        for name, argument in step.arguments.items():
            scheme = scheme_of(argument.text) if isinstance(argument, Location) else ""
            if not scheme or scheme in ("file", *_NEVER_CHANGES):
                continue
            digest = step.entry_point.digest_parameter(name)
            if digest and str(step.arguments.get(digest, "")):
                continue
            mend = f"set {digest}" if digest else "download it in a step that takes a sha256"
            place = f"{FILE}: steps.{step.name}.with.{name}"
            yield Finding(place, "no sha256 says which content is expected", mend, "data")


def deprecated_steps(pipeline: Pipeline, components: Mapping[str, Component]) -> Iterator[Finding]:
    """Yields the steps with components (by `uses`) that nobody should start to use."""
    for name, step in pipeline.steps.items():
        component = components.get(step.uses)
        if component and component.deprecated:
            use = component.deprecated.use
            hint = f"uses: {use}" if use else "look for another one: waypost components search"
            place = step_place(name, "uses")
            yield Finding(place, f"{step.uses} is {component.deprecated}", hint, "deprecated")


def two_versions(pipeline: Pipeline) -> Iterator[Finding]:
    """Yields the components that steps use in more than one version."""
    asked: dict[str, dict[str, list[str]]] = {}
    for name, step in pipeline.steps.items():
        versions = asked.setdefault(f"{step.source}/{step.component}", {})
        versions.setdefault(step.requirement, []).append(name)
    for uses, versions in asked.items():
        if len(versions) > 1:
            told = "; ".join(
                f"{', '.join(steps)}: {version or 'version of the source'}"
                for version, steps in versions.items()
            )
            hint = "ignore the finding with a reason, or move the older one: waypost update"
            yield Finding(f"{FILE}: {uses}", f"it is used in two versions: {told}", hint, "versions")
