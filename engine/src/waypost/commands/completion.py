"""What a shell completes: names of components, of parameters, and the values that a contract lets one have.

Nothing is fetched, and what cannot be read completes nothing: nobody wants an error while typing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from waypost.commands.options import parted


def component_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns folders, and the components of the pipeline that was typed before, else of the one here."""
    from waypost.contracts.pipeline import component_name
    from waypost.errors import WaypostError
    from waypost.sources.files import read_pipeline

    folder, _names = parted(_typed(context))
    found: set[str] = set()
    with contextlib.suppress(WaypostError, OSError):
        uses = {step.uses for step in read_pipeline(folder).steps.values()}
        found = {*uses, *map(component_name, uses), *(each.partition("/")[0] for each in uses)}
    return [*_starting(sorted(found), incomplete), *_folders(incomplete)]


def parameters(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns folders, `key=` of params.yaml's parameters, and `key=value` where a contract has choices."""
    folder, _overrides = parted(_typed(context))
    key, equals, _value = incomplete.partition("=")
    if equals:
        return _starting([f"{key}={choice}" for choice in _choices(folder, key)], incomplete)
    return [*_starting([f"{name}=" for name in _names(folder)], incomplete), *_folders(incomplete)]


def _typed(context: click.Context) -> tuple[str, ...]:
    return tuple(context.params.get("arguments") or ())


def _starting(words: Iterable[str], start: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(start)]


def _folders(incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="dir")]


def _names(folder: Path) -> list[str]:
    """Returns the names of a pipeline's parameters."""
    from waypost.contracts.parameters import merged
    from waypost.errors import WaypostError
    from waypost.sources.files import read_parameters, read_pipeline
    from waypost.texts.canonical_yaml import flat
    from waypost.texts.sealed import Variables

    with contextlib.suppress(WaypostError, OSError):
        variables = Variables(frozenset(read_pipeline(folder).variables))
        return sorted(flat(merged(read_parameters(folder), (), variables).plain()))
    return []


def _choices(folder: Path, key: str) -> list[str]:
    """Returns the values that a parameter may have: the choices, or both sides, of what it is given to."""
    from waypost.errors import WaypostError
    from waypost.pins.checkout import checkouts
    from waypost.pins.workspace import open_workspace
    from waypost.texts.scalars import text_of, value_of

    with contextlib.suppress(WaypostError, OSError):
        workspace = open_workspace(folder, lambda _: None, offline=True)
        there, _problems = checkouts(workspace)
        for step in workspace.pipeline.steps.values():
            code = there.get(step.uses)
            point = code.component.entry_points.get(step.entry_point) if code else None
            for name, value in step.arguments.items() if point else ():
                if point and str(value_of(value)).strip() == f"${{{key}}}" and name in point.parameters:
                    parameter = point.parameters[name]
                    choices = [text_of(choice) for choice in parameter.choices]
                    return choices or (["true", "false"] if parameter.type == "bool" else [])
    return []
