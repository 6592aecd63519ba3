"""Everything that is checked before step 1: files read, plan made, inputs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from waypost.contracts.component import Component
from waypost.contracts.parameters import merged, plain
from waypost.contracts.pipeline import FILE, Pipeline
from waypost.contracts.plan import Location, Plan, PlannedStep, make_plan
from waypost.errors import Finding, FindingsError
from waypost.pins.checkout import Checkout, checkouts
from waypost.pins.workspace import Workspace, read_lock
from waypost.sources.files import read_parameters, read_text
from waypost.sources.git import head_of


@dataclass(frozen=True)
class Prepared:
    """A pipeline that is ready to run: plan, parameters (resolved), and the code of its components.

    `lock` is the digest of the lock that it runs from, empty without one; `dev` tells that local
    folders were taken as they are; `warnings` what the user should know of the versions; `tags` say
    where the pipeline itself comes from.
    """

    folder: Path
    pipeline: Pipeline
    plan: Plan
    parameters: dict[str, Any]
    checkouts: Mapping[str, Checkout]
    lock: str = ""
    dev: bool = False
    warnings: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def checkout(self, step: PlannedStep) -> Checkout:
        """Returns the code of a step's component."""
        return self.checkouts[step.uses]


def prepare(
    workspace: Workspace, files: Sequence[Path], overrides: Sequence[str], *, dev: bool = False
) -> Prepared:
    """Reads and checks a pipeline, and brings its components here.

    Args: `files` are parameter files, merged in order on top of the pipeline's params.yaml.
    Raises FindingsError with everything that is wrong, IntegrityError where lock or content are
    not what they should be, RemoteError where content is needed that no place here has.
    """
    folder, pipeline = workspace.folder, workspace.pipeline
    findings: list[Finding] = []
    texts = read_parameters(folder) + [(str(file), read_text(file)) for file in files]
    try:
        config = merged(texts, overrides)
    except FindingsError as error:
        findings += error.findings
        config = merged(texts, ()) if overrides else merged((), ())

    code, problems = checkouts(workspace, dev=dev)

    def find(uses: str) -> Component:
        if uses in code:
            return code[uses].component
        raise FindingsError(problems[uses])

    plan, plan_findings = make_plan(pipeline, config, find)
    findings += plan_findings
    if plan:
        findings += _input_findings(plan, folder)
    if findings or plan is None:
        raise FindingsError(dict.fromkeys(findings))
    lock = None if dev else read_lock(workspace)
    return Prepared(
        folder,
        pipeline,
        plan,
        plain(config),
        code,
        lock=lock.digest if lock else "",
        dev=dev,
        warnings=tuple(workspace.warnings),
        tags=_tags(workspace),
    )


def _tags(workspace: Workspace) -> dict[str, str]:
    """Returns what the run's tags say of where the pipeline comes from."""
    if workspace.release:
        return workspace.release.tags
    commit = head_of(workspace.folder)
    return {"waypost.commit": commit} if commit else {}


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
