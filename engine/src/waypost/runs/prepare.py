"""Everything that is checked before step 1: files are read, the plan is made, inputs exist."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from waypost.contracts.component import Component
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.parameters import Parameters, merged
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, Pipeline
from waypost.contracts.plan import Location, Plan, PlannedStep
from waypost.contracts.planning import make_plan
from waypost.contracts.urls import scheme_of
from waypost.errors import Finding, FindingsError
from waypost.extras import MissingExtraError, require
from waypost.pins.checkout import Checkout, Checkouts, checkouts
from waypost.pins.workspace import Workspace, read_lock
from waypost.runs.schemas import schema_findings
from waypost.sources.files import read_parameters, read_text
from waypost.texts.limits import shortened
from waypost.texts.sealed import Variables, opened


@dataclass(frozen=True)
class PipelineSource:
    """The source of a pipeline run: parameter files with their texts, and overrides; `plain` are the
    parameters from params.yaml alone, `workspace` is where they were read.
    """

    workspace: Workspace
    files: tuple[tuple[str, str], ...]
    overrides: tuple[str, ...]
    plain: Mapping[str, Any]


@dataclass(frozen=True)
class Prepared:
    """A pipeline that is ready to run: plan, parameters (resolved), and the code of its components.

    `lock` is the digest of the lock that it runs from, empty without one; `dev`: local folders were used as
    they are; `warnings` concern the versions; `release` are the tags of a release, empty for a pipeline's
    folder; `read` are the user's files and folders that were read; `variables` the values of the environment
    variables that the pipeline declares; `made_from` is what it was read from, None if no user wrote it.
    """

    folder: Path
    pipeline: Pipeline
    plan: Plan
    parameters: dict[str, Any]
    checkouts: Mapping[str, Checkout]
    lock: str = ""
    dev: bool = False
    warnings: tuple[str, ...] = ()
    release: Mapping[str, str] = field(default_factory=dict)
    read: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    made_from: PipelineSource | None = None

    def tags(self) -> dict[str, str]:
        """Returns the run's tags about versions."""
        tags = dict(self.release)
        if self.lock:
            tags["waypost.lock"] = self.lock
        if self.dev:
            tags["waypost.dev"] = "true"
        return tags

    def checkout(self, step: PlannedStep) -> Checkout:
        """Returns the code of a step's component."""
        return self.checkouts[step.uses]


def prepare(
    workspace: Workspace,
    files: Sequence[Path],
    overrides: Sequence[str],
    *,
    dev: bool = False,
    found: Checkouts | None = None,
) -> Prepared:
    """Reads and checks a pipeline, and fetches its components.

    Args: `files` are parameter files, merged in order over the pipeline's params.yaml; `found` are the
    components if already fetched: all points of a sweep share them.
    Raises FindingsError with all problems, IntegrityError if lock or content are not what they should be,
    RemoteError if needed content is not available here or from any source.
    """
    folder, pipeline = workspace.folder, workspace.pipeline
    texts, overrides = _sources_of_parameters(workspace, files, overrides)
    values = {name: os.environ[name] for name in pipeline.variables if name in os.environ}
    variables = Variables(frozenset(pipeline.variables), values)
    parameters, findings = _merged(texts, overrides, variables)
    code, problems = found or checkouts(workspace, dev=dev)

    def find(uses: str) -> Component:
        if uses in code:
            return code[uses].component
        raise FindingsError(problems[uses])

    plan, plan_findings = make_plan(pipeline, parameters, find)
    findings += plan_findings
    if plan:
        findings += [*_input_findings(plan, folder, values), *_extra_findings(plan, values)]
        findings += schema_findings(plan, code, lambda location: local_path(location, folder, values))
    if findings or plan is None:
        raise FindingsError(dict.fromkeys(findings))
    lock = None if dev else read_lock(workspace)
    is_plain = not overrides and all(name == PARAMETERS_FILE for name, _ in texts)
    own = [(name, text) for name, text in texts if name == PARAMETERS_FILE]
    plain = parameters if is_plain else merged(own, (), variables)
    source = PipelineSource(workspace, tuple(texts), overrides, plain.content)
    return Prepared(
        folder,
        pipeline,
        plan,
        parameters.content,
        code,
        lock=lock.digest if lock else "",
        dev=dev,
        warnings=tuple(workspace.warnings),
        release=workspace.release.tags if workspace.release else {},
        read=(*files, *_looked_at(workspace, code)),
        variables=values,
        made_from=source,
    )


