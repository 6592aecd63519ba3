"""Outputs of a pipeline's steps, from the contracts of its pinned and local components."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path

from waypost.contracts.component import FILE, Component, Output, parse_component
from waypost.contracts.lock import Pin
from waypost.contracts.pipeline import Pipeline, Step
from waypost.errors import WaypostError
from waypost.pins.checkout import pinned_checkouts
from waypost.pins.workspace import Workspace
from waypost.runs.events import Reporter
from waypost.sources.store import Store
from waypost.system.places import home
from waypost.system.process import ProcessError


def step_outputs(
    folder: Path, pipeline: Pipeline, pins: Mapping[str, Pin], text_of: Callable[[str], str]
) -> dict[str, Mapping[str, Output]] | None:
    """Returns the outputs of each step by name, None if its component is not available.

    Args: `folder` is the pipeline's, `text_of` returns the text of a file by its path from there, empty if it
    is missing.
    """
    quiet = Reporter().say
    workspace = Workspace(folder, pipeline, Store(home(), quiet), quiet)
    found: dict[str, Mapping[str, Output]] = {}
    try:
        contracts = {uses: code.component for uses, code in pinned_checkouts(workspace, pins).items()}
        for name, step in pipeline.steps.items():
            component = contracts.get(step.uses) or _beside(pipeline, step, text_of)
            found[name] = component.entry_points[step.entry_point].outputs
    except (WaypostError, ProcessError, KeyError):
        return None
    return found


def _beside(pipeline: Pipeline, step: Step, text_of: Callable[[str], str]) -> Component:
    """Returns the contract of a component in a folder of its source. Raises WaypostError."""
    path = posixpath.normpath(f"{pipeline.components[step.source].path}/{step.component}/{FILE}")
    return parse_component(text_of(path), path)
