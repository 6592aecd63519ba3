"""Everything that is checked before step 1: files read, plan made, inputs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from waypost.contracts.component import Component
from waypost.contracts.parameters import merged, plain
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, Pipeline
from waypost.contracts.plan import Location, Plan, PlannedStep, make_plan
from waypost.errors import Finding, FindingsError
from waypost.sources.files import read_component, read_pipeline, read_text


@dataclass(frozen=True)
class Prepared:
    """A pipeline that is ready to run: plan, parameters (resolved), and where its parts are.

    `components` holds the contracts that the plan was checked against, by `uses`.
    """

    folder: Path
    pipeline: Pipeline
    plan: Plan
    parameters: dict[str, Any]
    components: Mapping[str, Component]

    def component_folder(self, step: PlannedStep) -> Path:
        written = self.pipeline.steps[step.name]
        return source_folder(self.folder, self.pipeline, written.source) / written.component


def source_folder(folder: Path, pipeline: Pipeline, source: str) -> Path:
    """Returns the folder of a component source."""
    return (folder / pipeline.components[source].path).resolve()


def prepare(folder: Path, files: Sequence[Path], overrides: Sequence[str]) -> Prepared:
    """Reads and checks a pipeline. Raises FindingsError with everything that is wrong.

    Args: `files` are parameter files, merged in order on top of the pipeline's params.yaml.
    """
    folder = folder.resolve()
    findings: list[Finding] = []
    pipeline = read_pipeline(folder)
    base = folder / PARAMETERS_FILE
    texts = [(PARAMETERS_FILE, read_text(base))] if base.is_file() else []
    texts += [(str(file), read_text(file)) for file in files]
    try:
        config = merged(texts, overrides)
    except FindingsError as error:
        findings += error.findings
        config = merged(texts, ()) if overrides else merged((), ())

    components: dict[str, Component] = {}

    def find(source: str, name: str) -> Component:
        uses = f"{source}/{name}"
        if uses not in components:
            components[uses] = read_component(source_folder(folder, pipeline, source), name, uses)
        return components[uses]

    plan, problems = make_plan(pipeline, config, find)
    findings += problems
    if plan:
        findings += _input_findings(plan, folder)
    if findings or plan is None:
        raise FindingsError(dict.fromkeys(findings))
    return Prepared(folder, pipeline, plan, plain(config), components)


def local_path(location: Location, folder: Path) -> Path | None:
    """Returns the file that a location names, None where it is a URL of another machine."""
    parts = urlsplit(location.text)
    if parts.scheme == "file":
        return Path(parts.path)
    return None if "://" in location.text or parts.scheme in ("runs", "models") else folder / location.text


def _input_findings(plan: Plan, folder: Path) -> list[Finding]:
    findings = []
    for step in plan.steps:
        for name, argument in step.arguments.items():
            path = local_path(argument, folder) if isinstance(argument, Location) else None
            if path is not None and not path.exists():
                place = f"{FILE}: steps.{step.name}.with.{name}"
                findings.append(Finding(place, f"no such file: {path}"))
    return findings
