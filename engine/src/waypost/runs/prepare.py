"""Everything that is checked before step 1: files read, plan made, inputs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from waypost.contracts.component import Component
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.parameters import merged, plain
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, Pipeline
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
    folders were taken as they are; `warnings` what the user should know of the versions; `release`
    are the tags of a release, empty for a pipeline's folder; `read` are the user's files and folders
    that were looked at.
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

    def tags(self) -> dict[str, str]:
        """Returns what the run's tags say of where the pipeline comes from; git is asked."""
        commit = "" if self.release else head_of(self.folder)
        tags = {**self.release, **({"waypost.commit": commit} if commit else {})}
        if self.lock:
            tags["waypost.lock"] = self.lock
        if self.dev:
            tags["waypost.dev"] = "true"
        return tags

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
        release=workspace.release.tags if workspace.release else {},
        read=(*files, *_looked_at(workspace, code)),
    )


def _looked_at(workspace: Workspace, code: Mapping[str, Checkout]) -> set[Path]:
    """Returns the pipeline's files, and the folders of code that was taken or could have been."""
    found = {workspace.folder / name for name in (FILE, PARAMETERS_FILE, LOCK_FILE)}
    for uses, checkout in code.items():
        local = workspace.local(uses.partition("/")[0])
        if local:
            found.update(local / name for name in checkout.trees)
    return found


def local_path(location: Location, folder: Path) -> Path | None:
    """Returns the file that a location names, None where it is a URL of another machine."""
    parts = urlsplit(location.text)
    if parts.scheme == "file":
        return Path(parts.path)
    return None if "://" in location.text or parts.scheme in ("runs", "models") else folder / location.text


def input_files(plan: Plan, folder: Path) -> dict[str, Path]:
    """Returns the files of this machine that steps are given, by the place where they are named."""
    return {
        f"{FILE}: steps.{step.name}.with.{name}": path
        for step in plan.steps
        for name, argument in step.arguments.items()
        if isinstance(argument, Location) and (path := local_path(argument, folder)) is not None
    }


def _input_findings(plan: Plan, folder: Path) -> list[Finding]:
    given = input_files(plan, folder)
    return [Finding(place, f"no such file: {path}") for place, path in given.items() if not path.exists()]