def _sources_of_parameters(
    workspace: Workspace, files: Sequence[Path], overrides: Sequence[str]
) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Returns (file name, YAML text) of all parameter files, and all overrides; a kept run's first."""
    kept = workspace.kept
    base = (
        [(file.name, file.text) for file in kept.facts.files] if kept else read_parameters(workspace.folder)
    )
    texts = [*base, *((_named(file), read_text(file)) for file in files)]
    return texts, (*(kept.facts.overrides if kept else ()), *overrides)


def _merged(
    texts: Sequence[tuple[str, str]], overrides: Sequence[str], variables: Variables
) -> tuple[Parameters, list[Finding]]:
    """Returns the parameters, and everything that is wrong with them."""
    findings: list[Finding] = []
    try:
        parameters = merged(texts, overrides, variables)
    except FindingsError as error:
        # Without parameters every name would be missing, which would hide the cause.
        parameters = merged(texts, (), variables)
        findings += error.findings
    return parameters, [*findings, *parameters.findings]


def _named(file: Path) -> str:
    """Returns the name of a parameter file, which never equals that of the pipeline's own."""
    return f"./{file}" if str(file) == PARAMETERS_FILE else str(file)


def _looked_at(workspace: Workspace, code: Mapping[str, Checkout]) -> set[Path]:
    """Returns the pipeline's files, and the folders of code that was or could have been used."""
    found = {workspace.folder / name for name in (FILE, PARAMETERS_FILE, LOCK_FILE)}
    for uses, checkout in code.items():
        local = workspace.local(uses.partition("/")[0])
        if local:
            found.update(local / name for name in checkout.trees)
    return found


def local_path(location: Location, folder: Path, variables: Mapping[str, str]) -> Path | None:
    """Returns the local file that a location names, None if it is a remote URL."""
    text = opened(location.text, variables)
    scheme = scheme_of(text)
    if scheme == "file":
        return Path(urlsplit(text).path)
    return None if "://" in text or scheme in ("runs", "models") else folder / text


def input_files(plan: Plan, folder: Path, variables: Mapping[str, str]) -> list[Path]:
    """Returns the local input files of the steps."""
    found = (local_path(location, folder, variables) for _, location in locations(plan))
    return [path for path in found if path is not None]


def locations(plan: Plan) -> Iterator[tuple[str, Location]]:
    """Yields the paths and URLs that steps are given, each with the place where it is named."""
    for step in plan.steps:
        for name, argument in step.arguments.items():
            if isinstance(argument, Location):
                yield f"{FILE}: steps.{step.name}.with.{name}", argument


def _input_findings(plan: Plan, folder: Path, variables: Mapping[str, str]) -> list[Finding]:
    return [
        Finding(place, f"no such file: {shortened(folder / location.text, 200)}")
        for place, location in locations(plan)
        if (path := local_path(location, folder, variables)) is not None and not _exists(path)
    ]


def _extra_findings(plan: Plan, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Yields a finding for each input that needs an extra which is not installed."""
    for place, location in locations(plan):
        if is_wandb(opened(location.text, variables)):
            try:
                require("wandb", "a wandb:// input")
            except MissingExtraError as error:
                yield Finding(place, str(error))


def is_wandb(text: str) -> bool:
    """Returns whether a location is an artifact on W&B."""
    return scheme_of(text) == "wandb"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long for a file
        return False
